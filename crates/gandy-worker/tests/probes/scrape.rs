//! Asks over HTTP, and reads a page of metrics as strictly as Prometheus does.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::{BTreeMap, HashSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Status and body; 0 where nobody answers.
pub fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return (0, String::new());
    };
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let _ = write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    (status.unwrap_or(0), body.to_owned())
}

pub fn status(address: SocketAddr, path: &str) -> u16 {
    get(address, path).0
}

/// A page: values by name with sorted labels, as `name{a="b"}`. Panics where Prometheus would refuse the page: a sample
/// without a type, a type twice, a series twice, a broken label, a bucket that shrinks.
pub fn read(page: &str) -> BTreeMap<String, f64> {
    assert!(page.ends_with('\n'), "the last line has no end");
    let mut types = BTreeMap::new();
    let mut closed = HashSet::new();
    let mut open = String::new();
    let mut samples = BTreeMap::new();
    let mut last_bucket = (String::new(), 0.0);
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(types.insert(name.to_owned(), kind).is_none(), "{line}");
            assert!(closed.insert(name.to_owned()), "{name} in two places");
            open = name.to_owned();
            continue;
        }
        if line.starts_with("# HELP ") {
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let value: f64 = value.replace("Inf", "inf").parse().unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let fine = |char: char| char.is_ascii_alphanumeric() || char == '_';
        assert!(name.chars().all(fine), "{line}");
        let family = match types[&open] {
            "histogram" => ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|suffix| name.strip_suffix(suffix))
                .unwrap(),
            _ => name,
        };
        assert_eq!(family, open, "a sample apart from its family: {line}");
        let labels = labels_of(labels.strip_suffix('}').unwrap());
        if name.ends_with("_bucket") && types[&open] == "histogram" {
            let group = labels.iter().filter(|(name, _)| name != "le");
            let group = format!("{:?}", group.collect::<Vec<_>>());
            assert!(last_bucket.0 != group || last_bucket.1 <= value, "{line}");
            last_bucket = (group, value);
        }
        let labels: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect();
        let series = match labels.is_empty() {
            true => name.to_owned(),
            false => format!("{name}{{{}}}", labels.join(",")),
        };
        assert!(samples.insert(series, value).is_none(), "twice: {line}");
    }
    samples
}

/// Sorted by name.
fn labels_of(text: &str) -> Vec<(String, String)> {
    let mut labels = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, value) = rest.split_once("=\"").unwrap();
        let mut read = String::new();
        let mut chars = value.char_indices();
        let end = loop {
            match chars.next().expect("a label without its end") {
                (at, '"') => break at,
                (_, '\\') => read.push(match chars.next().unwrap().1 {
                    'n' => '\n',
                    char @ ('\\' | '"') => char,
                    other => panic!("escape {other:?}"),
                }),
                (_, char) => read.push(char),
            }
        };
        labels.push((name.to_owned(), read));
        rest = value[end + 1..].trim_start_matches(',');
    }
    labels.sort();
    labels
}

/// Prometheus' own reader, where it is installed.
pub fn promtool(page: &str) {
    let child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("SKIPPED: promtool is not installed");
        return;
    };
    child
        .stdin
        .take()
        .unwrap()
        .write_all(page.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool: {words}\n{page}");
}
