//! The fault proxy does what its plans and rules say, as plain clients see it: each fault, before a real Redis.
#![allow(clippy::unwrap_used)]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use gandy_faults::{Deed, Leg, Names, Plan, Proxy, Rule, Side, When};
use gandy_tests::{RedisServer, wait_until};
use redis::{Connection, RedisResult, cmd};

/// For what takes milliseconds on a machine that has nothing else to do.
const SOON: Duration = Duration::from_secs(20);
/// Long enough to believe that nothing comes.
const NOTHING: Duration = Duration::from_millis(300);
const SEED: u64 = 4;

fn before(server: &RedisServer) -> Proxy {
    Proxy::start(server.port(), Names::default(), SEED).unwrap()
}

/// A client that knows Redis.
fn client(proxy: &Proxy) -> Connection {
    let client = redis::Client::open(proxy.url()).unwrap();
    let conn = client.get_connection_with_timeout(SOON).unwrap();
    conn.set_read_timeout(Some(SOON)).unwrap();
    conn
}

/// A client that knows bytes, on a connection that has been used: the proxy knows it.
fn socket(proxy: &Proxy) -> TcpStream {
    let mut socket = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket.write_all(b"PING\r\n").unwrap();
    expect(&mut socket, "+PONG\r\n");
    socket
}

#[track_caller]
fn expect(socket: &mut TcpStream, text: &str) {
    let mut bytes = vec![0; text.len()];
    socket.read_exact(&mut bytes).unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes), text);
}

/// Nothing comes, and the connection stays open.
#[track_caller]
fn expect_nothing(socket: &mut TcpStream) {
    socket.set_read_timeout(Some(NOTHING)).unwrap();
    let error = socket.read(&mut [0]).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{error}"
    );
    socket.set_read_timeout(Some(SOON)).unwrap();
}

fn ask<T: redis::FromRedisValue>(conn: &mut Connection, words: &[&str]) -> RedisResult<T> {
    let mut command = cmd(words[0]);
    for word in &words[1..] {
        command.arg(word);
    }
    command.query(conn)
}

#[test]
fn without_a_plan_nothing_changes_and_everything_is_counted() {
    let server = RedisServer::start();
    let proxy = before(&server);
    let mut conn = client(&proxy);
    let large = "x".repeat(3_000_000);
    let mut pipe = redis::pipe();
    for number in 0..500 {
        pipe.cmd("SET").arg(format!("k{number}")).arg(number);
    }
    pipe.cmd("SET").arg("large").arg(&large);
    pipe.query::<()>(&mut conn).unwrap();
    let got: String = ask(&mut conn, &["GET", "large"]).unwrap();
    assert!(got == large);
    assert_eq!(server.cli(&["DBSIZE"]), "501");
    let tally = proxy.tally();
    assert_eq!(
        (tally.of("SET").requests, tally.of("SET").answered),
        (501, 501)
    );
    assert_eq!((tally.total.unanswered(), tally.garbled), (0, 0));
    assert_eq!((tally.connections, proxy.connections()), (1, 1));
    drop(conn);
    wait_until(SOON, "the connection is over", || proxy.connections() == 0);
}

#[test]
fn latency_delays_each_way_and_holds_up_nothing() {
    let server = RedisServer::start();
    let proxy = before(&server);
    let mut socket = socket(&proxy);
    let delay = Duration::from_millis(40);
    proxy.set(Plan::far(delay, Duration::ZERO));
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        socket.write_all(b"PING\r\n").unwrap();
        expect(&mut socket, "+PONG\r\n");
        assert!(began.elapsed() >= 2 * delay, "{:?}", began.elapsed());
        best = best.min(began.elapsed());
    }
    assert!(best < 2 * delay + Duration::from_millis(60), "{best:?}");
    // A hundred that are sent one after another, without waiting: not a hundred times as long.
    let began = Instant::now();
    for number in 0..100 {
        socket
            .write_all(format!("ECHO {number:03}\r\n").as_bytes())
            .unwrap();
        std::thread::sleep(Duration::from_millis(1)); // So that each is a piece of its own.
    }
    for number in 0..100 {
        expect(&mut socket, &format!("$3\r\n{number:03}\r\n"));
    }
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn jitter_changes_the_time_and_never_the_order() {
    let server = RedisServer::start();
    let proxy = before(&server);
    let mut socket = socket(&proxy);
    proxy.set(Plan::far(Duration::ZERO, Duration::from_millis(30)));
    for number in 0..50 {
        socket
            .write_all(format!("ECHO {number:03}\r\n").as_bytes())
            .unwrap();
        std::thread::sleep(Duration::from_millis(1)); // So that each is a piece of its own.
    }
    for number in 0..50 {
        expect(&mut socket, &format!("$3\r\n{number:03}\r\n"));
    }
    let mut times = Vec::new();
    for _ in 0..20 {
        let began = Instant::now();
        socket.write_all(b"PING\r\n").unwrap();
        expect(&mut socket, "+PONG\r\n");
        times.push(began.elapsed());
    }
    times.sort();
    assert!(times[19] - times[0] > Duration::from_millis(5), "{times:?}");
}

