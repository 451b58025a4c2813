//! Drawings made here, as numbers for SVG: a page reads whole without a script.

/// A line and the area under it, in a box of 100 by 28.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Spark {
    /// `points` of a `polyline`; empty: there is nothing to draw.
    pub(crate) line: String,
    /// `points` of a `polygon`.
    pub(crate) area: String,
}

const WIDTH: f64 = 100.0;
const HEIGHT: f64 = 28.0;

impl Spark {
    /// From 0 at the bottom to the largest value. One value alone is no line.
    pub(crate) fn new(values: &[f64]) -> Self {
        Self::among(values, values)
    }

    /// By the measure of other values that stand in the same box.
    pub(crate) fn among(values: &[f64], others: &[f64]) -> Self {
        if values.len() < 2 {
            return Self::default();
        }
        let all = values.iter().chain(others).copied();
        let top = all.fold(0.0, f64::max).max(1e-9);
        let step = WIDTH / (values.len() - 1) as f64;
        let points: Vec<String> = values
            .iter()
            .enumerate()
            .map(|(at, value)| {
                let high = HEIGHT - 1.0 - value.max(0.0) / top * (HEIGHT - 3.0);
                format!("{:.1},{high:.1}", at as f64 * step)
            })
            .collect();
        let line = points.join(" ");
        Self {
            area: format!("0,{HEIGHT} {line} {WIDTH},{HEIGHT}"),
            line,
        }
    }

    pub(crate) fn of(values: &[u64]) -> Self {
        let values: Vec<f64> = values.iter().map(|value| *value as f64).collect();
        Self::new(&values)
    }
}

/// A bar of a chart of days.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bar {
    pub(crate) x: String,
    pub(crate) width: String,
    pub(crate) y: String,
    pub(crate) height: String,
    /// The part of it that failed, from below.
    pub(crate) bad_y: String,
    pub(crate) bad_height: String,
    pub(crate) label: String,
    /// What is noted there: deploys.
    pub(crate) marks: Vec<String>,
    /// The middle, for a mark.
    pub(crate) middle: String,
}

/// The chart's height, of which bars take all at most.
pub(crate) const BARS_HEIGHT: f64 = 120.0;
pub(crate) const BARS_WIDTH: f64 = 720.0;

/// Value, part of it that failed, label and marks of each bar, from left to right.
pub(crate) fn bars(values: &[(u64, u64, String, Vec<String>)]) -> Vec<Bar> {
    let top = values
        .iter()
        .map(|(all, ..)| *all)
        .max()
        .unwrap_or(0)
        .max(1) as f64;
    let step = BARS_WIDTH / values.len().max(1) as f64;
    let gap = (step * 0.22).min(4.0);
    let room = BARS_HEIGHT - 8.0;
    let of = |(at, (all, bad, label, marks)): (usize, &(u64, u64, String, Vec<String>))| {
        let height = match *all {
            0 => 0.0,
            all => (all as f64 / top * room).max(1.5),
        };
        let bad_height = match (*bad).min(*all) {
            0 => 0.0,
            bad => (bad as f64 / top * room).max(1.5),
        };
        let x = at as f64 * step + gap / 2.0;
        Bar {
            x: format!("{x:.2}"),
            width: format!("{:.2}", (step - gap).max(0.5)),
            y: format!("{:.2}", BARS_HEIGHT - height),
            height: format!("{height:.2}"),
            bad_y: format!("{:.2}", BARS_HEIGHT - bad_height),
            bad_height: format!("{bad_height:.2}"),
            label: label.clone(),
            marks: marks.clone(),
            middle: format!("{:.2}", x + (step - gap) / 2.0),
        }
    };
    values.iter().enumerate().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fills_its_box_and_nothing_is_no_line() {
        let spark = Spark::of(&[0, 5, 10]);
        assert_eq!(spark.line, "0.0,27.0 50.0,14.5 100.0,2.0");
        assert!(spark.area.starts_with("0,28 ") && spark.area.ends_with(" 100,28"));
        assert_eq!(
            Spark::among(&[5.0, 0.0], &[10.0]).line,
            "0.0,14.5 100.0,27.0"
        );
        assert_eq!(Spark::of(&[7]), Spark::default());
        assert_eq!(Spark::of(&[0, 0]).line, "0.0,27.0 100.0,27.0");
    }

    #[test]
    fn a_bar_is_as_high_as_its_value_and_what_is_small_is_seen() {
        let bars = bars(&[(1000, 1, "a".into(), vec![]), (0, 0, "b".into(), vec![])]);
        assert_eq!((&*bars[0].height, &*bars[0].bad_height), ("112.00", "1.50"));
        assert_eq!(&*bars[1].height, "0.00");
    }
}
