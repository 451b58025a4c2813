//! URLs that name sentinels: `redis+sentinel://[user:pass@]h1[:p],h2[:p]/MASTER[/DB][?sentinel_username=…&sentinel_password=…]`.
//!
//! There is no standard for them. The form is the one of LangChain and redis-vl; the names in the query are those of
//! Ruby's redis-client, which Sidekiq's users know. Not here: asking the sentinels (`sentinel`).

use std::net::Ipv6Addr;

use percent_encoding::percent_decode_str;
use redis::RedisConnectionInfo;

use crate::{StoreError, redact};

/// Where a sentinel listens unless told otherwise.
const PORT: u16 = 26379;

const FORM: &str = "redis+sentinel://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]…]/MASTER[/DB]\
                    [?sentinel_username=USER&sentinel_password=PASSWORD]";

/// What such a URL says. `Debug` shows no password.
#[derive(Debug, Clone)]
pub(crate) struct SentinelUrl {
    /// Whether sentinels and servers are spoken to by TLS.
    pub(crate) tls: bool,
    /// At least one.
    pub(crate) hosts: Vec<(String, u16)>,
    /// The name under which they watch the primary.
    pub(crate) master: String,
    /// How to log in at the primary, and its database.
    pub(crate) primary: RedisConnectionInfo,
    /// How to log in at the sentinels. Never the primary's password: a sentinel that wants none refuses one.
    pub(crate) sentinel: RedisConnectionInfo,
}

impl SentinelUrl {
    /// Reads a URL. `None`: it names no sentinels.
    ///
    /// # Errors
    /// What is wrong and where, in words that repeat nothing that may be part of a password.
    pub(crate) fn read(url: &str) -> Option<Result<Self, StoreError>> {
        let (tls, rest) = match url.split_once("://")? {
            ("redis+sentinel", rest) => (false, rest),
            ("rediss+sentinel", rest) => (true, rest),
            _ => return None,
        };
        Some(parts(tls, rest).map_err(|what| {
            let shown = redact(url);
            StoreError::Input(format!(
                "the Redis URL {shown} is wrong: {what}; write {FORM}, or rediss+sentinel://… for TLS"
            ))
        }))
    }
}

fn parts(tls: bool, rest: &str) -> Result<SentinelUrl, String> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    if tail.contains('@') {
        return Err(
            "an @ stands behind the hosts: in a password write %2F for /, %3F for ?, %23 for #, and %40 for @"
                .into(),
        );
    }
    if tail.contains('#') {
        return Err("it has a #, which means nothing here: write %23 in a password".into());
    }
    let (credentials, hosts) = match authority.rsplit_once('@') {
        Some((credentials, hosts)) => (credentials, hosts),
        None => ("", authority),
    };
    let (user, password) = match credentials.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (credentials, None),
    };
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    let (master, db) = master(path)?;
    let primary = login(user, password, "the")?.set_db(db);
    let sentinel = sentinels_login(query)?;
    Ok(SentinelUrl {
        tls,
        hosts: hosts
            .split(',')
            .enumerate()
            .map(|(index, text)| {
                host(text).map_err(|what| format!("sentinel {}: {what}", index + 1))
            })
            .collect::<Result<_, _>>()?,
        master,
        primary,
        sentinel,
    })
}

/// `HOST`, `HOST:PORT`, `[IPV6]` or `[IPV6]:PORT`.
fn host(text: &str) -> Result<(String, u16), String> {
    let text = text.trim();
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (name, port) = rest
                .split_once(']')
                .ok_or("the bracket of its address is not closed")?;
            if name.parse::<Ipv6Addr>().is_err() {
                return Err("what stands in its brackets is no IPv6 address".into());
            }
            match port.strip_prefix(':') {
                Some(port) => (name, Some(port)),
                None if port.is_empty() => (name, None),
                None => return Err("behind its brackets only :PORT may stand".into()),
            }
        }
        None => match text.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err("an IPv6 address stands in brackets, such as [::1]:26379".into());
            }
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    if name.is_empty() {
        return Err("its host is missing".into());
    }
    let odd = |char: char| char.is_whitespace() || char.is_control() || "[]\\\"<>%".contains(char);
    if name.contains(odd) {
        return Err("its host has a character that no host has".into());
    }
    let port = match port.map(str::parse) {
        None => PORT,
        Some(Ok(port)) if port > 0 => port,
        Some(_) => return Err("its port must be a number from 1 to 65535".into()),
    };
    Ok((name.to_owned(), port))
}

