//! Redis' replies, whole, cut anywhere, and damaged: never a panic, and no other end than their own.

use std::time::{Duration, Instant};

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, TestRunner},
};

use super::*;

/// A reply as Redis builds it.
#[derive(Debug, Clone)]
enum Reply {
    Simple(String),
    Error(String),
    Int(i64),
    Bulk(Option<Vec<u8>>),
    Array(Option<Vec<Reply>>),
}

fn reply() -> impl Strategy<Value = Reply> {
    let leaf = prop_oneof![
        "[ -~]{0,8}".prop_map(Reply::Simple),
        "[A-Z]{1,8} [ -~]{0,8}".prop_map(Reply::Error),
        (-1_000_000_000_000_i64..1_000_000_000_000).prop_map(Reply::Int),
        proptest::option::of(vec(any::<u8>(), 0..20)).prop_map(Reply::Bulk),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        proptest::option::weighted(0.9, vec(inner, 0..5)).prop_map(Reply::Array)
    })
}

fn write(reply: &Reply, out: &mut Vec<u8>) {
    let mut line = |kind: char, text: &str| out.extend(format!("{kind}{text}\r\n").bytes());
    match reply {
        Reply::Simple(text) => line('+', text),
        Reply::Error(text) => line('-', text),
        Reply::Int(number) => line(':', &number.to_string()),
        Reply::Bulk(None) => line('$', "-1"),
        Reply::Array(None) => line('*', "-1"),
        Reply::Bulk(Some(bytes)) => {
            line('$', &bytes.len().to_string());
            out.extend(bytes);
            out.extend(b"\r\n");
        }
        Reply::Array(Some(replies)) => {
            line('*', &replies.len().to_string());
            replies.iter().for_each(|reply| write(reply, out));
        }
    }
}

/// Reads what was written, value by value.
fn read(reply: &Reply, from: &mut Replies<'_>) -> Result<(), TestCaseError> {
    match reply {
        Reply::Simple(_) => prop_assert_eq!(from.done(), Ok(())),
        Reply::Error(words) => prop_assert_eq!(from.done(), Err(Unread::Error(words.clone()))),
        Reply::Int(number) => prop_assert_eq!(from.int(), Ok(*number)),
        Reply::Bulk(bytes) => prop_assert_eq!(from.bulk(), Ok(bytes.as_deref())),
        Reply::Array(None) => prop_assert_eq!(from.moved(), Ok(None)),
        Reply::Array(Some(replies)) => {
            prop_assert_eq!(from.array(), Ok(replies.len()));
            for reply in replies {
                read(reply, from)?;
            }
        }
    }
    Ok(())
}

/// As the harness of the promise tests does, which this crate cannot use.
fn for_seconds<S: Strategy>(strategy: &S, judge: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let seconds = std::env::var("GANDY_FUZZ_SECONDS").ok();
    let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(5.0);
    let config = Config {
        cases: 500,
        failure_persistence: None,
        ..Config::default()
    };
    let began = Instant::now();
    let mut inputs = 0_u64;
    while began.elapsed() < Duration::from_secs_f64(seconds) {
        // A runner counts its successes for good: a second run of it does nothing.
        if let Err(error) = TestRunner::new(config.clone()).run(strategy, &judge) {
            panic!("{error}");
        }
        inputs += 500;
    }
    println!("{inputs} inputs in {:?}", began.elapsed());
}

#[test]
fn every_reply_ends_where_it_ends_however_it_arrives() {
    let arriving = (vec(reply(), 1..5), vec(any::<Index>(), 0..6));
    for_seconds(&arriving, |(replies, cuts)| {
        let mut bytes = Vec::new();
        replies.iter().for_each(|reply| write(reply, &mut bytes));
        let end = bytes.len();
        bytes.extend(b"+the next\r\n");
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(end)).collect();
        cuts.sort_unstable();
        let mut frame = Frame::new(replies.len());
        for cut in cuts {
            prop_assert_eq!(frame.end(&bytes[..cut]), Ok(None));
        }
        prop_assert_eq!(frame.end(&bytes), Ok(Some(end)));
        let mut from = Replies::new(&bytes[..end]);
        for reply in &replies {
            read(reply, &mut from)?;
        }
        prop_assert_eq!(from.int(), Err(Unread::Shape), "nothing is left");
        Ok(())
    });
}

#[test]
fn no_bytes_panic_the_reader() {
    const PIECES: [&[u8]; 12] = [
        b"*",
        b"$",
        b":",
        b"+",
        b"-",
        b"\r\n",
        b"\r",
        b"0",
        b"-1",
        b"999999999999999999",
        b"3",
        b"abc",
    ];
    let piece = prop_oneof![
        select(&PIECES[..]).prop_map(<[u8]>::to_vec),
        vec(any::<u8>(), 0..4)
    ];
    let bytes = vec(piece, 0..40).prop_map(|pieces| pieces.concat());
    for_seconds(
        &(bytes, 1_usize..4, any::<Index>()),
        |(bytes, awaited, cut)| {
            let whole = Frame::new(awaited).end(&bytes);
            let mut frame = Frame::new(awaited);
            let first = frame.end(&bytes[..cut.index(bytes.len() + 1)]);
            // What came first may be wrong already; else the rest decides.
            let pieces = first.and_then(|end| match end {
                Some(end) => Ok(Some(end)),
                None => frame.end(&bytes),
            });
            prop_assert_eq!(&pieces, &whole);
            let end = match whole {
                Ok(Some(end)) => end,
                _ => bytes.len(),
            };
            prop_assert!(end <= bytes.len());
            let readers: [fn(&mut Replies<'_>) -> bool; 5] = [
                |replies| replies.int().is_ok(),
                |replies| replies.array().is_ok(),
                |replies| replies.bulk().is_ok(),
                |replies| replies.moved().is_ok(),
                |replies| replies.done().is_ok(),
            ];
            for reader in readers {
                let mut replies = Replies::new(&bytes[..end]);
                for _ in 0..50 {
                    reader(&mut replies);
                }
            }
            Ok(())
        },
    );
}

/// A server that announces more than memory has is refused or waited for; counts do not run over.
#[test]
fn counts_beyond_all_memory_are_refused() {
    let many = b"*999999999999999999\r\n".repeat(40);
    assert_eq!(Frame::new(1).end(&many), Err(Unread::Shape));
    let long = b"$999999999999999999\r\nabc";
    assert_eq!(Frame::new(1).end(long), Ok(None));
    assert_eq!(Replies::new(long).bulk(), Err(Unread::Shape));
}
