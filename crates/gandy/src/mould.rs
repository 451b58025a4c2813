//! The payload of a job like the one before: everything but its arguments and its id is copied.
//!
//! Belongs here: what bulk pushes save. Does not belong here: a payload's form, which is `JobRecord::to_json`'s alone; a
//! mould is cut from its output.

use gandy_protocol::JobRecord;

/// Moulds kept at once: bulk pushes of a few classes in turn.
const KEPT: usize = 4;

/// The moulds of one bulk push.
#[derive(Debug, Default)]
pub(crate) struct Moulds {
    kept: Vec<Mould>,
    next: usize,
}

/// The bytes around a job's arguments and id.
#[derive(Debug)]
struct Mould {
    /// The record it was cut for, without arguments and id.
    like: JobRecord,
    head: String,
    middle: String,
    tail: String,
}

impl Moulds {
    /// Hands the parts of the record's JSON to `take`.
    pub(crate) fn cast<T>(&mut self, record: &JobRecord, take: impl FnOnce(&[&str]) -> T) -> T {
        // An id of somebody's own may hold what JSON escapes.
        // Without a branch for each byte: hex digits are random, and a wrong guess for every third one was an eighth of
        // what a bulk push costs.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() | (byte == b'-') | (byte == b'_');
        if !record.jid.bytes().fold(true, |all, byte| all & plain(byte)) {
            return take(&[&record.to_json()]);
        }
        let place = self.kept.iter().position(|mould| mould.fits(record));
        let Some(mould) = place.or_else(|| self.cut(record)).map(|at| &self.kept[at]) else {
            return take(&[&record.to_json()]);
        };
        let parts = [
            mould.head.as_str(),
            &record.args,
            &mould.middle,
            &record.jid,
            &mould.tail,
        ];
        debug_assert_eq!(parts.concat(), record.to_json());
        take(&parts)
    }

    fn cut(&mut self, record: &JobRecord) -> Option<usize> {
        let mould = Mould::of(record)?;
        let place = self.next;
        self.next = (place + 1) % KEPT;
        if place < self.kept.len() {
            self.kept[place] = mould;
        } else {
            self.kept.push(mould);
        }
        Some(place)
    }
}

impl Mould {
    fn of(record: &JobRecord) -> Option<Self> {
        let mut like = record.clone();
        like.args.clear();
        like.jid.clear();
        let json = like.to_json();
        // A colon before a comma stands nowhere else: a string has no bare quote before it, other values are complete.
        let args = json.find(r#""args":,"#)? + r#""args":"#.len();
        // Only the two times stand behind it.
        let jid = json.rfind(r#","jid":"""#)? + r#","jid":""#.len();
        Some(Self {
            head: json.get(..args)?.to_owned(),
            middle: json.get(args..jid)?.to_owned(),
            tail: json.get(jid..)?.to_owned(),
            like,
        })
    }

    fn fits(&self, record: &JobRecord) -> bool {
        let like = &self.like;
        like.enqueued_at == record.enqueued_at
            && like.created_at == record.created_at
            && like.class == record.class
            && like.queue == record.queue
            && like.retry == record.retry
            && like.tags == record.tags
            && like.retry_for == record.retry_for
            && like.dead == record.dead
            && like.backtrace == record.backtrace
            && like.retry_queue == record.retry_queue
            && like.stamps == record.stamps
            && like.extra().eq(record.extra())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use gandy_protocol::{Backtrace, RetrySetting, Stamp, StampFormat};

    use super::*;

    fn record(class: &str, args: &str, jid: &str) -> JobRecord {
        JobRecord::new(class, args, jid, Stamp::from_millis(1_795_398_104_597))
    }

    /// Records that differ from a plain one in one field each, and values that look like places to cut.
    fn records() -> Vec<JobRecord> {
        let mut all = vec![
            record("A", "[]", "j"),
            record("A", r#"["\"args\":,",{"jid":""}]"#, "j2"),
            record(r#"","args":,"jid":"""#, "[1]", "j"),
            record("Bé\"\\", "[1]", r#"own "id""#),
            record("A", "[2]", "é"),
        ];
        let changes: [fn(&mut JobRecord); 13] = [
            |r| r.queue = r#"q","jid":"""#.into(),
            |r| r.retry = RetrySetting::Absent,
            |r| r.retry = RetrySetting::from(7),
            |r| r.tags = vec![r#""args":,"#.into(), "b".into()],
            |r| r.retry_for = Some(5),
            |r| r.dead = Some(false),
            |r| r.backtrace = Some(Backtrace::Lines(3)),
            |r| r.retry_queue = Some("low".into()),
            |r| r.created_at = Stamp::from_millis(1),
            |r| r.enqueued_at = Some(Stamp::from_millis(2)),
            |r| r.stamps = StampFormat::Seconds,
            |r| r.set_extra("cattr", r#"{"args":[],"jid":""}"#).unwrap(),
            |r| r.set_extra(r#"args":,"#, "null").unwrap(),
        ];
        for change in changes {
            let mut other = record("A", "[3]", "j3");
            change(&mut other);
            all.push(other);
        }
        all
    }

    #[test]
    fn a_cast_payload_is_the_written_one_whatever_came_before() {
        let mut moulds = Moulds::default();
        let all = records();
        for first in &all {
            for second in &all {
                for record in [first, second, first] {
                    let cast = moulds.cast(record, |parts| parts.concat());
                    assert_eq!(cast, record.to_json());
                }
            }
        }
    }

    #[test]
    fn of_like_jobs_only_the_first_is_written_whole() {
        let mut moulds = Moulds::default();
        for number in 0..100 {
            let record = record("A", &format!("[{number}]"), &format!("j{number}"));
            assert_eq!(moulds.cast(&record, |parts| parts.len()), 5);
        }
        assert_eq!(moulds.kept.len(), 1);
    }
}
