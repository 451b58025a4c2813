//! One loss of the primary, and what came of it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gandy::Inspect;
use gandy_tests::{
    Event, EventKind, History, RedisServer, Watched, cut_replication, mend_replication, wait_until,
};

use super::producers::Producers;

/// From the loss of the primary to the end of a job that was pushed after it.
pub(super) const RESUME: Duration = Duration::from_secs(15);
pub(super) const LONG: Duration = Duration::from_secs(90);
/// Jobs that each round pushes at once just before the primary is lost.
const FLOOD: usize = 200;
/// Jobs that each round pushes durably before that.
pub(super) const DURABLE_FLOOD: usize = 50;

/// How a primary is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fault {
    /// `kill -9`; else SIGSTOP, after which it comes back and believes that it is primary.
    kill: bool,
    /// Before that the link to the replica is cut, so that what is acknowledged from then on is lost with it.
    cut: bool,
}

impl Fault {
    fn of(round: usize) -> Self {
        let (kill, cut) = [(true, true), (false, false), (true, false), (false, true)][round % 4];
        Self { kill, cut }
    }
}

/// What a round showed.
#[derive(Debug)]
pub(super) struct Round {
    /// Since 1970: from a moment all of whose writes the replica had, to the moment when the sentinels named it primary.
    window: [Duration; 2],
    /// Since the loss.
    pub(super) named: Duration,
    /// The same.
    pub(super) resumed: Duration,
}

impl Round {
    /// Whether what Redis acknowledged at this time, or so much before or after it, may have been forgotten.
    pub(super) fn is_near(&self, at: Duration, margin: Duration) -> bool {
        let [from, to] = self.window;
        at + margin >= from && at <= to + margin
    }

    pub(super) fn run(
        number: usize,
        watched: &Watched,
        history: &History,
        producers: &mut Producers,
        inspect: &Inspect,
    ) -> Self {
        let fault = Fault::of(number);
        watched.wait_until_ready();
        let (primary, replica) = watched.roles();
        let from = now();
        replicated(primary);
        producers.flood_durably(DURABLE_FLOOD);
        if fault.cut {
            cut_replication(primary);
        }
        producers.flood(FLOOD);
        let (struck, began) = (now(), Instant::now());
        if fault.kill {
            primary.kill9();
        } else {
            primary.freeze();
        }
        wait_until(LONG, "the sentinels name the replica", || {
            watched
                .named()
                .is_some_and(|named| named.port() == replica.port())
        });
        let (named, to) = (began.elapsed(), now());
        let mut first = None;
        wait_until(LONG, "a job that was pushed after the loss has run", || {
            first = resumed(history, struck);
            first.is_some()
        });
        // A view that was open all the time sees the new primary, too.
        wait_until(LONG, "a view sees the new primary", || {
            producers.runtime.block_on(inspect.totals()).is_ok()
        });
        come_back(primary, replica, fault);
        Self {
            window: [from, to],
            named,
            resumed: first.unwrap_or(LONG),
        }
    }
}

fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// Waits until the replica has everything that was acknowledged before.
fn replicated(primary: &RedisServer) {
    let mut conn = primary.conn();
    let set = redis::cmd("SET").arg("mark").arg(1).exec(&mut conn);
    set.expect("the primary takes it");
    let replicas: usize = redis::cmd("WAIT")
        .arg(1)
        .arg(10_000)
        .query(&mut conn)
        .expect("the primary answers");
    assert_eq!(replicas, 1, "the replica does not follow");
}

/// How long after `struck` the first job ended that was acknowledged after it.
fn resumed(history: &History, struck: Duration) -> Option<Duration> {
    let events = history.events();
    let after = |kind| move |event: &&Event| event.kind == kind && event.at > struck;
    let pushed: BTreeSet<&str> = events
        .iter()
        .filter(after(EventKind::Acknowledged))
        .map(|event| event.jid.as_str())
        .collect();
    let mut ends = events.iter().filter(after(EventKind::End));
    let first = ends.find(|event| pushed.contains(event.jid.as_str()))?;
    Some(first.at - struck)
}

/// The lost primary comes back, and nobody takes it for one.
fn come_back(lost: &RedisServer, primary: &RedisServer, fault: Fault) {
    if fault.kill {
        lost.restart_as_replica_of(primary);
    } else {
        lost.thaw();
        if fault.cut {
            mend_replication(lost);
        }
        wait_until(LONG, "the sentinels demote what came back", || {
            let told = ask(lost, redis::cmd("INFO").arg("replication"));
            told.is_some_and(|told| told.contains("role:slave"))
        });
    }
    // What may be connected to a replica: the sentinels (by name) and this look.
    wait_until(LONG, "no client sticks to what is a replica now", || {
        let told = ask(lost, redis::cmd("CLIENT").arg(&["LIST", "TYPE", "normal"]));
        told.is_some_and(|told| {
            told.lines()
                .all(|line| line.contains("name=sentinel-") || line.contains("cmd=client|list"))
        })
    });
}

/// A server that is being demoted closes connections, also this one.
fn ask(server: &RedisServer, command: &redis::Cmd) -> Option<String> {
    let client = redis::Client::open(server.url()).ok()?;
    let mut conn = client.get_connection().ok()?;
    command.query(&mut conn).ok()
}