#[test]
fn a_narrow_line_takes_its_time() {
    let server = RedisServer::start();
    let proxy = before(&server);
    let mut conn = client(&proxy);
    ask::<()>(&mut conn, &["SET", "k", &"x".repeat(50_000)]).unwrap();
    proxy.set(Plan {
        back: Plan::narrow(100_000).back,
        ..Plan::default()
    });
    let began = Instant::now();
    let got: String = ask(&mut conn, &["GET", "k"]).unwrap();
    let took = began.elapsed();
    assert_eq!(got.len(), 50_000);
    let half_a_second = Duration::from_millis(450)..Duration::from_secs(3);
    assert!(half_a_second.contains(&took), "{took:?}");
}

#[test]
fn slices_come_one_by_one_and_make_the_same_whole() {
    let server = RedisServer::start();
    let proxy = before(&server);
    let mut conn = client(&proxy);
    let mut socket = socket(&proxy);
    proxy.set(Plan::slices(1));
    for number in 0..200 {
        ask::<()>(&mut conn, &["RPUSH", "list", &format!("é{number}")]).unwrap();
    }
    let all: Vec<String> = ask(&mut conn, &["LRANGE", "list", "0", "-1"]).unwrap();
    assert_eq!((all.len(), all[199].as_str()), (200, "é199"));
    // Slow as well, so that a busy machine does not read all of them at once.
    let mut leg = Plan::slices(1).back;
    leg.bytes_per_second = Some(10_000);
    proxy.set(Plan {
        back: leg,
        ..Plan::default()
    });
    let text = "y".repeat(5_000);
    socket
        .write_all(format!("ECHO {text}\r\n").as_bytes())
        .unwrap();
    let (mut got, mut reads, mut buffer) = (0, 0, [0; 8192]);
    while got < text.len() + "$5000\r\n\r\n".len() {
        got += socket.read(&mut buffer).unwrap();
        reads += 1;
    }
    assert!(reads > 20, "{reads} reads");
}

#[test]
fn a_reset_is_a_reset_at_both_ends() {
    let server = RedisServer::start();
    let proxy = before(&server);
    let mut socket = socket(&proxy);
    assert_eq!(proxy.reset(), 1);
    let error = socket.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    wait_until(SOON, "Redis has noticed", || {
        server.cli(&["CLIENT", "LIST"]).lines().count() == 1
    });
    wait_until(SOON, "it is over", || proxy.connections() == 0);
}

#[test]
fn half_closed_to_the_client_the_server_still_hears_it() {
    let server = RedisServer::start();
    let proxy = before(&server);
    let mut socket = socket(&proxy);
    assert_eq!(proxy.half_close(Side::Client), 1);
    assert_eq!(socket.read(&mut [0]).unwrap(), 0);
    socket.write_all(b"SET k v\r\n").unwrap();
    wait_until(SOON, "it was written", || server.cli(&["GET", "k"]) == "v");
    assert_eq!(proxy.connections(), 1);
}

#[test]
fn half_closed_to_the_server_both_are_closed_by_it() {
    let server = RedisServer::start();
    let proxy = before(&server);
    let mut socket = socket(&proxy);
    assert_eq!(proxy.half_close(Side::Server), 1);
    assert_eq!(socket.read(&mut [0]).unwrap(), 0);
    drop(socket);
    wait_until(SOON, "it is over", || proxy.connections() == 0);
}

