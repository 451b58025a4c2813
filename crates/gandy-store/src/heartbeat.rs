//! What a process shows of itself in Sidekiq's data model: its entry, its running jobs, counters, metrics, signals.

use std::time::{Duration, Instant};

use gandy_protocol::identity::Identity;

use crate::{Line, StoreError};

/// Sidekiq's TTL of a process' hash, its running jobs and its signals, in seconds.
const SHOWN_SECS: u64 = 60;

/// Signals taken at once: a hand full of a dashboard's, or a person's wishes to cancel many jobs.
const SIGNALS_MAX: u32 = 200;

/// Sidekiq's TTL of a day's counters, in seconds: five years.
const DAY_SECS: u64 = 157_680_000;

/// Counters of one flush.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Runs that ended, failures included.
    pub processed: u64,
    /// Runs that failed.
    pub failed: u64,
}

/// Increments of one metrics hash: key, its TTL, (field, amount) pairs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// The hash's key, prefix included.
    pub key: String,
    /// How long the key lives.
    pub ttl: Duration,
    /// What to add.
    pub fields: Vec<(String, u64)>,
}

/// Increments of one histogram: key, (bucket, amount) pairs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    /// The bit field's key, prefix included.
    pub key: String,
    /// How long the key lives.
    pub ttl: Duration,
    /// What to add to which 16-bit counter.
    pub buckets: Vec<(usize, u64)>,
}

/// What one beat learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    /// The process was not shown before: its first beat, or the first after an outage.
    pub first: bool,
    /// How long the exchange took.
    pub round_trip: Duration,
}

impl Line {
    /// Writes the process' hash (`fields`) and its running jobs (`work`: id → JSON), all in one transaction. With
    /// `old_readers` also where Sidekiq up to 6.4.1 looks for running jobs: its `WorkSet` shows none otherwise.
    ///
    /// # Errors
    /// Any; the next beat writes it all anew.
    pub async fn beat(
        &self,
        identity: &Identity,
        fields: &[(String, String)],
        work: &[(String, String)],
        old_readers: bool,
    ) -> Result<Beat, StoreError> {
        let (keys, id) = (self.keys(), identity.as_str());
        let (shown, running) = (keys.process(id), keys.work(id));
        let mut pipe = redis::pipe();
        pipe.cmd("EXISTS").arg(&shown);
        pipe.cmd("SADD").arg(keys.processes()).arg(id);
        pipe.cmd("HSET").arg(&shown).arg(fields);
        pipe.cmd("EXPIRE").arg(&shown).arg(SHOWN_SECS);
        pipe.cmd("UNLINK").arg(&running).arg(keys.workers(id));
        if !work.is_empty() {
            pipe.cmd("HSET").arg(&running).arg(work);
            pipe.cmd("EXPIRE").arg(&running).arg(SHOWN_SECS);
            if old_readers {
                // The server copies, TTL included: payloads may be large and are sent once.
                pipe.cmd("COPY").arg(&running).arg(keys.workers(id));
            }
        }
        let started = Instant::now();
        let replies = self.transaction(&mut pipe).await?;
        let round_trip = started.elapsed();
        let existed: i64 = match replies.into_iter().next() {
            Some(reply) => self.read(reply)?,
            None => return Err(StoreError::shape("heartbeat")),
        };
        Ok(Beat {
            first: existed == 0,
            round_trip,
        })
    }

    /// The signals that Sidekiq's API or Web UI left for this process, oldest first; they are taken away.
    ///
    /// # Errors
    /// After [`StoreError::Unknown`] a signal may be lost, as in Sidekiq; press the button again.
    pub async fn signals(&self, identity: &Identity) -> Result<Vec<String>, StoreError> {
        let mut command = redis::cmd("RPOP");
        command.arg(self.keys().signals(identity)).arg(SIGNALS_MAX);
        Ok(self
            .query::<Option<Vec<String>>>(&command)
            .await?
            .unwrap_or_default())
    }

    /// Adds to the all-time counters and to those of `day` (`YYYY-MM-DD`, UTC), in one transaction.
    ///
    /// # Errors
    /// Of kind [`crate::Kind::Retry`]: nothing was added, keep the tally for the next flush. Others: some of it may have
    /// been, as when one of the keys is of another type.
    pub async fn tally(&self, tally: &Tally, day: &str) -> Result<(), StoreError> {
        let keys = self.keys();
        let mut pipe = redis::pipe();
        for (amount, total, daily) in [
            (
                tally.processed,
                keys.stat_processed(),
                keys.stat_processed_day(day),
            ),
            (tally.failed, keys.stat_failed(), keys.stat_failed_day(day)),
        ] {
            if amount > 0 {
                pipe.cmd("INCRBY").arg(total).arg(amount);
                pipe.cmd("INCRBY").arg(&daily).arg(amount);
                pipe.cmd("EXPIRE").arg(&daily).arg(DAY_SECS);
            }
        }
        if pipe.is_empty() {
            return Ok(());
        }
        self.transaction(&mut pipe).await.map(drop)
    }

    /// Adds to the execution metrics, in one transaction.
    ///
    /// # Errors
    /// As [`Line::tally`].
    pub async fn measure(
        &self,
        counts: &[Counts],
        histograms: &[Histogram],
    ) -> Result<(), StoreError> {
        let mut pipe = redis::pipe();
        for hash in counts {
            for (field, amount) in &hash.fields {
                pipe.cmd("HINCRBY").arg(&hash.key).arg(field).arg(amount);
            }
            pipe.cmd("EXPIRE").arg(&hash.key).arg(hash.ttl.as_secs());
        }
        for histogram in histograms {
            let command = pipe
                .cmd("BITFIELD")
                .arg(&histogram.key)
                .arg("OVERFLOW")
                .arg("SAT");
            for (bucket, amount) in &histogram.buckets {
                command
                    .arg("INCRBY")
                    .arg("u16")
                    .arg(format!("#{bucket}"))
                    .arg(amount);
            }
            pipe.cmd("EXPIRE")
                .arg(&histogram.key)
                .arg(histogram.ttl.as_secs());
        }
        if pipe.is_empty() {
            return Ok(());
        }
        self.transaction(&mut pipe).await.map(drop)
    }

    /// Removes members of `processes` whose hash is gone, at most once a minute for the whole fleet, as Sidekiq does.
    /// The number removed.
    ///
    /// # Errors
    /// Any; the next minute tries again.
    pub async fn clean_processes(&self) -> Result<usize, StoreError> {
        let keys = self.keys();
        let mut lock = redis::cmd("SET");
        lock.arg(keys.process_cleanup())
            .arg("1")
            .arg("NX")
            .arg("EX")
            .arg(SHOWN_SECS);
        if self.query::<Option<String>>(&lock).await?.is_none() {
            return Ok(0);
        }
        let names: Vec<String> = self
            .query(redis::cmd("SMEMBERS").arg(keys.processes()))
            .await?;
        let mut pipe = redis::pipe();
        for name in &names {
            pipe.cmd("HEXISTS").arg(keys.process(name)).arg("info");
        }
        let mut gone = redis::cmd("SREM");
        gone.arg(keys.processes());
        let mut count = 0;
        for (name, shown) in names.iter().zip(self.each(&pipe).await?) {
            if matches!(shown, Ok(redis::Value::Int(0))) {
                gone.arg(name);
                count += 1;
            }
        }
        if count > 0 {
            self.query::<i64>(&gone).await?;
        }
        Ok(count)
    }
}
