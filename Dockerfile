# syntax=docker/dockerfile:1
# Two images of one build:
#   docker build --target worker -t gandy-worker .   a worker without Rust code, and the `gandy` command
#   docker build --target app    -t gandy-example .  the example web application
# Both hold no shell, run as user 65532 and get signals as process 1, so TERM reaches the worker itself.

FROM rust:1-slim-bookworm AS build
WORKDIR /src
COPY . .
# The caches stay on the building machine; what the images need is copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release -p gandy-worker -p gandy-cli -p gandy-examples --bins \
    && install -D -t /out/worker target/release/gandy-worker target/release/gandy \
    && install -D -t /out/app target/release/web

# The same Debian as above, for its libc; certificates for rediss:// and https:// are in it.
FROM gcr.io/distroless/cc-debian12:nonroot AS app
COPY --from=build /out/app/ /usr/local/bin/
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/web"]

# Last, so that `docker build .` makes this one.
FROM gcr.io/distroless/cc-debian12:nonroot AS worker
COPY --from=build /out/worker/ /usr/local/bin/
USER 65532:65532
WORKDIR /etc/gandy
# Probes and metrics; `gandy exporter`, which is in the image too, is told where to listen.
EXPOSE 7433
ENTRYPOINT ["/usr/local/bin/gandy-worker"]
