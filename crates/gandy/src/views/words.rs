//! Times, counts, places and outcomes in words, the same for everybody who shows them.

use gandy_protocol::{End, Ended};
use gandy_store::Place;

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const YEAR: u64 = 365 * DAY;

/// Whether a reader does not see this character as what it is, and a terminal may do something with it: control characters
/// (C0, DEL, C1), marks that change the direction of text, separators, and characters without width, which make two names
/// look like one. Whoever can push a job writes its class, arguments and error message.
#[must_use]
pub fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
        )
}

/// An instant as seen from now: `in 5 minutes`, `now`, `3 hours ago`.
#[must_use]
pub fn relative(at_ms: i64, now_ms: i64) -> String {
    let distance = at_ms.abs_diff(now_ms);
    if distance < SECOND {
        "now".to_owned()
    } else if at_ms > now_ms {
        format!("in {}", span(distance))
    } else {
        format!("{} ago", span(distance))
    }
}

/// A span in the largest unit of which it has one, rounded to whole ones.
#[must_use]
pub fn span(ms: u64) -> String {
    if ms < SECOND {
        return format!("{ms} ms");
    }
    // What rounds to 60 seconds is a minute, so the unit is chosen after rounding.
    for (unit, name, next) in [
        (SECOND, "second", MINUTE),
        (MINUTE, "minute", HOUR),
        (HOUR, "hour", DAY),
        (DAY, "day", YEAR),
    ] {
        let rounded = ms.saturating_add(unit / 2) / unit;
        if rounded < next / unit {
            return count(rounded, name);
        }
    }
    count(ms.saturating_add(YEAR / 2) / YEAR, "year")
}

/// `1 job`, `2 jobs`.
#[must_use]
pub fn count(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// `queue:low`, `retry`, `schedule` or `dead`.
#[must_use]
pub fn place(place: &Place) -> String {
    match place {
        Place::Queue(name) => format!("queue:{name}"),
        Place::Schedule => "schedule".to_owned(),
        Place::Retry => "retry".to_owned(),
        Place::Dead => "dead".to_owned(),
    }
}

/// How a run ended, with its error: `failed, and will be retried: Timeout: no reply`.
#[must_use]
pub fn ended(ended: &Ended) -> String {
    let what = match ended.outcome {
        End::Done => "done",
        End::Failed if ended.will_retry => "failed, and will be retried",
        End::Failed => "failed, and will not run again",
        End::Dead => "dead",
        End::Deleted => "deleted",
    };
    let error = match (&ended.error_class, &ended.error_message) {
        (Some(class), Some(message)) => format!(": {class}: {message}"),
        (Some(one), None) | (None, Some(one)) => format!(": {one}"),
        (None, None) => String::new(),
    };
    format!("{what}{error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_said_as_seen_from_now() {
        let now = 1_795_398_104_597;
        for (offset, words) in [
            (0, "now"),
            (-999, "now"),
            (1_000, "in 1 second"),
            (-59_400, "59 seconds ago"),
            (-59_500, "1 minute ago"),
            (7_199_000, "in 2 hours"),
            (60_000, "in 1 minute"),
            (-7_200_000, "2 hours ago"),
            (172_800_000, "in 2 days"),
            (-63_072_000_000, "2 years ago"),
        ] {
            assert_eq!(relative(now + offset, now), words);
        }
        // Scores are anybody's numbers.
        assert_eq!(relative(i64::MAX, now), "in 292471152 years");
        assert!(relative(i64::MIN, now).ends_with("years ago"));
    }
}
