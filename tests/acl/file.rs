//! The shipped file itself: what its lines may hold, and how its marks become passwords.

use std::fmt::Write;
use std::path::Path;

use gandy_tests::RedisServer;
use sha2::{Digest, Sha256};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/acl");
const STORE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/gandy-store/src");

pub(crate) const ROLES: [&str; 4] = ["producer", "worker", "dashboard", "operator"];

/// The two files: workers load scripts themselves, or call functions that were installed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Flavour {
    Scripts,
    Functions,
}

pub(crate) const BOTH: [Flavour; 2] = [Flavour::Scripts, Flavour::Functions];

fn shipped(flavour: Flavour) -> String {
    let name = match flavour {
        Flavour::Scripts => "gandy.acl",
        Flavour::Functions => "gandy-functions.acl",
    };
    std::fs::read_to_string(Path::new(FOLDER).join(name)).unwrap()
}

fn mark(role: &str) -> String {
    format!("#{}_SHA256", role.to_uppercase())
}

/// The file with the hash of each role's password, its name in capitals, in the place of its mark.
pub(crate) fn filled(flavour: Flavour) -> String {
    let mut text = shipped(flavour);
    for role in ROLES {
        let mut hash = String::from("#");
        for byte in Sha256::digest(role.to_uppercase()) {
            write!(hash, "{byte:02x}").unwrap();
        }
        assert_eq!(text.matches(&mark(role)).count(), 1);
        text = text.replace(&mark(role), &hash);
    }
    // As deploy/acl/README.md says for Redis 7.2 and later; earlier ones refuse a file with that word.
    if knows_setinfo() {
        text = text.replace(" +auth", " +auth +client|setinfo");
    }
    text
}

fn knows_setinfo() -> bool {
    let server = RedisServer::start();
    !server
        .cli(&["COMMAND", "DOCS", "client|setinfo"])
        .is_empty()
}

/// The words of a role's line behind its name; what stands in brackets holds for itself, by the same rules.
fn rules(flavour: Flavour, role: &str) -> Vec<String> {
    let start = format!("user {role} ");
    let text = shipped(flavour);
    let line = text.lines().find_map(|line| line.strip_prefix(&start));
    line.unwrap()
        .split_whitespace()
        .map(|word| word.trim_matches(['(', ')']).to_owned())
        .collect()
}

#[test]
fn each_user_begins_with_nothing_and_is_given_single_commands_on_named_keys() {
    for flavour in BOTH {
        let text = shipped(flavour);
        assert!(text.starts_with("user default off resetpass ~* &* +@all\n"));
        assert_eq!(text.lines().count(), 1 + ROLES.len());
    }
    // But for how scripts are run the two are one.
    let scripts = shipped(Flavour::Scripts).replace("+evalsha +script|load", "+fcall");
    assert_eq!(scripts, shipped(Flavour::Functions));
    for role in ROLES {
        let rules = rules(Flavour::Scripts, role);
        let (start, grants) = rules.split_at(4);
        assert_eq!(
            start,
            ["on", mark(role).as_str(), "resetchannels", "-@all"],
            "{role}"
        );
        for grant in grants {
            let key = grant.split_once('~').map(|(_, pattern)| pattern);
            let fine = match key {
                // A name, then perhaps a wildcard; or a process as Sidekiq names it.
                Some(pattern) => {
                    pattern.starts_with(|first: char| first.is_ascii_lowercase())
                        || pattern.starts_with("*:[0-9]*:[0-9a-f]")
                }
                None => grant.starts_with('+') && !grant.contains('@'),
            };
            assert!(fine, "{role}: {grant}");
        }
    }
}

#[test]
fn no_command_is_granted_that_gandy_never_sends() {
    // What the client library sends by itself; `role` where a server was found through Sentinel; `wait` for replicas.
    const BY_THE_LIBRARY: [&str; 9] = [
        "AUTH", "CLIENT", "EXEC", "HELLO", "MULTI", "PING", "ROLE", "UNWATCH", "WAIT",
    ];
    let mut source = String::new();
    let mut folders = vec![Path::new(STORE).to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                source += &std::fs::read_to_string(path).unwrap();
            }
        }
    }
    for (flavour, role) in BOTH
        .into_iter()
        .flat_map(|file| ROLES.map(|role| (file, role)))
    {
        let rules = rules(flavour, role);
        for command in rules.iter().filter_map(|rule| rule.strip_prefix('+')) {
            let name = command.split('|').next().unwrap().to_uppercase();
            let sent = source.contains(&format!("\"{name}\""))
                || source.contains(&format!("'{name}'"))
                || BY_THE_LIBRARY.contains(&name.as_str());
            assert!(sent, "{role}: nothing sends {command}");
        }
    }
}

#[test]
fn redis_refuses_the_file_while_its_marks_are_in_it() {
    let server = RedisServer::start();
    for role in ROLES {
        let set = redis::cmd("ACL")
            .arg("SETUSER")
            .arg(role)
            .arg(mark(role))
            .exec(&mut server.conn());
        let refused = set.unwrap_err().to_string();
        assert!(refused.contains("hash"), "{refused}");
    }
}