/// `/MASTER` or `/MASTER/DB`.
fn master(path: &str) -> Result<(String, i64), String> {
    let mut steps = path.strip_prefix('/').unwrap_or("").split('/');
    let name = decoded(steps.next().unwrap_or(""), "the name of the master")?;
    if name.is_empty() {
        return Err(
            "the name of the master is missing behind the hosts: the one in the sentinels' configuration, \
             `sentinel monitor NAME …`"
                .into(),
        );
    }
    let db = match steps.next() {
        None | Some("") => 0,
        Some(db) => db
            .parse::<u32>()
            .map_err(|_| "the database behind the master's name must be a number, such as 0")?,
    };
    if steps.any(|step| !step.is_empty()) {
        return Err("too much stands behind the database".into());
    }
    Ok((name, i64::from(db)))
}

fn sentinels_login(query: &str) -> Result<RedisConnectionInfo, String> {
    let (mut user, mut password) = ("", None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sentinel_username", value)) => user = value,
            Some(("sentinel_password", value)) => password = Some(value),
            _ => {
                return Err(
                    "behind the ? only sentinel_username and sentinel_password are known".into(),
                );
            }
        }
    }
    if !user.is_empty() && password.is_none() {
        return Err("sentinel_username is given without sentinel_password".into());
    }
    login(user, password, "the sentinels'")
}

fn login(user: &str, password: Option<&str>, whose: &str) -> Result<RedisConnectionInfo, String> {
    let mut login = RedisConnectionInfo::default();
    if !user.is_empty() {
        login = login.set_username(decoded(user, &format!("{whose} user"))?);
    }
    // `user:@host` and `?sentinel_password=` come from an empty variable, and mean none.
    if let Some(password) = password.filter(|password| !password.is_empty()) {
        login = login.set_password(decoded(password, &format!("{whose} password"))?);
    }
    Ok(login)
}

