# shellcheck shell=bash
# What the scripts beside this file share: finding or installing what they need, and saying so. Sourced, never run.
# Works with the bash 3.2 of macOS: no associative arrays, no mapfile, no empty "${array[@]}".

say() { printf '==> %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
in_ci() { [ "${CI:-}" = true ] || [ "${CI:-}" = 1 ]; }

# What could not be checked on this machine, one line each, for the closing words.
SKIPPED=""
skip() {
    in_ci && die "$1 (and nothing may be skipped when CI=true)"
    SKIPPED="${SKIPPED}SKIPPED: $1"$'\n'
    say "SKIPPED: $1"
}

need_cargo() {
    have cargo || die "cargo is not on the PATH; get a Rust toolchain from https://rustup.rs"
}

# ---- packages

# Runs a command with the rights to install packages. Never asks for a password where nobody can type one.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif have sudo && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
        sudo "$@"
    else
        return 1
    fi
}

package_manager() {
    local manager
    for manager in apt-get dnf apk pacman brew; do
        if have "$manager"; then
            echo "$manager"
            return
        fi
    done
    echo none
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends "$1" >&2
}

# install_package NAME: true if the package is there afterwards. Services are not a matter here: no package that is
# asked for starts one (see need_redis_server).
install_package() {
    say "installing the package $1 with $(package_manager)"
    case $(package_manager) in
        apt-get)
            # The lists are often missing in a fresh image; fetching them each time would cost more than one attempt.
            apt_install "$1" 2>/dev/null || { say "apt-get update"; as_root apt-get update -qq >&2 && apt_install "$1"; }
            ;;
        dnf) as_root dnf install -y -q "$1" >&2 ;;
        apk) as_root apk add --quiet "$1" >&2 ;;
        pacman) as_root pacman -S --noconfirm --needed "$1" >&2 ;;
        brew) brew install --quiet "$1" >&2 ;;
        *) return 1 ;;
    esac
}

# ---- redis

# run_redis_server PROGRAM ARGUMENT…: replaces this (sub)shell by it. On Debian the server's program is in the package
# redis-tools too, under the name redis-check-rdb: it is one program, which looks at the name that it is called by.
run_redis_server() {
    case $1 in
        *check-rdb) exec -a redis-server "$@" ;;
        *) exec "$@" ;;
    esac
}

# "7.0.15" of "Redis server v=7.0.15 sha=…"; empty if it is no such program.
redis_version() {
    { (run_redis_server "$1" --version) 2>/dev/null || true; } | sed -n 's/.* v=\([0-9][0-9.]*\).*/\1/p'
}

# Sets REDIS_SERVER to a server of version 7.0 or later; also read by the tests' harness. False if there is none.
find_redis_server() {
    local candidate version
    REDIS_TOO_OLD=""
    for candidate in ${REDIS_SERVER:-redis-server valkey-server redis-check-rdb valkey-check-rdb}; do
        version=$(redis_version "$candidate")
        if [ -z "$version" ]; then
            continue
        fi
        if [ "${version%%.*}" -ge 7 ]; then
            REDIS_SERVER=$(command -v "$candidate")
            REDIS_VERSION=$version
            export REDIS_SERVER
            return 0
        fi
        REDIS_TOO_OLD="$candidate $version"
    done
    return 1
}

# Finds or installs a redis-server program. A Redis that runs on this machine is left alone, and none is started as a
# service: Debian's package redis-server would start one on port 6379, so it is not what is installed there.
need_redis_server() {
    local named=${REDIS_SERVER:-}
    if ! find_redis_server; then
        [ -z "$named" ] || die "REDIS_SERVER names $named, which is no server program of Redis 7.0 or later"
        local package packages
        case $(package_manager) in
            apt-get) packages="redis-tools" ;;
            dnf | pacman) packages="valkey redis" ;;
            apk | brew) packages="redis valkey" ;;
            *) packages="" ;;
        esac
        for package in $packages; do
            if install_package "$package" && find_redis_server; then
                break
            fi
        done
    fi
    if ! find_redis_server; then
        [ -z "$REDIS_TOO_OLD" ] || die "found $REDIS_TOO_OLD, but Gandy needs Redis 7.0 or Valkey 7.2 and later;
       install a newer one (https://redis.io/docs/latest/operate/oss_and_stack/install/) or name its program in REDIS_SERVER"
        die "no redis-server found, and none could be installed ($(package_manager) as user $(id -un), root or sudo is needed);
       install Redis 7.0+ or Valkey 7.2+, or name its program in REDIS_SERVER${REDIS_HINT:+, $REDIS_HINT}"
    fi
    case $REDIS_SERVER in
        *check-rdb) say "using the server $REDIS_VERSION in $REDIS_SERVER: Debian's one program for both, and no service is started" ;;
        *) say "using $REDIS_SERVER ($REDIS_VERSION)" ;;
    esac
}

# ---- ruby

ruby_sidekiq_version() {
    ruby -e 'require "sidekiq"; puts Sidekiq::VERSION' 2>/dev/null
}

# Real Sidekiq, for the interop tests. Only Debian's family has it as a package.
need_ruby_sidekiq() {
    if ! { have ruby && ruby_sidekiq_version >/dev/null; }; then
        case $(package_manager) in
            apt-get) install_package ruby-sidekiq || true ;;
        esac
    fi
    if have ruby && RUBY_SIDEKIQ=$(ruby_sidekiq_version); then
        say "using Ruby's Sidekiq $RUBY_SIDEKIQ"
    else
        RUBY_SIDEKIQ=""
        skip "the tests against Ruby's Sidekiq: $(package_manager) did not install it (gem install sidekiq -v 6.4.1 would do)"
    fi
}