#[test]
fn a_blackhole_keeps_connections_open_and_everything_until_it_is_healed() {
    let server = RedisServer::start();
    let proxy = before(&server);
    let (mut socket, mut leaving) = (socket(&proxy), socket(&proxy));
    proxy.set(Plan::blackhole());
    socket.write_all(b"SET k v\r\n").unwrap();
    leaving.write_all(b"SET left behind\r\n").unwrap();
    drop(leaving);
    expect_nothing(&mut socket);
    assert_eq!(server.cli(&["DBSIZE"]), "0");
    // A new one gets no further; the end of the other was not told.
    let mut late = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    late.write_all(b"PING\r\n").unwrap();
    expect_nothing(&mut late);
    assert_eq!(proxy.connections(), 3);
    proxy.heal();
    expect(&mut socket, "+OK\r\n");
    expect(&mut late, "+PONG\r\n");
    // What was sent before its sender died runs all the same, as it does behind a real partition.
    wait_until(SOON, "the late one ran", || {
        server.cli(&["GET", "left"]) == "behind"
    });
    wait_until(SOON, "its end was told", || proxy.connections() == 2);
}

#[test]
fn a_hole_on_the_way_back_lets_commands_run() {
    let server = RedisServer::start();
    let proxy = before(&server);
    let mut socket = socket(&proxy);
    let hole = Plan::blackhole().back;
    proxy.set(Plan {
        back: hole,
        ..Plan::default()
    });
    socket.write_all(b"SET k v\r\n").unwrap();
    wait_until(SOON, "it ran", || server.cli(&["GET", "k"]) == "v");
    expect_nothing(&mut socket);
    let there = Leg {
        hole: true,
        ..Leg::default()
    };
    proxy.set(Plan {
        there,
        ..Plan::default()
    });
    expect(&mut socket, "+OK\r\n");
    socket.write_all(b"SET k w\r\n").unwrap();
    expect_nothing(&mut socket);
    assert_eq!(server.cli(&["GET", "k"]), "v");
}

#[test]
fn refused_connections_are_refused_by_the_kernel_and_open_ones_stay() {
    let server = RedisServer::start();
    let proxy = before(&server);
    let mut open = socket(&proxy);
    for _ in 0..3 {
        proxy.set(Plan::refusing());
        let error = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        open.write_all(b"PING\r\n").unwrap();
        expect(&mut open, "+PONG\r\n");
        proxy.heal();
        socket(&proxy);
    }
}

#[test]
fn the_nth_reply_is_lost_its_command_ran_and_the_connection_ends() {
    let server = RedisServer::start();
    let proxy = before(&server);
    let mut conn = client(&proxy);
    proxy.set(Plan::default().rule(Rule::of("INCR", When::Nth(2), Deed::Lose)));
    assert_eq!(ask::<i64>(&mut conn, &["INCR", "n"]).unwrap(), 1);
    ask::<()>(&mut conn, &["SET", "other", "1"]).unwrap();
    let error = ask::<i64>(&mut conn, &["INCR", "n"]).unwrap_err();
    assert!(error.is_connection_dropped(), "{error:?}");
    assert_eq!(server.cli(&["GET", "n"]), "2");
    let mut conn = client(&proxy);
    assert_eq!(ask::<i64>(&mut conn, &["INCR", "n"]).unwrap(), 3);
    let count = proxy.tally().of("INCR");
    assert_eq!((count.requests, count.answered, count.dropped), (3, 2, 1));
}

#[test]
fn replies_in_front_of_a_lost_one_arrive_and_those_behind_are_in_doubt() {
    let server = RedisServer::start();
    let proxy = before(&server);
    let mut socket = socket(&proxy);
    proxy.set(Plan::default().rule(Rule::of("INCR", When::Nth(3), Deed::Lose)));
    socket
        .write_all(b"INCR n\r\nINCR n\r\nINCR n\r\nINCR n\r\nINCR n\r\n")
        .unwrap();
    expect(&mut socket, ":1\r\n:2\r\n");
    assert_eq!(socket.read(&mut [0]).unwrap_or(0), 0);
    assert_eq!(server.cli(&["GET", "n"]), "5");
    let count = proxy.tally().of("INCR");
    assert_eq!((count.dropped, count.unanswered()), (1, 3));
}