fn decoded(text: &str, what: &str) -> Result<String, String> {
    percent_decode_str(text)
        .decode_utf8()
        .map(Into::into)
        .map_err(|_| format!("{what} is no UTF-8 after its % are decoded"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(url: &str) -> SentinelUrl {
        SentinelUrl::read(url).unwrap().unwrap()
    }

    #[test]
    fn one_host_and_a_name_are_enough() {
        let url = read("redis+sentinel://localhost/mymaster");
        assert_eq!(url.hosts, [("localhost".to_owned(), 26379)]);
        assert_eq!((url.master.as_str(), url.tls), ("mymaster", false));
        assert_eq!(url.primary.db(), 0);
        assert_eq!(
            (url.primary.username(), url.primary.password()),
            (None, None)
        );
        assert_eq!(url.sentinel.password(), None);
    }

    #[test]
    fn everything_that_a_url_can_say_is_read() {
        let url = read(
            "rediss+sentinel://app:p%40ss%3A%2F@s1:5000,[::1],[fe80::2]:7,10.0.0.3/my%20master/12\
             ?sentinel_username=watcher&sentinel_password=%26%3D",
        );
        assert!(url.tls);
        let hosts = [
            ("s1", 5000),
            ("::1", 26379),
            ("fe80::2", 7),
            ("10.0.0.3", 26379),
        ];
        assert_eq!(url.hosts, hosts.map(|(host, port)| (host.to_owned(), port)));
        assert_eq!((url.master.as_str(), url.primary.db()), ("my master", 12));
        assert_eq!(url.primary.username(), Some("app"));
        assert_eq!(url.primary.password(), Some("p@ss:/"));
        assert_eq!(url.sentinel.username(), Some("watcher"));
        assert_eq!(url.sentinel.password(), Some("&="));
    }

    #[test]
    fn a_password_alone_is_the_default_users_and_no_sentinels() {
        let url = read("redis+sentinel://:secret@h/m/");
        assert_eq!(url.primary.username(), None);
        assert_eq!(url.primary.password(), Some("secret"));
        assert_eq!(url.sentinel.password(), None);
        let url = read("redis+sentinel://:@h/m/?sentinel_password=");
        assert_eq!(
            (url.primary.password(), url.sentinel.password()),
            (None, None)
        );
    }

    #[test]
    fn other_urls_are_left_to_others() {
        for url in [
            "redis://h/1",
            "rediss://h",
            "unix:///s",
            "redis-sentinel://h/m",
            "h",
            "",
        ] {
            assert!(SentinelUrl::read(url).is_none(), "{url}");
        }
    }

    #[test]
    fn a_wrong_url_says_what_where_and_what_to_write_and_no_password() {
        for (rest, what) in [
            ("h", "the name of the master is missing"),
            ("h/", "the name of the master is missing"),
            (
                "h?sentinel_password=S3CR3T",
                "the name of the master is missing",
            ),
            ("h//3", "the name of the master is missing"),
            ("/m", "sentinel 1: its host is missing"),
            ("h1,,h3/m", "sentinel 2: its host is missing"),
            ("h1,:26379/m", "sentinel 2: its host is missing"),
            (
                "h1,h2:x/m",
                "sentinel 2: its port must be a number from 1 to 65535",
            ),
            ("h1:0/m", "sentinel 1: its port"),
            ("h1:65536/m", "sentinel 1: its port"),
            ("h1,::1/m", "sentinel 2: an IPv6 address stands in brackets"),
            (
                "[::1/m",
                "sentinel 1: the bracket of its address is not closed",
            ),
            (
                "[h]:1/m",
                "sentinel 1: what stands in its brackets is no IPv6 address",
            ),
            ("[::1]1/m", "sentinel 1: behind its brackets only :PORT"),
            ("h 1/m", "sentinel 1: its host has a character"),
            (
                "h/m/db",
                "the database behind the master's name must be a number",
            ),
            (
                "h/m/-1",
                "the database behind the master's name must be a number",
            ),
            ("h/m/0/1", "too much stands behind the database"),
            (
                "h/m?db=1",
                "only sentinel_username and sentinel_password are known",
            ),
            ("h/m?sentinel_username=u", "without sentinel_password"),
            ("h/m#insecure", "it has a #"),
            ("h/%ff", "the name of the master is no UTF-8"),
        ] {
            for login in ["", "app:S3CR3T@"] {
                let url = format!("redis+sentinel://{login}{rest}");
                let error = SentinelUrl::read(&url).unwrap().unwrap_err();
                assert!(matches!(error, StoreError::Input(_)), "{url}: {error:?}");
                let error = error.to_string();
                assert!(error.contains(what), "{url}: {error}");
                assert!(error.contains("write redis+sentinel://["), "{url}: {error}");
                assert!(!error.contains("S3CR3T"), "{url}: {error}");
            }
        }
    }

    #[test]
    fn a_password_whose_characters_are_not_encoded_is_told_so_and_not_shown() {
        for password in ["S3/CR3T", "S3?CR3T", "S3#CR3T", "S3/CR@3T"] {
            let url = format!("redis+sentinel://app:{password}@h1,h2/m");
            let error = SentinelUrl::read(&url).unwrap().unwrap_err().to_string();
            assert!(error.contains("%2F"), "{error}");
            for part in ["S3", "CR3T", "CR", "3T"] {
                assert!(!error.contains(part), "{error}");
            }
        }
        let url = "redis+sentinel://app:%ffS3CR3T@h/m?sentinel_password=S3CR3T";
        let error = SentinelUrl::read(url).unwrap().unwrap_err().to_string();
        assert!(error.contains("the password is no UTF-8"), "{error}");
        assert!(!error.contains("S3CR3T"), "{error}");
        let url = read("redis+sentinel://app:S3CR3T@h/m?sentinel_password=S3CR3T");
        assert!(!format!("{url:?}").contains("S3CR3T"));
    }
}
