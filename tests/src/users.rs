//! The users of the shipped files in deploy/acl, as a real Redis has them. Each one's password is his name in capitals.
//!
//! Not here: what they may and may not (`tests/acl.rs`).

use std::fmt::Write;
use std::path::Path;

use gandy::{Inspect, Server};
use sha2::{Digest, Sha256};

use crate::RedisServer;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/acl");

/// The roles, each a user of that name.
pub const ROLES: [&str; 4] = ["producer", "worker", "dashboard", "operator"];

/// The two files: workers load scripts themselves, or call functions that were installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names are all there is to say.
pub enum Flavour {
    Scripts,
    Functions,
}

/// Both.
pub const FLAVOURS: [Flavour; 2] = [Flavour::Scripts, Flavour::Functions];

impl Flavour {
    /// The file as it is shipped.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn shipped(self) -> String {
        let name = match self {
            Self::Scripts => "gandy.acl",
            Self::Functions => "gandy-functions.acl",
        };
        let path = Path::new(FOLDER).join(name);
        std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
    }

    /// What stands in the place of this role's password.
    #[must_use]
    pub fn mark(role: &str) -> String {
        format!("#{}_SHA256", role.to_uppercase())
    }

    /// The file with the hash of each role's password in the place of its mark.
    ///
    /// # Panics
    /// When a mark is missing, or there twice.
    #[must_use]
    pub fn filled(self) -> String {
        let mut text = self.shipped();
        for role in ROLES {
            let mut hash = String::from("#");
            for byte in Sha256::digest(role.to_uppercase()) {
                write!(hash, "{byte:02x}").expect("a String takes everything");
            }
            assert_eq!(text.matches(&Self::mark(role)).count(), 1, "{role}");
            text = text.replace(&Self::mark(role), &hash);
        }
        // As deploy/acl/README.md says for Redis 7.2 and later; earlier ones refuse a file with that word.
        if knows_setinfo() {
            text = text.replace(" +auth", " +auth +client|setinfo");
        }
        text
    }

    /// A Redis with the shipped users, and the harness' own for a test's looks; functions are installed.
    ///
    /// # Panics
    /// When Redis refuses the file, or a function.
    #[track_caller]
    #[must_use]
    pub fn serve(self, args: &[&str]) -> RedisServer {
        let server = RedisServer::with_users(&self.filled(), args);
        if self == Self::Functions {
            install(&server);
        }
        server
    }

    /// The way to `server` as this user.
    ///
    /// # Panics
    /// Never: the harness gives a valid URL.
    #[must_use]
    pub fn login(self, server: &RedisServer, user: &str) -> Server {
        let server = Server::new(&url_of(server, user)).expect("the harness gives a valid URL");
        server.with_functions(self == Self::Functions)
    }
}

/// The administrator's part, where functions are to be called.
fn install(server: &RedisServer) {
    let server = Server::new(&server.url()).expect("the harness gives a valid URL");
    let administrator = Inspect::new(server, "").expect("the settings are valid");
    // On a thread and a runtime of its own: the caller may be in one.
    let install = || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(administrator.install_functions())
    };
    let installed = std::thread::scope(|scope| scope.spawn(install).join());
    let installed = installed
        .expect("it does not panic")
        .expect("Redis takes them");
    assert_eq!(installed.len(), gandy_store::SCRIPTS.len());
}

/// `redis://USER:PASSWORD@…` of a user on a server of [`Flavour::serve`].
#[must_use]
pub fn url_of(server: &RedisServer, user: &str) -> String {
    let login = format!("{user}:{}@", user.to_uppercase());
    format!("redis://{login}127.0.0.1:{}/0", server.port())
}

/// What was denied since the last look; empty: nothing.
///
/// # Panics
/// When Redis does not answer.
#[track_caller]
#[must_use]
pub fn denied(server: &RedisServer) -> String {
    let log = server.cli(&["ACL", "LOG"]);
    server.cli(&["ACL", "LOG", "RESET"]);
    log
}

fn knows_setinfo() -> bool {
    let server = RedisServer::start();
    let docs = server.cli(&["COMMAND", "DOCS", "client|setinfo"]);
    !docs.is_empty()
}