#[test]
fn within_multi_the_lost_outcome_is_that_of_exec() {
    let server = RedisServer::start();
    let proxy = before(&server);
    let mut conn = client(&proxy);
    let rule = |name: &str| Plan::default().rule(Rule::of(name, When::Nth(1), Deed::Lose));
    proxy.set(rule("INCRBY"));
    let transaction = |conn: &mut Connection| {
        let mut pipe = redis::pipe();
        pipe.atomic().cmd("SET").arg("a").arg(1);
        pipe.cmd("INCRBY").arg("n").arg(5);
        pipe.query::<()>(conn)
    };
    assert!(transaction(&mut conn).is_err());
    assert_eq!(server.cli(&["GET", "n"]), "5");
    let tally = proxy.tally();
    let dropped = ["EXEC", "INCRBY", "SET", "QUEUED"].map(|name| tally.of(name).dropped);
    assert_eq!(dropped, [1, 1, 1, 0]);
    // Before EXEC came nothing ran: a cut MULTI is none.
    let mut conn = client(&proxy);
    proxy.set(rule("QUEUED"));
    assert!(transaction(&mut conn).is_err());
    wait_until(SOON, "it is over", || proxy.connections() == 0);
}

#[test]
fn scripts_have_names() {
    let server = RedisServer::start();
    let script = redis::Script::new("return redis.call('INCR', KEYS[1])");
    let names = Names::of_scripts([(script.get_hash(), "count")]);
    let proxy = Proxy::start(server.port(), names, SEED).unwrap();
    let mut conn = client(&proxy);
    // NOSCRIPT, SCRIPT LOAD, and again.
    assert_eq!(script.key("n").invoke::<i64>(&mut conn).unwrap(), 1);
    proxy.set(Plan::default().rule(Rule::of("count", When::Nth(1), Deed::Lose)));
    assert!(script.key("n").invoke::<i64>(&mut conn).is_err());
    assert_eq!(server.cli(&["GET", "n"]), "2");
    let tally = proxy.tally();
    assert_eq!(
        (tally.of("count").requests, tally.of("count").dropped),
        (3, 1)
    );
    assert_eq!(tally.of("SCRIPT LOAD").answered, 1);
}

#[test]
fn a_mute_connection_stays_open_and_says_nothing_more() {
    let server = RedisServer::start();
    let proxy = before(&server);
    let (mut socket, mut other) = (socket(&proxy), socket(&proxy));
    proxy.set(Plan::default().rule(Rule::of("INCR", When::Nth(1), Deed::Mute)));
    socket.write_all(b"INCR n\r\n").unwrap();
    expect_nothing(&mut socket);
    socket.write_all(b"INCR n\r\n").unwrap();
    expect_nothing(&mut socket);
    assert_eq!(server.cli(&["GET", "n"]), "2");
    other.write_all(b"INCR n\r\n").unwrap();
    expect(&mut other, ":3\r\n");
    drop(socket);
    wait_until(SOON, "it is over", || proxy.connections() == 1);
    assert_eq!(proxy.tally().of("INCR").unanswered(), 2);
}

#[test]
fn a_swallowed_reply_shifts_those_behind_it() {
    let server = RedisServer::start();
    let proxy = before(&server);
    let mut socket = socket(&proxy);
    proxy.set(Plan::default().rule(Rule::of("INCR", When::Nth(1), Deed::Swallow)));
    socket.write_all(b"INCR n\r\n").unwrap();
    expect_nothing(&mut socket);
    socket.write_all(b"ECHO x\r\n").unwrap();
    expect(&mut socket, "$1\r\nx\r\n");
    assert_eq!(server.cli(&["GET", "n"]), "1");
}

