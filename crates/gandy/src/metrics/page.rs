//! The text format of Prometheus (version 0.0.4), family by family.

use std::fmt::Write;

use super::{MetricKind, metric};

/// A page of metrics that is being written.
///
/// ```
/// use gandy::metrics::Page;
///
/// let mut page = Page::default();
/// page.family("gandy_queue_size").sample(&[("queue", "mailers")], 2.0);
/// assert!(page.finish().ends_with("gandy_queue_size{queue=\"mailers\"} 2\n"));
/// ```
#[derive(Debug, Default)]
pub struct Page {
    text: String,
}

/// The samples of one name.
#[derive(Debug)]
pub struct Family<'a> {
    page: &'a mut Page,
    name: String,
}

impl Page {
    /// Begins a family; one of [`super::METRICS`] brings its type and its help, any other is untyped.
    pub fn family(&mut self, name: &str) -> Family<'_> {
        let row = metric(name);
        self.begin(name, row.map(|row| row.kind), row.map(|row| row.what))
    }

    /// Begins a family of this type.
    pub fn begin(
        &mut self,
        name: &str,
        kind: Option<MetricKind>,
        help: Option<&str>,
    ) -> Family<'_> {
        let name = plain_name(name);
        if let Some(help) = help {
            let help = help.replace('\\', "\\\\").replace('\n', "\\n");
            let _ = writeln!(self.text, "# HELP {name} {help}");
        }
        let kind = kind.map_or("untyped", MetricKind::word);
        let _ = writeln!(self.text, "# TYPE {name} {kind}");
        Family { page: self, name }
    }

    /// A family of one sample without labels.
    pub fn single(&mut self, name: &str, value: f64) {
        self.family(name).sample(&[], value);
    }

    /// The text.
    #[must_use]
    pub fn finish(self) -> String {
        self.text
    }
}

impl Family<'_> {
    /// One sample.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) -> &mut Self {
        self.line("", labels, None, value)
    }

    /// A histogram: how many were at or below each of `bounds`, how many there are, and their sum.
    pub fn histogram(
        &mut self,
        labels: &[(&str, &str)],
        bounds: &[f64],
        up_to: &[u64],
        count: u64,
        sum: f64,
    ) -> &mut Self {
        for (bound, up_to) in bounds.iter().zip(up_to) {
            let bound = number(*bound);
            self.line("_bucket", labels, Some(&bound), *up_to as f64);
        }
        self.line("_bucket", labels, Some("+Inf"), count as f64);
        self.line("_sum", labels, None, sum);
        self.line("_count", labels, None, count as f64)
    }

    fn line(
        &mut self,
        suffix: &str,
        labels: &[(&str, &str)],
        bound: Option<&str>,
        value: f64,
    ) -> &mut Self {
        let text = &mut self.page.text;
        text.push_str(&self.name);
        text.push_str(suffix);
        let bound = bound.map(|bound| ("le", bound));
        let mut labels = labels.iter().copied().chain(bound).peekable();
        if labels.peek().is_some() {
            text.push('{');
            let mut comma = "";
            for (name, value) in labels {
                let _ = write!(text, "{comma}{}=\"", plain_label(name));
                escape(value, text);
                text.push('"');
                comma = ",";
            }
            text.push('}');
        }
        text.push(' ');
        text.push_str(&number(value));
        text.push('\n');
        self
    }
}

/// As Prometheus reads numbers.
fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.into()
    } else {
        value.to_string()
    }
}

/// A name may hold letters, digits, `_` and `:`; others of the facade's habits (dots) become `_`.
fn plain_name(name: &str) -> String {
    plain(name, |char| char == '_' || char == ':')
}

fn plain_label(name: &str) -> String {
    plain(name, |char| char == '_')
}

fn plain(name: &str, also: impl Fn(char) -> bool) -> String {
    let mut plain = String::with_capacity(name.len());
    for char in name.chars() {
        let fine = char.is_ascii_alphanumeric() || also(char);
        if plain.is_empty() && char.is_ascii_digit() {
            plain.push('_');
        }
        plain.push(if fine { char } else { '_' });
    }
    if plain.is_empty() { "_".into() } else { plain }
}

/// A queue's name may hold anything that Redis takes; control characters would reach whoever looks at the page in a terminal.
fn escape(value: &str, into: &mut String) {
    for char in value.chars() {
        match char {
            '\\' => into.push_str("\\\\"),
            '"' => into.push_str("\\\""),
            '\n' => into.push_str("\\n"),
            char if char.is_control() => into.push('\u{fffd}'),
            char => into.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::METRICS;

    #[test]
    fn a_page_is_what_prometheus_reads() {
        let mut page = Page::default();
        page.single("gandy_up", 1.0);
        page.family("gandy_queue_size")
            .sample(&[("queue", "a\"b\\c\nd\u{1b}[2J")], 0.5)
            .sample(&[("queue", "ü")], f64::INFINITY);
        page.family("gandy_job_duration_seconds").histogram(
            &[("class", "A")],
            &[0.1, 1.0],
            &[1, 3],
            4,
            12.25,
        );
        let text = page.finish();
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            samples,
            [
                "gandy_up 1",
                "gandy_queue_size{queue=\"a\\\"b\\\\c\\nd\u{fffd}[2J\"} 0.5",
                "gandy_queue_size{queue=\"ü\"} +Inf",
                "gandy_job_duration_seconds_bucket{class=\"A\",le=\"0.1\"} 1",
                "gandy_job_duration_seconds_bucket{class=\"A\",le=\"1\"} 3",
                "gandy_job_duration_seconds_bucket{class=\"A\",le=\"+Inf\"} 4",
                "gandy_job_duration_seconds_sum{class=\"A\"} 12.25",
                "gandy_job_duration_seconds_count{class=\"A\"} 4",
            ]
        );
        assert!(text.contains("# TYPE gandy_job_duration_seconds histogram\n"));
    }

    #[test]
    fn foreign_names_become_ones_that_prometheus_takes() {
        assert_eq!(plain_name("http.requests-total"), "http_requests_total");
        assert_eq!(plain_name("5xx"), "_5xx");
        assert_eq!(plain_label("a:b"), "a_b");
    }

    #[test]
    fn the_table_keeps_prometheus_rules() {
        for row in METRICS {
            assert_eq!(plain_name(row.name), row.name);
            let counter = row.kind == MetricKind::Counter;
            assert_eq!(row.name.ends_with("_total"), counter, "{}", row.name);
            let same = METRICS.iter().filter(|other| other.name == row.name);
            assert_eq!(same.count(), 1, "{}", row.name);
        }
    }
}
