//! Results as bars: each contender at its best setting, one SVG for each work and condition. Readable on light and dark
//! ground; logarithmic where a factor of 100 lies between.

use std::fmt::Write as _;

use crate::row::{Results, Row};
use crate::table::{Group, number};

/// Above this factor between the shortest bar and the longest, the axis is logarithmic.
const LOG_FROM: f64 = 100.0;
const LABEL: f64 = 190.0;
const BARS: f64 = 400.0;
const LINE: f64 = 26.0;
const TOP: f64 = 52.0;

/// One plot.
#[derive(Debug)]
pub(crate) struct Plot {
    /// Its file's name.
    pub(crate) file: String,
    /// What it shows.
    pub(crate) title: String,
    /// The file.
    pub(crate) svg: String,
}

/// The plots of all works that more than one contender took part in.
pub(crate) fn plots(results: &Results) -> Vec<Plot> {
    let mut plots = Vec::new();
    for group in Group::all(results) {
        let bars = best(&group.rows(results));
        let contenders = bars.iter().filter(|bar| bar.kind != "floor").count();
        if contenders > 1 {
            let title = format!("{}, {}", group.title(), bars[0].unit);
            plots.push(Plot {
                file: format!("{}.svg", group.name()),
                svg: svg(&title, &bars),
                title,
            });
        }
    }
    plots
}

/// Less is better where time is measured.
pub(crate) fn less_is_better(row: &Row) -> bool {
    ["ms", "MB", "%"]
        .iter()
        .any(|unit| row.unit.starts_with(unit))
}

/// The best row of each contender, the best contender first.
pub(crate) fn best<'a>(rows: &[&'a Row]) -> Vec<&'a Row> {
    let mut best: Vec<&Row> = Vec::new();
    for &row in rows.iter().filter(|row| row.median.is_some()) {
        match best.iter_mut().find(|one| one.contender == row.contender) {
            None => best.push(row),
            Some(known) => {
                if better(row, known) {
                    *known = row;
                }
            }
        }
    }
    best.sort_by(|a, b| {
        let order = a.median.unwrap_or(0.0).total_cmp(&b.median.unwrap_or(0.0));
        if less_is_better(a) {
            order
        } else {
            order.reverse()
        }
    });
    best
}

fn better(row: &Row, than: &Row) -> bool {
    if less_is_better(row) {
        row.median < than.median
    } else {
        row.median > than.median
    }
}

fn svg(title: &str, bars: &[&Row]) -> String {
    let values = || bars.iter().filter_map(|bar| bar.median);
    let most = bars.iter().filter_map(|bar| bar.max).fold(0.0, f64::max);
    let least = values().fold(f64::INFINITY, f64::min);
    let logarithmic = least > 0.0 && most / least > LOG_FROM;
    // The shortest bar of a logarithmic axis is still to be seen.
    let floor = 10_f64.powf(least.max(1e-9).log10().floor());
    let length = |value: f64| {
        let share = if logarithmic {
            (value.max(floor) / floor).log10() / (most / floor).log10()
        } else {
            value / most.max(1e-9)
        };
        share.clamp(0.0, 1.0) * BARS
    };
    let height = TOP + LINE * bars.len() as f64 + 10.0;
    let width = LABEL + BARS + 130.0;
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">
<title>{title}</title>
<style>
text {{ font: 13px system-ui, sans-serif; fill: #1f2328 }}
.small {{ font-size: 11px; fill: #59636e }}
.gandy {{ fill: #0969da }} .floor {{ fill: #8c959f }} .peer {{ fill: #bf8700 }}
line {{ stroke: #1f2328 }}
@media (prefers-color-scheme: dark) {{
text {{ fill: #e6edf3 }} .small {{ fill: #9198a1 }}
.gandy {{ fill: #4493f8 }} .floor {{ fill: #656c76 }} .peer {{ fill: #d29922 }}
line {{ stroke: #e6edf3 }}
}}
</style>
<text x="8" y="20" font-weight="600">{title}</text>
<text x="8" y="38" class="small">{}median; the thin line is min to max; each at its best setting</text>
"#,
        if logarithmic { "logarithmic; " } else { "" },
        title = escape(title),
    );
    for (at, bar) in bars.iter().enumerate() {
        svg += &one(bar, TOP + LINE * at as f64, &length);
    }
    svg + "</svg>\n"
}

fn one(bar: &Row, y: f64, length: &dyn Fn(f64) -> f64) -> String {
    let mut name = match bar.contender.as_str() {
        "floor" => "bare protocol".to_owned(),
        "gandy" => "Gandy".to_owned(),
        // Without the versions in brackets: the table has them.
        _ => bar.version.split(" (").next().unwrap_or("").to_owned(),
    };
    if let Some(slots) = bar.conditions.concurrency {
        let _ = write!(name, ", {slots} slots");
    }
    let median = bar.median.unwrap_or(0.0);
    let (from, to) = (
        length(bar.min.unwrap_or(median)),
        length(bar.max.unwrap_or(median)),
    );
    let middle = y + 9.0;
    format!(
        r#"<text x="{}" y="{}" text-anchor="end">{}</text>
<rect class="{}" x="{LABEL}" y="{y}" width="{:.1}" height="18" rx="2"/>
<line x1="{:.1}" y1="{middle}" x2="{:.1}" y2="{middle}"/>
<text x="{:.1}" y="{}">{}</text>
"#,
        LABEL - 8.0,
        y + 14.0,
        escape(&name),
        bar.kind,
        length(median).max(1.0),
        LABEL + from,
        LABEL + to,
        LABEL + to.max(length(median)) + 6.0,
        y + 14.0,
        number(median),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::case::{Case, Sample};
    use crate::contender::Contender;

    fn row(contender: &str, slots: usize, value: f64) -> Row {
        let case = Case {
            concurrency: Some(slots),
            ..Case::new("drain", |_, _| Ok(Sample::default()))
        };
        let sample = Sample {
            value,
            ..Sample::default()
        };
        Row {
            contender: contender.into(),
            version: format!("{contender} <1> (runtime 2)"),
            ..Row::new(&Contender::gandy().unwrap(), &case, &[sample])
        }
    }

    fn results(rows: Vec<Row>) -> Results {
        Results {
            machine: String::new(),
            command: String::new(),
            rows,
        }
    }

    #[test]
    fn each_contender_has_one_bar_and_it_is_its_best() {
        let rows = [
            row("slow", 10, 5.0),
            row("fast", 10, 70.0),
            row("fast", 100, 90.0),
        ];
        let rows: Vec<&Row> = rows.iter().collect();
        let best: Vec<_> = best(&rows).iter().map(|row| row.median).collect();
        assert_eq!(best, [Some(90.0), Some(5.0)]);
    }

    #[test]
    fn the_axis_is_logarithmic_when_a_factor_of_100_lies_between() {
        let near = plots(&results(vec![row("a", 1, 10.0), row("b", 1, 500.0)]));
        assert!(!near[0].svg.contains("logarithmic"));
        let far = plots(&results(vec![row("a", 1, 10.0), row("b", 1, 5_000.0)]));
        assert!(far[0].svg.contains("logarithmic"));
        assert!(far[0].svg.contains("b &lt;1&gt;, 1 slots"));
        assert!(far[0].svg.contains("prefers-color-scheme: dark"));
        assert_eq!(far[0].file, "drain.svg");
    }

    #[test]
    fn a_work_of_one_contender_has_no_plot() {
        assert!(plots(&results(vec![row("a", 1, 10.0), row("a", 2, 11.0)])).is_empty());
    }
}
