//! One queue, worked by Gandy and Ruby together, processes of both killed at random: what a killed Ruby process had in
//! memory is lost, and nothing else, least of all what a worker of ours held.

use std::collections::BTreeSet;
use std::time::Duration;

use gandy_tests::{
    Crew, EventKind, History, HistoryWriter, Proc, RubyWorker, push_jobs, wait_until,
};
use nix::sys::signal::Signal;

use crate::Border;

/// Of each kind.
const KILLS: usize = 4;
/// Jobs at once in the Ruby process.
const RUBY_SLOTS: usize = 8;
/// Jobs at once in each of our two processes.
const OUR_SLOTS: usize = 5;
/// Every kill finds at least this many jobs waiting: it comes in the middle of work, and no `BRPOP` of a process is
/// served after its death.
const WAITING: usize = 400;

struct Fleet<'a> {
    border: &'a Border,
    history: &'a History,
    notes: HistoryWriter,
    crew: Crew,
    ours: Vec<Proc>,
    ruby: RubyWorker,
    /// All that was pushed.
    pushed: BTreeSet<String>,
    /// What killed Ruby processes took with them.
    gone: BTreeSet<String>,
    /// Jobs that our processes held when they were killed.
    held_at_kills: usize,
}

impl<'a> Fleet<'a> {
    fn start(border: &'a Border, history: &'a History) -> Self {
        let crew = border.crew().concurrency(OUR_SLOTS).history(history);
        let ruby = ruby(border, history);
        let ours = vec![crew.start_and_wait(), crew.start_and_wait()];
        Self {
            border,
            history,
            notes: history.writer("test"),
            crew,
            ours,
            ruby,
            pushed: BTreeSet::new(),
            gone: BTreeSet::new(),
            held_at_kills: 0,
        }
    }

    fn push(&mut self, count: usize) {
        let tag = format!("mixed{}-", self.pushed.len());
        let redis = &self.border.site.redis;
        let jids = push_jobs(redis, &self.notes, &tag, "SleepJob", "[0.03]", count);
        self.pushed.extend(jids);
    }

    fn keep_waiting(&mut self) {
        let waiting: usize = self
            .border
            .site
            .ask(redis::cmd("LLEN").arg("queue:default"));
        if waiting < 3 * WAITING {
            self.push(1000);
        }
    }

    /// Kills one of ours and starts another in its place.
    fn kill_ours(&mut self) {
        let victim = fastrand::usize(..self.ours.len());
        let process = &self.ours[victim];
        let identity = Crew::identity_of(&self.border.site.redis, process);
        process.signal(Signal::SIGSTOP);
        let key = format!("gandy:inflight:{identity}");
        self.held_at_kills += self.border.site.ask::<usize>(redis::cmd("HLEN").arg(key));
        self.notes.kill(&Crew::name_of(process));
        process.kill9();
        self.ours[victim] = self.crew.start();
    }

    /// Kills the Ruby process and starts another. With everybody stopped, what it has in memory is what was pushed and
    /// neither ended nor is anywhere in Redis.
    fn kill_ruby(&mut self) {
        self.signal_all(Signal::SIGSTOP);
        let in_redis = self.in_redis();
        let waiting: usize = self
            .border
            .site
            .ask(redis::cmd("LLEN").arg("queue:default"));
        assert!(waiting >= WAITING, "only {waiting} jobs wait at a kill");
        let accounted = &(&in_redis | &self.ended()) | &self.gone;
        let taken = &self.pushed - &accounted;
        assert!(
            taken.len() <= RUBY_SLOTS,
            "Ruby runs {RUBY_SLOTS} at once, {} jobs are nowhere: {taken:?}",
            taken.len()
        );
        self.gone.extend(taken);
        self.notes.kill(self.ruby.name());
        assert!(self.ruby.process().kill9());
        for process in &self.ours {
            process.signal(Signal::SIGCONT);
        }
        self.ruby = ruby(self.border, self.history);
    }

    fn signal_all(&self, signal: Signal) {
        self.ours
            .iter()
            .chain([self.ruby.process()])
            .for_each(|process| process.signal(signal));
    }

