//! Who may do what: roles, and how a request shows that it has one.
//!
//! Not here: where a request came from (`guard`).

use std::fmt;
use std::sync::Arc;

use axum::http::{HeaderMap, header, request::Parts, uri::Authority};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// A shorter secret is guessed over the network.
const SECRET_MIN: usize = 12;
/// A longer one is nobody's password, and hashing it is work that a stranger could ask for.
const SECRET_MAX: usize = 1024;
/// In front of a hash in place of a secret.
const HASHED: &str = "sha256:";

/// What a visitor may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Look at everything that is not redacted.
    Viewer,
    /// The same, and act on jobs, queues and processes.
    Operator,
}

/// How a request shows who it is from.
#[derive(Clone)]
pub struct Access {
    pub(crate) way: Way,
}

type Hook = Arc<dyn Fn(&Parts) -> Option<Known> + Send + Sync>;

#[derive(Clone)]
pub(crate) enum Way {
    /// Whoever names this machine in its request.
    Loopback,
    /// Everybody: something in front has decided already.
    Everybody(Role),
    Credentials(Credentials),
    Hook(Hook),
}

/// Who is allowed in, with what role, and under which name its acts are logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) role: Role,
    pub(crate) name: String,
}

/// Why a request is not allowed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// Without credentials only this machine is answered, under its own name.
    Host,
    /// The same, and somebody else's request was handed on to this machine.
    Proxy,
    /// No credentials, or wrong ones.
    Credentials,
    /// The application's own check said no.
    Hook,
}

impl Access {
    /// Without credentials, for whoever works on this machine: a request is answered if its `Host` is `localhost` or a
    /// loopback address. A page elsewhere that gives its own name this machine's address (DNS rebinding) is not. The default.
    #[must_use]
    pub fn loopback() -> Self {
        Self { way: Way::Loopback }
    }

    /// With a user's name and password, or a token.
    #[must_use]
    pub fn credentials(credentials: Credentials) -> Self {
        Self {
            way: Way::Credentials(credentials),
        }
    }

    /// By the host application's own check, which sees the head of each request with its extensions; `None` is answered with
    /// 403. It runs for each request, so it should be quick.
    #[must_use]
    pub fn by(check: impl Fn(&Parts) -> Option<Role> + Send + Sync + 'static) -> Self {
        Self::by_name(move |parts| Some((check(parts)?, "the application's user".to_owned())))
    }

    /// The same for a check that also tells the visitor's name, under which acts are logged.
    #[must_use]
    pub fn by_name(
        check: impl Fn(&Parts) -> Option<(Role, String)> + Send + Sync + 'static,
    ) -> Self {
        let known = move |parts: &Parts| check(parts).map(|(role, name)| Known { role, name });
        Self {
            way: Way::Hook(Arc::new(known)),
        }
    }

    /// Everybody who reaches it, with this role: for an application that has its own check in front of the whole router.
    #[must_use]
    pub fn everybody(role: Role) -> Self {
        Self {
            way: Way::Everybody(role),
        }
    }

    /// Whether a request is let in by a secret that it shows.
    pub(crate) fn asks_for_secrets(&self) -> bool {
        matches!(self.way, Way::Credentials(_))
    }

    pub(crate) fn check(&self, parts: &Parts) -> Result<Known, Denied> {
        let known = |role, name: &str| Known {
            role,
            name: name.to_owned(),
        };
        match &self.way {
            Way::Loopback if came_by_proxy(&parts.headers) => Err(Denied::Proxy),
            Way::Loopback if is_this_machine(&parts.headers) => {
                Ok(known(Role::Operator, "this machine"))
            }
            Way::Loopback => Err(Denied::Host),
            Way::Everybody(role) => Ok(known(*role, "anybody")),
            Way::Credentials(credentials) => {
                credentials.check(&parts.headers).ok_or(Denied::Credentials)
            }
            Way::Hook(check) => check(parts).ok_or(Denied::Hook),
        }
    }
}

