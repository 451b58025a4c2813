//! What a user of Redis may do, measured against the roles. `ACL DRYRUN` answers for each request with its keys; where it is
//! denied or unknown, `ACL GETUSER` tells the commands at least.

use std::collections::HashMap;

use redis::Value;

use super::{PIPELINE, Role};
use crate::{Line, StoreError};

/// A process as Sidekiq names it, for requests that need one.
const SOMEBODY: &str = "host:1:a4dc4b6ef2be";

/// How the rights were found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// Redis tried each request, with its keys.
    DryRun,
    /// From the user's list of commands; which keys it may use was not looked at.
    Commands,
}

/// What a user may not do of what the roles need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// The user.
    pub user: String,
    /// How it was found out.
    pub basis: Basis,
    /// For each role what is denied, as Redis names it: a command, or a key.
    pub denied: Vec<(Role, Vec<String>)>,
}

impl Line {
    /// What `user` (by default the connection's own) may do.
    ///
    /// # Errors
    /// [`StoreError::Refused`] where this connection may not ask: that is an administrator's right.
    pub async fn rights(&self, user: Option<&str>) -> Result<Rights, StoreError> {
        let user = match user {
            Some(user) => user.to_owned(),
            None => self.query(redis::cmd("ACL").arg("WHOAMI")).await?,
        };
        let mut denied = Vec::new();
        for role in Role::ALL {
            match self.dry_run(&user, role).await {
                Ok(missing) => denied.push((role, missing)),
                Err(error @ StoreError::Refused { .. }) => {
                    return match self.by_commands(&user).await {
                        Ok(rights) => Ok(rights),
                        Err(StoreError::Refused { .. }) => Err(error),
                        Err(other) => Err(other),
                    };
                }
                Err(error) => return Err(error),
            }
        }
        let basis = Basis::DryRun;
        Ok(Rights {
            user,
            basis,
            denied,
        })
    }

    async fn dry_run(&self, user: &str, role: Role) -> Result<Vec<String>, StoreError> {
        let requests = role.requests();
        debug_assert!(requests.len() <= PIPELINE);
        let mut missing = self.try_all(user, &requests).await?;
        let mut ways = Vec::new();
        for way in role.scripts() {
            ways.push(self.try_all(user, way).await?);
        }
        if ways.iter().all(|way| !way.is_empty()) {
            missing.extend(ways.into_iter().flatten());
        }
        missing.sort_unstable();
        missing.dedup();
        Ok(missing)
    }

    /// What is denied of these requests.
    async fn try_all(&self, user: &str, requests: &[&str]) -> Result<Vec<String>, StoreError> {
        let mut pipe = redis::pipe();
        for request in requests {
            let command = pipe.cmd("ACL").arg("DRYRUN").arg(user);
            for word in request.split(' ') {
                command.arg(self.word(word));
            }
        }
        let mut denied = Vec::new();
        for (request, reply) in requests.iter().zip(self.each(&pipe).await?) {
            match reply {
                Ok(Value::Okay) => {}
                Ok(Value::SimpleString(word)) if word == "OK" => {}
                Ok(_) => denied.push(short(request).replace('@', SOMEBODY)),
                // Another version of the server may not know a word of ours; that is no denial.
                Err(error)
                    if error.cause().contains("not found") && !error.cause().contains("User") => {}
                Err(error) => return Err(error),
            }
        }
        Ok(denied)
    }

    fn word(&self, word: &str) -> String {
        let word = word.replace('@', SOMEBODY);
        match word.strip_prefix('~') {
            Some(key) => format!("{}{key}", self.keys().prefix()),
            None => word,
        }
    }

    async fn by_commands(&self, user: &str) -> Result<Rights, StoreError> {
        let ask = redis::cmd("ACL").arg("GETUSER").arg(user).take();
        let described: Option<HashMap<String, Value>> = self.query(&ask).await?;
        let rules = described
            .and_then(|mut fields| fields.remove("commands"))
            .and_then(|value| redis::from_redis_value::<String>(value).ok())
            .unwrap_or_default();
        let denied = Role::ALL.map(|role| (role, denied_by(&rules, role)));
        Ok(Rights {
            user: user.to_owned(),
            basis: Basis::Commands,
            denied: denied.to_vec(),
        })
    }
}

/// The part of a request that says what is missing: the command and its first key.
fn short(request: &str) -> String {
    let mut words = request.split(' ');
    let command = words.next().unwrap_or_default();
    let key = words.find(|word| word.starts_with('~'));
    match key.and_then(|key| key.strip_prefix('~')) {
        Some(key) => format!("{command} {key}"),
        None if command == "SCRIPT" => request.trim_end_matches(" x").to_owned(),
        None => command.to_owned(),
    }
}

/// The commands of a role that these rules (`+@all -keys`, `-@all +get +client|list`) do not allow. A category other than
/// `@all` is taken for what is meant by it: all that a role needs, or nothing.
fn denied_by(rules: &str, role: Role) -> Vec<String> {
    let allowed = |request: &str| {
        let mut words = request.split(' ').map(str::to_lowercase);
        let command = words.next().unwrap_or_default();
        let whole = format!("{command}|{}", words.next().unwrap_or_default());
        let mut allowed = false;
        for rule in rules.split_whitespace() {
            let (sign, name) = rule.split_at(1);
            if name == "@all" || name == command || name == whole {
                allowed = sign == "+";
            } else if name.starts_with('@') && sign == "+" {
                allowed = true;
            }
        }
        allowed
    };
    let denied = |requests: &[&str]| -> Vec<String> {
        let denied = requests.iter().filter(|request| !allowed(request));
        denied
            .map(|request| request.split(' ').next().unwrap_or_default().to_owned())
            .collect()
    };
    let mut missing = denied(&role.requests());
    let ways: Vec<_> = role.scripts().iter().map(|way| denied(way)).collect();
    if ways.iter().all(|way| !way.is_empty()) {
        missing.extend(ways.into_iter().flatten());
    }
    missing.sort_unstable();
    missing.dedup();
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_commands_tells_what_is_missing() {
        for role in Role::ALL {
            assert!(denied_by("+@all", role).is_empty(), "{role}");
            assert!(!denied_by("-@all", role).is_empty(), "{role}");
            assert!(!denied_by("", role).is_empty(), "{role}");
        }
        let producer = "-@all +lpush +sadd +zadd +info";
        assert!(denied_by(producer, Role::Producer).is_empty());
        assert_eq!(denied_by("+@all -zadd", Role::Producer), ["ZADD"]);
        assert_eq!(
            denied_by("+@all -evalsha -fcall", Role::Worker),
            ["EVALSHA", "FCALL"]
        );
        assert!(denied_by("+@all -fcall", Role::Worker).is_empty());
        assert!(
            denied_by("+@all -script -evalsha", Role::Worker).is_empty(),
            "functions will do"
        );
    }

    #[test]
    fn what_is_missing_is_named_by_command_and_key() {
        assert_eq!(short("LPUSH ~queue:default x"), "LPUSH queue:default");
        assert_eq!(short("SCRIPT LOAD x"), "SCRIPT LOAD");
        assert_eq!(short("SCAN 0"), "SCAN");
    }
}
