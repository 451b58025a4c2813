//! What `/` was given, as a page understands it: where jobs are listed the filter language, elsewhere words.
//!
//! Belongs here: which lines it lets through. Does not belong here: the language (`gandy::Filter`), and how the text is
//! written (`keys`).

use gandy::{Filter, FilterError};

use super::rows::{Row, Target};
use crate::printable::printable;

/// What words look at of one description of a process.
const SEARCHED: usize = 64 * 1024;

/// So much of a wrong term is repeated: the line has to have room for what is wrong with it.
const TERM_SHOWN: usize = 24;

#[derive(Debug, PartialEq)]
pub(crate) enum Sieve {
    /// Nothing was written: all lines.
    Open,
    /// These, in small letters, stand anywhere in the line.
    Words(Vec<String>),
    /// The jobs that fit.
    Jobs(Filter),
    /// It is no filter, and why: all lines.
    Wrong(String),
}

impl Sieve {
    pub(crate) fn new(text: &str, of_jobs: bool) -> Self {
        if text.trim().is_empty() {
            return Self::Open;
        }
        if !of_jobs {
            let words = text.split_whitespace().map(str::to_lowercase);
            return Self::Words(words.collect());
        }
        match Filter::parse(text) {
            Ok(filter) => Self::Jobs(filter),
            Err(error) => Self::Wrong(printable(&said(error))),
        }
    }

    /// Whether lines may be missing.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self, Self::Words(_) | Self::Jobs(_))
    }

    pub(crate) fn passes(&self, row: &Row, now_ms: i64) -> bool {
        match self {
            Self::Open | Self::Wrong(_) => true,
            Self::Words(words) => {
                let text = text_of(row);
                words.iter().all(|word| text.contains(word.as_str()))
            }
            Self::Jobs(filter) => fits(filter, row, now_ms),
        }
    }
}

/// Without where it begins: the text is short and stands on the line above.
fn said(error: FilterError) -> String {
    match error {
        FilterError::Term { term, wrong, .. } => {
            let term: String = term.chars().take(TERM_SHOWN).collect();
            format!("{term}: {wrong}")
        }
        other => other.to_string(),
    }
}

fn text_of(row: &Row) -> String {
    let more: &[u8] = match &row.target {
        Target::Process(process) => process.info.as_bytes(),
        _ => &[],
    };
    let mut text = String::from_utf8_lossy(&more[..more.len().min(SEARCHED)]).to_lowercase();
    for cell in &row.cells {
        text.push('\n');
        text += &cell.to_lowercase();
    }
    text
}

/// As in `gandy jobs`, what is no job fits no filter.
fn fits(filter: &Filter, row: &Row, now_ms: i64) -> bool {
    match &row.target {
        Target::Job(found) => found.job.fits(filter, now_ms),
        Target::Running { job: Some(job), .. } => {
            filter.matches(job, || Some(now_ms.saturating_sub(job.waits_since_ms()?)))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use gandy::{JobInfo, Payload, Place};

    use super::*;
    use crate::top::event::Found;

    const NOW: i64 = 1_795_398_104_597;
    const HOUR: i64 = 3_600_000;

    fn row(place: Place, at_ms: Option<i64>) -> Row {
        let json = format!(
            r#"{{"class":"Mailer","args":[42],"jid":"abc","created_at":{},"enqueued_at":{},"failed_at":{},"retry_count":0,"error_class":"Oops"}}"#,
            NOW - 8 * HOUR,
            NOW - 4 * HOUR,
            NOW - 2 * HOUR,
        );
        let payload = Payload::parse(json.clone().into_bytes()).unwrap();
        let job = JobInfo {
            place,
            bytes: json.into_bytes(),
            at_ms,
            score: None,
            payload: Ok(payload),
        };
        Row {
            cells: vec!["abc".to_owned(), "Mailer".to_owned()],
            target: Target::Job(Box::new(Found { job, reason: None })),
        }
    }

    fn passes(text: &str, row: &Row) -> bool {
        let sieve = Sieve::new(text, true);
        assert!(matches!(sieve, Sieve::Jobs(_)), "{text}: {sieve:?}");
        sieve.passes(row, NOW)
    }

    #[test]
    fn jobs_pass_by_the_terms_of_gandy_jobs() {
        let retry = row(Place::Retry, Some(NOW + HOUR));
        for text in [
            "class:Mail*",
            "arg:42 attempt=2",
            "error:Oops",
            "-arg:7",
            "ab",
        ] {
            assert!(passes(text, &retry), "{text}");
        }
        for text in ["class:mail*", "arg:4", "queue:low", "!Mailer"] {
            assert!(!passes(text, &retry), "{text}");
        }
    }

    #[test]
    fn a_jobs_age_is_how_long_it_is_where_it_is() {
        for (place, at_ms, hours) in [
            (Place::Queue("default".to_owned()), None, 4),
            (Place::Retry, Some(NOW + HOUR), 2),
            (Place::Schedule, Some(NOW + HOUR), 8),
            (Place::Dead, Some(NOW - HOUR), 1),
        ] {
            let row = row(place, at_ms);
            let text = format!("age>={hours}h age<={hours}h");
            assert!(passes(&text, &row), "{text}: {row:?}");
        }
    }

    #[test]
    fn what_is_no_filter_is_said_and_keeps_nothing_back() {
        let line = row(Place::Dead, None);
        for (text, said) in [
            ("age>", "write age>1h"),
            ("state:gone", "there is no term `state`"),
            ("\"Mail", "never closed"),
        ] {
            let sieve = Sieve::new(text, true);
            assert!(
                matches!(&sieve, Sieve::Wrong(why) if why.contains(said)),
                "{sieve:?}"
            );
            assert!(sieve.passes(&line, NOW) && !sieve.is_closed(), "{text}");
        }
        assert_eq!(Sieve::new("  ", true), Sieve::Open);
    }

    #[test]
    fn where_no_jobs_are_words_are_words() {
        let sieve = Sieve::new("MAIL  ab", false);
        assert!(sieve.passes(&row(Place::Dead, None), NOW));
        assert!(!Sieve::new("age>1h", false).passes(&row(Place::Dead, None), NOW));
    }
}
