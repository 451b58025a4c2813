//! The shipped files themselves: what their lines may hold.

use std::path::Path;

use gandy_tests::{FLAVOURS, Flavour, ROLES, RedisServer};

const STORE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/gandy-store/src");

/// The words of a role's line behind its name; what stands in brackets holds for itself, by the same rules.
fn rules(flavour: Flavour, role: &str) -> Vec<String> {
    let start = format!("user {role} ");
    let text = flavour.shipped();
    let line = text.lines().find_map(|line| line.strip_prefix(&start));
    line.unwrap()
        .split_whitespace()
        .map(|word| word.trim_matches(['(', ')']).to_owned())
        .collect()
}

#[test]
fn each_user_begins_with_nothing_and_is_given_single_commands_on_named_keys() {
    for flavour in FLAVOURS {
        let text = flavour.shipped();
        assert!(text.starts_with("user default off resetpass ~* &* +@all\n"));
        assert_eq!(text.lines().count(), 1 + ROLES.len());
    }
    // But for how scripts are run the two are one.
    let scripts = Flavour::Scripts
        .shipped()
        .replace("+evalsha +script|load", "+fcall");
    assert_eq!(scripts, Flavour::Functions.shipped());
    for role in ROLES {
        let rules = rules(Flavour::Scripts, role);
        let (start, grants) = rules.split_at(4);
        assert_eq!(
            start,
            ["on", Flavour::mark(role).as_str(), "resetchannels", "-@all"],
            "{role}"
        );
        for grant in grants {
            let key = grant.split_once('~').map(|(_, pattern)| pattern);
            let fine = match key {
                // A name, then perhaps a wildcard; or a process, or a day's deploys, as Sidekiq names them.
                Some(pattern) => {
                    pattern.starts_with(|first: char| first.is_ascii_lowercase())
                        || pattern.starts_with("*:[0-9]*:[0-9a-f]")
                        || pattern == "[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]-marks"
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
    for (flavour, role) in FLAVOURS
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
            .arg(Flavour::mark(role))
            .exec(&mut server.conn());
        let refused = set.unwrap_err().to_string();
        assert!(refused.contains("hash"), "{refused}");
    }
}