    fn ended(&self) -> BTreeSet<String> {
        let events = self.history.events().into_iter();
        let ends = events.filter(|event| event.kind == EventKind::End);
        ends.map(|event| event.jid).collect()
    }

    /// Every job that is anywhere in Redis. Looked at until two looks agree, because what a stopped process had sent
    /// before is still carried out.
    fn in_redis(&self) -> BTreeSet<String> {
        let mut last = self.look();
        wait_until(Duration::from_secs(10), "nothing moves in Redis", || {
            std::thread::sleep(Duration::from_millis(20)); // The subject: time in which nothing moves.
            let now = self.look();
            let same = now == last;
            last = now;
            same
        });
        last
    }

    fn look(&self) -> BTreeSet<String> {
        let ask = |command: &mut redis::Cmd| -> Vec<String> { self.border.site.ask(command) };
        let mut found = Vec::new();
        for list in ["queue:default", "gandy:landing:default"] {
            found.extend(ask(redis::cmd("LRANGE").arg(list).arg(0).arg(-1)));
        }
        for set in ["schedule", "retry", "dead"] {
            found.extend(ask(redis::cmd("ZRANGE").arg(set).arg(0).arg(-1)));
        }
        for holder in ask(redis::cmd("KEYS").arg("gandy:inflight:*")) {
            found.extend(ask(redis::cmd("HVALS").arg(holder)));
        }
        found.iter().map(|payload| jid(payload)).collect()
    }
}

fn ruby(border: &Border, history: &History) -> RubyWorker {
    let slots = RUBY_SLOTS.to_string();
    border
        .ruby
        .worker(history, &["-q", "default", "-c", &slots])
}

fn jid(payload: &str) -> String {
    let job: serde_json::Value = serde_json::from_str(payload).unwrap();
    job["jid"].as_str().unwrap().to_owned()
}

#[test]
fn ruby_interop_a_mixed_fleet_killed_at_random_loses_only_what_ruby_had_in_memory() {
    let Some(border) = Border::open("ruby_interop_a_mixed_fleet_killed_at_random") else {
        return;
    };
    let history = History::new();
    let mut fleet = Fleet::start(&border, &history);
    fleet.push(2000);
    let mut kills: Vec<bool> = (0..2 * KILLS).map(|n| n % 2 == 0).collect();
    fastrand::shuffle(&mut kills);
    for of_ruby in kills {
        fleet.keep_waiting();
        std::thread::sleep(Duration::from_millis(fastrand::u64(200..600))); // The subject: kills at random moments.
        if of_ruby {
            fleet.kill_ruby();
        } else {
            fleet.kill_ours();
        }
    }
    // What ours held comes back within P2's 20 s; a job that was aboard twice up to 60 s later.
    wait_until(Duration::from_secs(100), "everything else has run", || {
        fleet.pushed.len() == (&fleet.ended() | &fleet.gone).len() && border.site.is_settled()
    });

    let report = history.report();
    let events = history.events();
    let started_by = |ours: bool| {
        let starts = events.iter().filter(|e| e.kind == EventKind::Start);
        let by = starts.filter(|e| e.worker.starts_with("crew") == ours);
        by.map(|e| e.jid.clone()).collect::<BTreeSet<_>>()
    };
    println!(
        "{KILLS} kills of each: Ruby took {} jobs with it ({} of them had been aboard one of ours before), ours held {} \
         at their kills; started by ours {}, by Ruby {}; {report}",
        fleet.gone.len(),
        (&fleet.gone & &started_by(true)).len(),
        fleet.held_at_kills,
        started_by(true).len(),
        started_by(false).len(),
    );
    assert_eq!(
        report.lost, fleet.gone,
        "lost is what killed Ruby processes had in memory, to the job"
    );
    assert!(report.unexpected.is_empty(), "{report}");
    assert!(
        report.extra_starts <= fleet.held_at_kills,
        "more ran again than our processes held: {report}"
    );
    assert!(
        !fleet.gone.is_empty() && fleet.held_at_kills > 0,
        "the kills hit nothing"
    );
    assert!(
        started_by(true).len() > 100 && started_by(false).len() > 100,
        "both must have worked"
    );
    assert_eq!(border.site.count("dead"), 0);
}