# ---- promtool

# Prometheus' checker of alert rules, for tests/deploy.rs, which looks into PROMTOOL. It is in Debian's package prometheus,
# which would start a server; so the package is only unpacked, into the folder for what is built.
need_promtool() {
    local tools="${CARGO_TARGET_DIR:-target}/tools"
    if have "${PROMTOOL:-promtool}"; then
        return
    fi
    PROMTOOL="$tools/usr/bin/promtool"
    if ! [ -x "$PROMTOOL" ] && [ "$(package_manager)" = apt-get ]; then
        say "unpacking promtool into $tools"
        mkdir -p "$tools"
        (cd "$tools" && rm -f prometheus_*.deb && { apt-get download -qq prometheus 2>/dev/null \
            || { as_root apt-get update -qq >&2 && apt-get download -qq prometheus; }; } \
            && dpkg-deb -x prometheus_*.deb . && rm -f prometheus_*.deb) >&2 || true
    fi
    if [ -x "$PROMTOOL" ]; then
        PROMTOOL=$(cd "$(dirname "$PROMTOOL")" && pwd)/promtool
        export PROMTOOL
    else
        unset PROMTOOL
        skip "the test of the alerts: promtool is not installed (it comes with Prometheus)"
    fi
}

# ---- chromium

# A browser and what steers it, for tests/web_browser and scripts/screenshots, which look into CHROMEDRIVER. Empty where
# there is none.
need_chromium() {
    CHROMEDRIVER=${CHROMEDRIVER:-chromedriver}
    if ! have "$CHROMEDRIVER" && [ "$(package_manager)" = apt-get ]; then
        # The driver's package asks for chromium of the same version.
        install_package chromium-driver || true
    fi
    if have "$CHROMEDRIVER"; then
        CHROMEDRIVER=$(command -v "$CHROMEDRIVER")
        export CHROMEDRIVER
        say "using $("$CHROMEDRIVER" --version | cut -d ' ' -f 1,2)"
    else
        CHROMEDRIVER=""
        # CI goes on without it, too: a hundred megabytes from elsewhere do not decide whether Gandy works.
        say "chromedriver is not installed (Debian: apt-get install chromium-driver): the dashboard was not tried in a browser"
    fi
}

# ---- axe

AXE_VERSION=4.14.1
AXE_SHA256=29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c

# The checker of accessibility that the tests in a browser put into each page; they look into AXE_CORE. From npm, into the
# folder for what is built: it is no part of Gandy, and its licence (MPL-2.0) is not ours.
need_axe() {
    local tools="${CARGO_TARGET_DIR:-target}/tools/axe-$AXE_VERSION"
    if [ -n "${AXE_CORE:-}" ] && [ -f "$AXE_CORE" ]; then
        return
    fi
    if ! [ -f "$tools/package/axe.min.js" ] && have npm; then
        say "fetching axe-core $AXE_VERSION into $tools"
        mkdir -p "$tools"
        (cd "$tools" && npm pack --silent "axe-core@$AXE_VERSION" && tar xzf "axe-core-$AXE_VERSION.tgz" package/axe.min.js \
            && rm -f ./*.tgz) >&2 || true
    fi
    if [ -f "$tools/package/axe.min.js" ]; then
        AXE_CORE=$(cd "$tools/package" && pwd)/axe.min.js
        case $(sha256sum "$AXE_CORE" 2>/dev/null || shasum -a 256 "$AXE_CORE") in
            "$AXE_SHA256 "*) ;;
            *) die "$AXE_CORE is not axe-core $AXE_VERSION as it was looked at: its SHA-256 differs" ;;
        esac
        export AXE_CORE
    else
        unset AXE_CORE
        say "axe-core is not there (npm fetches it): the accessibility of the dashboard's pages was not looked at"
    fi
}

# ---- schemathesis

# Asks the dashboard's API what its document says may be asked; crates/gandy-web/tests/api.rs looks into SCHEMATHESIS. The
# same test holds every answer to the document without it, so where it cannot be had nothing is lost but nonsense as input.
need_schemathesis() {
    local tools="${CARGO_TARGET_DIR:-target}/tools/schemathesis"
    SCHEMATHESIS=${SCHEMATHESIS:-$(command -v schemathesis || true)}
    if [ -z "$SCHEMATHESIS" ]; then
        if ! [ -x "$tools/bin/schemathesis" ] && have python3; then
            say "installing schemathesis into $tools"
            { python3 -m venv "$tools" && "$tools/bin/pip" install --quiet --timeout 20 --retries 1 schemathesis==4.32.5; } \
                >&2 2>/dev/null || rm -rf "$tools"
        fi
        if [ -x "$tools/bin/schemathesis" ]; then
            SCHEMATHESIS=$(cd "$tools" && pwd)/bin/schemathesis
        fi
    fi
    if [ -n "$SCHEMATHESIS" ]; then
        export SCHEMATHESIS
    else
        unset SCHEMATHESIS
        say "schemathesis is not installed (pip install schemathesis): the API was not asked nonsense by it"
    fi
}
