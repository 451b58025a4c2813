//! The joint of two spans as it stands in a payload: W3C's `traceparent` and `tracestate`, each a JSON string.
//!
//! Payloads come from anywhere, so what is read is checked as if it came over the wire: a wrong one is as good as none.
#![cfg_attr(
    not(feature = "worker"),
    allow(dead_code, reason = "producers only write")
)]

use std::{borrow::Cow, str::FromStr};

use gandy_protocol::JobRecord;
use opentelemetry::{
    SpanId, TraceFlags, TraceId,
    trace::{SpanContext, TraceState},
};

pub(crate) const TRACEPARENT: &str = "traceparent";
pub(crate) const TRACESTATE: &str = "tracestate";

/// `00-`, trace, span and flags.
const LENGTH: usize = 55;
/// W3C asks for so many characters of `tracestate` to be handed on; who writes more loses them.
const STATE_MAX: usize = 512;

/// The names and texts of a span.
pub(crate) fn pairs(span: &SpanContext) -> Vec<(&'static str, String)> {
    let flags = span.trace_flags() & TraceFlags::SAMPLED;
    let mut pairs = vec![(
        TRACEPARENT,
        format!(
            "00-{}-{}-{:02x}",
            span.trace_id(),
            span.span_id(),
            flags.to_u8()
        ),
    )];
    let state = span.trace_state().header();
    if !state.is_empty() && state.len() <= STATE_MAX {
        pairs.push((TRACESTATE, state));
    }
    pairs
}

/// Writes a span into a job that is to be pushed.
pub(crate) fn write(span: &SpanContext, record: &mut JobRecord) {
    for (name, text) in pairs(span) {
        // A string is JSON, and neither name is one of Sidekiq's, so that nothing is refused.
        let _ = record.set_extra(name, serde_json::Value::from(text).to_string());
    }
}

/// Reads the two fields of a payload, raw JSON.
pub(crate) fn read(traceparent: &str, tracestate: Option<&str>) -> Option<SpanContext> {
    let parent = text(traceparent)?;
    let state = tracestate.and_then(text);
    parse(&parent, state.as_deref().unwrap_or_default())
}

/// A JSON string's text, if it is not absurdly long.
fn text(json: &str) -> Option<Cow<'_, str>> {
    if json.len() > 4 * STATE_MAX {
        return None;
    }
    serde_json::from_str::<String>(json).ok().map(Cow::Owned)
}

fn parse(parent: &str, state: &str) -> Option<SpanContext> {
    let (known, more) = parent.split_at_checked(LENGTH)?;
    let mut parts = known.split('-');
    let mut hex = |length: usize| {
        let part = parts.next()?;
        // `from_hex` takes capitals and a sign, too.
        let plain = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (part.len() == length && part.bytes().all(plain)).then_some(part)
    };
    let (version, trace, span, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    // Later versions may append something.
    let complete = more.is_empty() || (version != "00" && more.starts_with('-'));
    if version == "ff" || !complete {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    // It goes on into headers and variables, where a line break or a zero would be more than text.
    let plain = state.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let state = if plain && state.len() <= STATE_MAX {
        TraceState::from_str(state).unwrap_or_default()
    } else {
        TraceState::default()
    };
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        flags,
        true,
        state,
    );
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// W3C's own example.
    const EXAMPLE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_span_reads_as_it_was_written() {
        let state = r#"congo=t61"\x,rojo=00f067aa0ba902b7"#;
        let span = parse(EXAMPLE, state).unwrap();
        assert!(span.is_sampled() && span.is_remote());
        let mut record = JobRecord::new("A", "[]", "j1", gandy_protocol::Stamp::from_millis(1));
        write(&span, &mut record);
        let fields: Vec<(&str, &str)> = record.extra().collect();
        assert_eq!(fields[0], (TRACEPARENT, &*format!("\"{EXAMPLE}\"")));
        assert_eq!(fields[1].0, TRACESTATE);
        assert_eq!(read(fields[0].1, Some(fields[1].1)).unwrap(), span);
    }

    #[test]
    fn a_span_that_is_not_sampled_stays_so() {
        let span = parse(&EXAMPLE.replace("-01", "-00"), "").unwrap();
        assert!(!span.is_sampled());
        assert_eq!(pairs(&span), [(TRACEPARENT, EXAMPLE.replace("-01", "-00"))]);
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let later = EXAMPLE.replacen("00", "cc", 1);
        assert!(parse(&later, "").is_some());
        assert!(parse(&format!("{later}-what-comes"), "").is_some());
    }

    #[test]
    fn what_is_wrong_is_as_good_as_none() {
        for wrong in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
            "0é-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-01",
        ] {
            assert_eq!(parse(wrong, ""), None, "{wrong}");
        }
        for wrong in ["1", "null", "\"", "[]"] {
            assert_eq!(read(wrong, None), None, "{wrong}");
        }
        assert_eq!(read(&format!("\"{}\"", "0".repeat(1_000_000)), None), None);
    }

    #[test]
    fn a_wrong_state_is_dropped_and_the_parent_kept() {
        let long = format!("a={}", "x".repeat(600));
        for wrong in ["a", "é", "a=b\r\nx: y", "a=\0", "a=é", &long] {
            let span = parse(EXAMPLE, wrong).unwrap();
            assert_eq!(span.trace_state().header(), "", "{wrong}");
        }
        let json = format!("\"{EXAMPLE}\"");
        assert!(read(&json, Some("17")).is_some());
    }
}
