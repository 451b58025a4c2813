//! What each role is denied, command by command, whoever got hold of its password.

use gandy_tests::{FLAVOURS, Flavour, ROLES, RedisServer, denied, url_of};

/// Nobody's business.
const EVERYBODY: &[&str] = &[
    "ACL LIST",
    "ACL SETUSER producer allkeys",
    "BGREWRITEAOF",
    "BGSAVE",
    "CLIENT KILL TYPE normal",
    "CLIENT NO-EVICT on",
    "CLIENT PAUSE 1",
    "CLUSTER INFO",
    "COMMAND",
    "CONFIG GET *",
    "CONFIG SET maxmemory 1",
    "DBSIZE",
    "DUMP queue:default",
    "EVAL return(1) 0",
    "FAILOVER ABORT",
    "FLUSHALL",
    "FLUSHDB",
    "FUNCTION LIST",
    "FUNCTION LOAD anything",
    "KEYS *",
    "LATENCY RESET",
    "MEMORY USAGE queue:default",
    "MIGRATE 127.0.0.1 1 queue:default 0 1",
    "MONITOR",
    "MOVE queue:default 1",
    "OBJECT ENCODING queue:default",
    "PSYNC ? -1",
    "PUBLISH anything x",
    "RANDOMKEY",
    "RENAME queue:default queue:low",
    "REPLICAOF NO ONE",
    "RESTORE queue:low 0 x",
    "SAVE",
    "SCRIPT FLUSH",
    "SCRIPT KILL",
    "SELECT 1",
    "SHUTDOWN NOSAVE",
    "SLOWLOG GET",
    "SORT queue:default",
    "SUBSCRIBE anything",
    "SWAPDB 0 1",
    "SYNC",
    "TOUCH queue:default",
    "TYPE queue:default",
    // Keys of others.
    "GET another-application",
    "GET user:1:name",
    "GET host:1:a4dc4b6ef2be:secrets",
    "HGETALL user:1:session",
    "HSET user:1:session a b",
    "LPUSH elsewhere x",
    "LRANGE elsewhere 0 -1",
    "SADD elsewhere x",
    "SET another-application 1",
    "ZADD elsewhere 1 x",
    "ZRANGE elsewhere 0 -1",
];

const PRODUCER: &[&str] = &[
    "BLMOVE queue:default queue:low RIGHT LEFT 0.1",
    "BRPOP queue:default 0.1",
    "CLIENT LIST",
    "DEL gandy:pushed:a",
    "DEL queue:default",
    "EXISTS gandy:pushed:a",
    "EXISTS queue:default",
    "EXPIRE gandy:pushed:a 1",
    "DEL gandy:outcome:a",
    "SET gandy:outcome:a x",
    "GET gandy:lease:host:1:a4dc4b6ef2be",
    "GET queue:default",
    "GET stat:processed",
    "HGETALL gandy:fleet",
    "HSET gandy:fleet host:1:a4dc4b6ef2be {}",
    "HSET gandy:inflight:host:1:a4dc4b6ef2be 1:default x",
    "INCRBY stat:processed 1",
    "LINDEX queue:default 0",
    "LLEN queue:default",
    "LMOVE queue:default queue:low RIGHT LEFT",
    "LPOP queue:default",
    "LPUSH gandy:landing:default x",
    "LPUSH gandy:pushed:a x",
    "LPUSH host:1:a4dc4b6ef2be-signals TERM",
    "LRANGE queue:default 0 -1",
    "LREM queue:default 1 x",
    "LTRIM queue:default 1 0",
    "PERSIST gandy:pushed:a",
    "RPOP queue:default",
    "RPUSH queue:default x",
    "SADD paused default",
    "SADD processes host:1:a4dc4b6ef2be",
    "SCAN 0",
    "SET gandy:lease:host:1:a4dc4b6ef2be 1",
    "SET gandy:promoter me",
    "SET queue:default x",
    "SET queues x",
    "SET schedule x",
    "SMEMBERS processes",
    "SMEMBERS queues",
    "SREM queues default",
    "UNLINK gandy:pushed:a",
    "UNLINK queue:default",
    "WATCH another-application",
    "WATCH gandy:fleet",
    "WATCH queue:default",
    "ZADD dead 1 x",
    "ZADD retry 1 x",
    "ZCARD schedule",
    "ZRANGE dead 0 -1",
    "ZRANGE schedule 0 -1",
    "ZREM schedule x",
];

const WORKER: &[&str] = &[
    "BRPOP queue:default 0.1",
    "CLIENT UNPAUSE",
    "COPY queue:default elsewhere",
    "LMOVE queue:default elsewhere RIGHT LEFT",
    "PERSIST gandy:lease:host:1:a4dc4b6ef2be",
    "SCRIPT EXISTS 0123456789012345678901234567890123456789",
    "UNLINK queue:default elsewhere",
    "WAIT 1 1",
];

/// What a dashboard must not do, nor an operator: everything that workers hold is theirs alone.
const LOOKERS: &[&str] = &[
    "BLMOVE queue:default gandy:landing:default RIGHT LEFT 0.1",
    "CLIENT LIST",
    "DEL dead",
    "DEL queue:default",
    "EXPIRE gandy:lease:host:1:a4dc4b6ef2be 1",
    "HDEL gandy:fleet host:1:a4dc4b6ef2be",
    "HDEL gandy:inflight:host:1:a4dc4b6ef2be 1:default",
    "HSET gandy:dying host:1:a4dc4b6ef2be {}",
    "HSET gandy:fleet host:1:a4dc4b6ef2be {}",
    "HSET host:1:a4dc4b6ef2be quiet true",
    "LPOP queue:default",
    "LTRIM queue:default 1 0",
    "PEXPIRE gandy:lease:host:1:a4dc4b6ef2be 1",
    "RPOP queue:default",
    "SADD processes host:1:a4dc4b6ef2be",
    "SCAN 0",
    "SET gandy:cancelled:a x",
    "SET gandy:lease:host:1:a4dc4b6ef2be 1",
    "SET dead x",
    "SET gandy:promoter me",
    "SET queue:default x",
    "SET stat:processed 0",
    "SREM processes host:1:a4dc4b6ef2be",
    "UNLINK dead",
];

