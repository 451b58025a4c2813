//! Which metrics and labels an expression of Prometheus names.

use std::collections::BTreeSet;

/// A metric as an expression names it, with the labels that its braces ask for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) metric: String,
    pub(crate) labels: BTreeSet<String>,
}

fn is_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

/// The words before `=`, `!`, or a comma of what stands in braces.
fn labels(braces: &str) -> BTreeSet<String> {
    let (mut labels, mut word, mut quoted) = (BTreeSet::new(), String::new(), false);
    for char in braces.chars() {
        match char {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '=' | '!' => {
                if !word.is_empty() {
                    labels.insert(std::mem::take(&mut word));
                }
            }
            _ if is_word(char) => word.push(char),
            _ => word.clear(),
        }
    }
    labels
}

/// Every metric of ours, and of every process, in `text`.
pub(crate) fn named(text: &str) -> Vec<Named> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_word) {
        let word = &rest[start..];
        let end = word.find(|char| !is_word(char)).unwrap_or(word.len());
        let (name, after) = word.split_at(end);
        rest = after;
        if !(name.starts_with("gandy_") || name.starts_with("process_")) {
            continue;
        }
        let braces = after
            .strip_prefix('{')
            .and_then(|braces| braces.split_once('}'));
        found.push(Named {
            metric: name.to_owned(),
            labels: braces.map(|(braces, _)| labels(braces)).unwrap_or_default(),
        });
    }
    found
}

#[test]
fn metrics_and_labels_are_found() {
    let found = named(
        r#"sum by (le) (rate(gandy_a_bucket{queue=~"x=y,z", set!="b"}[5m])) / up{job="q"} + process_b"#,
    );
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0].metric, "gandy_a_bucket");
    let labels: Vec<&str> = found[0].labels.iter().map(String::as_str).collect();
    assert_eq!(labels, ["queue", "set"]);
    assert_eq!(found[1].metric, "process_b");
}