#[test]
fn a_cut_request_does_not_run() {
    let server = RedisServer::start();
    let proxy = before(&server);
    let request = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
    for bytes in 0..request.len() {
        let mut socket = socket(&proxy);
        proxy.set(Plan::default().rule(Rule::of("SET", When::Always, Deed::Cut(bytes))));
        socket.write_all(request).unwrap();
        assert_eq!(socket.read(&mut [0]).unwrap_or(0), 0);
    }
    assert_eq!(server.cli(&["DBSIZE"]), "0");
    let count = proxy.tally().of("SET");
    assert_eq!(count.cut, request.len() as u64);
    assert_eq!((count.dropped, count.unanswered()), (0, count.cut));
}

#[test]
fn a_share_is_lost_by_chance_and_by_seed_alone() {
    let server = RedisServer::start();
    let lost = |seed: u64| {
        let proxy = Proxy::start(server.port(), Names::default(), seed).unwrap();
        let mut socket = socket(&proxy);
        proxy.set(Plan::default().rule(Rule::of_all(When::Share(0.01), Deed::Swallow)));
        let mut writer = socket.try_clone().unwrap();
        let asking = std::thread::spawn(move || {
            for number in 0..10_000 {
                writer
                    .write_all(format!("ECHO {number:04}\r\n").as_bytes())
                    .unwrap();
            }
            writer.write_all(b"QUIT\r\n").unwrap();
        });
        let mut told = String::new();
        socket.read_to_string(&mut told).unwrap();
        asking.join().unwrap();
        let told: std::collections::BTreeSet<usize> = told
            .lines()
            .filter(|line| line.len() == 4)
            .map(|line| line.parse().unwrap())
            .collect();
        let lost: Vec<usize> = (0..10_000)
            .filter(|number| !told.contains(number))
            .collect();
        assert_eq!(proxy.tally().of("ECHO").dropped, lost.len() as u64);
        lost
    };
    let first = lost(1);
    assert!((60..150).contains(&first.len()), "{}", first.len());
    assert_eq!(lost(1), first);
    assert_ne!(lost(2), first);
}

#[test]
fn what_the_server_says_by_itself_answers_nothing() {
    let server = RedisServer::start();
    let proxy = before(&server);
    let mut socket = socket(&proxy);
    socket
        .write_all(b"HELLO 3\r\nCLIENT TRACKING ON BCAST\r\n")
        .unwrap();
    let mut heard = String::new();
    while !heard.ends_with("+OK\r\n") {
        let mut buffer = [0; 512];
        let count = socket.read(&mut buffer).unwrap();
        heard += std::str::from_utf8(&buffer[..count]).unwrap();
    }
    server.cli(&["SET", "k", "v"]);
    expect(&mut socket, ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n");
    proxy.set(Plan::default().rule(Rule::of("GET", When::Nth(1), Deed::Swallow)));
    socket.write_all(b"GET k\r\nECHO x\r\n").unwrap();
    expect(&mut socket, "$1\r\nx\r\n");
    // Subscriptions pass; so does everything behind them.
    socket.write_all(b"SUBSCRIBE c\r\n").unwrap();
    expect(&mut socket, ">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
    server.cli(&["PUBLISH", "c", "hello"]);
    expect(
        &mut socket,
        ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$5\r\nhello\r\n",
    );
    assert_eq!(proxy.tally().garbled, 0);
}

#[test]
fn it_stands_between_a_primary_and_its_replica() {
    let primary = RedisServer::with(&["--repl-diskless-sync-delay", "0"]);
    let replica = RedisServer::start();
    let proxy = before(&primary);
    primary.cli(&["SET", "before", "1"]);
    replica.cli(&["REPLICAOF", "127.0.0.1", &proxy.port().to_string()]);
    let holds = |key: &str| replica.cli(&["EXISTS", key]) == "1";
    wait_until(SOON, "it has a copy", || holds("before"));
    primary.cli(&["SET", "after", "1"]);
    wait_until(SOON, "it follows", || holds("after"));
    proxy.set(Plan::blackhole());
    primary.cli(&["SET", "cut", "1"]);
    std::thread::sleep(NOTHING);
    assert!(!holds("cut"));
    proxy.heal();
    wait_until(SOON, "it follows again", || holds("cut"));
    assert_eq!(proxy.tally().garbled, 0);
}