const DASHBOARD: &[&str] = &[
    "EXPIRE dead 1",
    "HDEL gandy:reasons x",
    "HSETNX 20261123-marks x y",
    "SET deploylock-x y",
    "SET gandy:outcome:a x",
    "LPUSH host:1:a4dc4b6ef2be-signals TERM",
    "LPUSH queue:default x",
    "LREM queue:default 1 x",
    "LRANGE host:1:a4dc4b6ef2be-signals 0 -1",
    "SADD paused default",
    "SADD queues low",
    "SREM paused default",
    "ZADD dead 1 x",
    "ZADD schedule 1 x",
    "ZREM dead x",
    "ZREM retry x",
];

/// How scripts are run by those who may run none, or only the others.
const SCRIPTS: &[&str] = &[
    "EVALSHA 0123456789012345678901234567890123456789 0",
    "SCRIPT LOAD return(1)",
];
const FUNCTIONS: &[&str] = &["FCALL anything 0"];

fn commands(flavour: Flavour, role: &str) -> Vec<&'static str> {
    let runs = ["worker", "operator"].contains(&role);
    let ways: &[&[&str]] = match flavour {
        _ if !runs => &[SCRIPTS, FUNCTIONS],
        Flavour::Scripts => &[FUNCTIONS],
        Flavour::Functions => &[SCRIPTS],
    };
    let own: &[&[&str]] = match role {
        "producer" => &[PRODUCER],
        "worker" => &[WORKER],
        "dashboard" => &[LOOKERS, DASHBOARD],
        _ => &[LOOKERS],
    };
    own.iter()
        .chain(ways)
        .copied()
        .chain([EVERYBODY])
        .flatten()
        .copied()
        .collect()
}

fn connection(server: &RedisServer, role: &str) -> redis::Connection {
    let client = redis::Client::open(url_of(server, role)).unwrap();
    client.get_connection().unwrap()
}

#[test]
fn each_role_is_denied_what_is_not_its_business() {
    FLAVOURS.into_iter().for_each(each_role_is_denied);
}

fn each_role_is_denied(flavour: Flavour) {
    let server = flavour.serve(&[]);
    let before = ["SET", "another-application", "untouched"];
    server.cli(&before);
    for role in ROLES {
        let mut connection = connection(&server, role);
        for command in commands(flavour, role) {
            let words: Vec<&str> = command.split(' ').collect();
            let mut request = redis::cmd(words[0]);
            request.arg(&words[1..]);
            let outcome = request.query::<redis::Value>(&mut connection);
            let refused = outcome.expect_err(&format!("{role} was allowed: {command}"));
            let code = refused.code();
            assert_eq!(code, Some("NOPERM"), "{role}: {command}: {refused}");
        }
    }
    assert_eq!(server.cli(&["KEYS", "*"]), "another-application");
    let _ = denied(&server);
}

#[test]
fn nobody_gets_in_without_a_password() {
    let server = Flavour::Scripts.serve(&[]);
    for login in ["", "worker:wrong@", "worker:@", "nobody:WORKER@"] {
        let url = format!("redis://{login}127.0.0.1:{}", server.port());
        let client = redis::Client::open(url).unwrap();
        let refused = client
            .get_connection()
            .and_then(|mut connection| redis::cmd("PING").exec(&mut connection));
        let refused = refused.expect_err(login).to_string();
        let words = ["NOAUTH", "WRONGPASS", "uthentication", "auth"];
        assert!(
            words.iter().any(|word| refused.contains(word)),
            "{login}: {refused}"
        );
    }
}

/// A worker may load scripts, since they vanish at every restart; that gives it no right that it has not without them.
#[test]
fn a_script_may_no_more_than_the_worker_that_loads_it() {
    let server = Flavour::Scripts.serve(&[]);
    server.cli(&["SET", "another-application", "untouched"]);
    let mut connection = connection(&server, "worker");
    for call in [
        "'GET', 'another-application'",
        "'SET', 'another-application', 'changed'",
        "'DEL', 'another-application'",
        "'FLUSHALL'",
        "'CONFIG', 'GET', '*'",
        "'KEYS', '*'",
    ] {
        let code = format!("return redis.call({call})");
        let hash: String = redis::cmd("SCRIPT")
            .arg("LOAD")
            .arg(code)
            .query(&mut connection)
            .unwrap();
        let outcome = redis::cmd("EVALSHA")
            .arg(hash)
            .arg(0)
            .query::<redis::Value>(&mut connection);
        let refused = outcome.expect_err(call).to_string();
        // Redis 7.0 words it by what is missing: a key, or a command.
        let words = [
            "not allowed from script",
            "The user executing the script can't",
            "ACL failure in script",
            "NOPERM",
        ];
        assert!(
            words.iter().any(|word| refused.contains(word)),
            "{call}: {refused}"
        );
    }
    assert_eq!(server.cli(&["GET", "another-application"]), "untouched");
}