impl Default for Access {
    fn default() -> Self {
        Self::loopback()
    }
}

/// Without secrets.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.way {
            Way::Loopback => f.write_str("Access::loopback"),
            Way::Everybody(role) => write!(f, "Access::everybody({role:?})"),
            Way::Credentials(all) => {
                write!(f, "Access::credentials({} entries)", all.entries.len())
            }
            Way::Hook(_) => f.write_str("Access::by(…)"),
        }
    }
}

/// A proxy in front may well ask under the name `localhost` (nginx does by default), for whoever is behind it.
fn came_by_proxy(headers: &HeaderMap) -> bool {
    [
        "x-forwarded-for",
        "x-forwarded-host",
        "x-real-ip",
        "forwarded",
        "via",
    ]
    .iter()
    .any(|name| headers.contains_key(*name))
}

fn is_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
    else {
        return false;
    };
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']');
    match name.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => {
            let name = name.to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

/// Secrets that are accepted. Kept as SHA-256: a long random secret needs no slow hash, and a slow one would have to be
/// computed for each request.
#[derive(Clone, Default)]
pub struct Credentials {
    entries: Vec<Entry>,
}

#[derive(Clone)]
struct Entry {
    /// Of a password. A token has none, and any name goes with it in a browser's prompt.
    user: Option<String>,
    hash: [u8; 32],
    role: Role,
}

/// Why a secret cannot be one. It does not repeat the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialsError(String);

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CredentialsError {}

impl Credentials {
    /// Accepts nobody yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// And a user who logs in with this password: 12 to 1,024 bytes, or `sha256:` and 64 hexadecimal digits of its hash.
    /// White space around it is taken away, as it stands at the end of a file.
    ///
    /// # Errors
    /// A secret that is too short, too long or no hash, or a name that cannot be sent (empty, or with a colon).
    pub fn user(
        mut self,
        name: &str,
        password: &str,
        role: Role,
    ) -> Result<Self, CredentialsError> {
        if name.is_empty() || name.contains(':') || name.chars().any(char::is_control) {
            return Err(CredentialsError(
                "a user's name must not be empty and has no colon and no control character"
                    .to_owned(),
            ));
        }
        self.entries.push(Entry {
            user: Some(name.to_owned()),
            hash: hash(password)?,
            role,
        });
        Ok(self)
    }

    /// And whoever sends this token, as `Authorization: Bearer …` or as the password in a browser's prompt, under any name.
    /// The same rules as for [`Credentials::user`].
    ///
    /// # Errors
    /// As [`Credentials::user`].
    pub fn token(mut self, token: &str, role: Role) -> Result<Self, CredentialsError> {
        self.entries.push(Entry {
            user: None,
            hash: hash(token)?,
            role,
        });
        Ok(self)
    }

    /// Whether nobody is accepted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All entries are compared whole, so that how long it takes says nothing of them.
    fn check(&self, headers: &HeaderMap) -> Option<Known> {
        let (user, secret) = shown(headers)?;
        if secret.len() > SECRET_MAX {
            return None;
        }
        let shown: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        let mut found: Option<&Entry> = None;
        for entry in &self.entries {
            let same_user = match (&entry.user, &user) {
                (Some(wanted), Some(user)) => wanted.as_bytes().ct_eq(user.as_bytes()),
                (Some(_), None) => Choice::from(0),
                (None, _) => Choice::from(1),
            };
            if bool::from(same_user & entry.hash.ct_eq(&shown)) {
                found = Some(entry);
            }
        }
        found.map(|entry| Known {
            role: entry.role,
            name: match (&entry.user, entry.role) {
                (Some(user), _) => user.clone(),
                (None, Role::Operator) => "an operator's token".to_owned(),
                (None, Role::Viewer) => "a viewer's token".to_owned(),
            },
        })
    }
}

/// Only how many.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}

/// As whom a request wants to be let in; none with a bare token.
pub(crate) fn claimed(headers: &HeaderMap) -> Option<String> {
    shown(headers)?.0
}

/// User and secret of a request.
fn shown(headers: &HeaderMap) -> Option<(Option<String>, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some((None, rest.trim().to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(rest.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, secret) = text.split_once(':')?;
    Some((Some(user.to_owned()), secret.to_owned()))
}

fn hash(secret: &str) -> Result<[u8; 32], CredentialsError> {
    let secret = secret.trim();
    if let Some(digits) = secret.strip_prefix(HASHED) {
        return unhex(digits).ok_or_else(|| {
            CredentialsError(format!(
                "behind {HASHED} stand 64 hexadecimal digits, as sha256sum prints them"
            ))
        });
    }
    match secret.len() {
        0 => Err(CredentialsError("it is empty".to_owned())),
        1..SECRET_MIN => Err(CredentialsError(format!(
            "it has {} bytes, and a secret needs {SECRET_MIN} at least; make one with: openssl rand -hex 24",
            secret.len()
        ))),
        SECRET_MIN..=SECRET_MAX => Ok(Sha256::digest(secret.as_bytes()).into()),
        more => Err(CredentialsError(format!(
            "it has {more} bytes, and {SECRET_MAX} are the most"
        ))),
    }
}

fn unhex(digits: &str) -> Option<[u8; 32]> {
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use axum::http::Request;

    fn parts(name: header::HeaderName, value: &str) -> Parts {
        Request::builder()
            .header(name, value)
            .body(())
            .unwrap()
            .into_parts()
            .0
    }

    #[test]
    fn without_credentials_only_this_machine_by_its_own_name_is_answered() {
        let access = Access::loopback();
        for host in [
            "localhost",
            "localhost:7435",
            "127.0.0.1:7435",
            "127.8.8.8",
            "[::1]:80",
            "a.LOCALHOST",
        ] {
            assert!(access.check(&parts(header::HOST, host)).is_ok(), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "",
            "x@localhost:1:2",
        ] {
            assert_eq!(
                access.check(&parts(header::HOST, host)),
                Err(Denied::Host),
                "{host}"
            );
        }
    }

    #[test]
    fn a_password_goes_with_its_user_and_a_token_with_any_name() {
        let credentials = Credentials::new()
            .user("ann", "correct horse battery", Role::Operator)
            .and_then(|all| all.token("a-token-of-some-length\n", Role::Viewer))
            .unwrap();
        let access = Access::credentials(credentials);
        let role = |value: &str| {
            access
                .check(&parts(header::AUTHORIZATION, value))
                .map(|known| known.role)
        };
        let basic = |text: &str| role(&format!("Basic {}", STANDARD.encode(text)));
        assert_eq!(basic("ann:correct horse battery"), Ok(Role::Operator));
        assert_eq!(basic("x:a-token-of-some-length"), Ok(Role::Viewer));
        assert_eq!(role("bearer a-token-of-some-length"), Ok(Role::Viewer));
        for wrong in ["bob:correct horse battery", "ann:wrong", "ann:", ":", "ann"] {
            assert_eq!(basic(wrong), Err(Denied::Credentials), "{wrong}");
        }
        for wrong in [
            "Bearer correct horse battery",
            "Bearer",
            "Basic !!",
            "",
            "Digest x",
        ] {
            assert_eq!(role(wrong), Err(Denied::Credentials), "{wrong}");
        }
    }

    #[test]
    fn a_hash_stands_for_its_secret_and_a_short_secret_is_refused() {
        let digest = Sha256::digest(b"a-token-of-some-length");
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hash(&format!("sha256:{hex}")),
            hash("a-token-of-some-length")
        );
        for wrong in ["", "short", "sha256:12", "sha256:zz"] {
            let error = Credentials::new().token(wrong, Role::Viewer).unwrap_err();
            assert!(
                wrong.is_empty() || !error.to_string().contains(wrong),
                "{error}"
            );
        }
        assert!(
            !format!(
                "{:?}",
                Credentials::new().token("a-token-of-some-length", Role::Viewer)
            )
            .contains("token-of")
        );
    }
}
