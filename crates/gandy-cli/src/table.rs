//! Tables for people: as wide as the terminal and no wider, one line a row; plain columns where there is no terminal.

use std::io::IsTerminal;

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Row, Table, TableStyle,
};

use crate::printable::printable;

/// More characters than this no cell has: arguments can be megabytes. `--json` has all of them.
const CELL_MAX: usize = 200;

/// Between columns.
const GAP: usize = 2;

/// A column of text narrower than this says nothing, so that others make way.
const TEXT_MIN: usize = 16;

/// How a column behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text, cut where the terminal ends.
    Text,
    /// Text, left out where the terminal is too narrow for all; the rightmost such column goes first.
    Spare,
    /// Text that is of no use when cut, such as a jid.
    Whole,
    /// A number, to the right and whole.
    Number,
}

/// A table's columns: title and kind.
pub(crate) type Columns<'a> = &'a [(&'a str, Kind)];

/// What the table is shown on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Screen {
    /// A terminal with so many columns.
    Terminal(u16),
    /// A file or a pipe.
    Plain,
}

impl Screen {
    /// What standard output is.
    pub(crate) fn of_stdout() -> Self {
        if !std::io::stdout().is_terminal() {
            return Self::Plain;
        }
        let size = console::Term::stdout().size_checked();
        Self::Terminal(size.map_or(80, |(_, width)| width).max(20))
    }
}

/// Draws a table. Every cell may come from Redis, so every cell is made printable here.
pub(crate) fn draw(
    columns: Columns<'_>,
    rows: impl IntoIterator<Item = Vec<String>>,
    screen: Screen,
) -> String {
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|cells| cells.iter().map(|cell| cut(cell)).collect())
        .collect();
    let mut table = Table::new();
    let mut style = TableStyle::new();
    // Cells are cut at any character and not between words. None of them holds this one.
    table.set_delimiter('\0');
    table.set_header(line(columns.iter().map(|(title, _)| *title)));
    for cells in &rows {
        table.add_row(line(cells));
    }
    let last = columns.len().saturating_sub(1);
    let mut gap = GAP;
    if let Screen::Terminal(width) = screen {
        style = style.header_separator(LineStyle::none().fill('-').junction('-'));
        // Such a style has one space between columns by itself.
        gap -= 1;
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width);
        let constraints = constraints(columns, &rows, usize::from(width));
        for (column, constraint) in table.column_iter_mut().zip(constraints) {
            constraint.map(|constraint| column.set_constraint(constraint));
        }
    }
    table.load_style(style);
    for (index, (column, (_, kind))) in table.column_iter_mut().zip(columns).enumerate() {
        column.set_padding((0, if index == last { 0 } else { gap as u16 }));
        if *kind == Kind::Number {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

fn line<T: ToString>(cells: impl IntoIterator<Item = T>) -> Row {
    let mut row = Row::from(cells.into_iter().collect::<Vec<_>>());
    row.max_height(1);
    row
}

/// Which columns keep their whole width in a terminal of this width, and which are not shown at all.
fn constraints(
    columns: Columns<'_>,
    rows: &[Vec<String>],
    width: usize,
) -> Vec<Option<ColumnConstraint>> {
    let widths = widths(columns, rows);
    let is_whole = |index: usize| matches!(columns[index].1, Kind::Whole | Kind::Number);
    let least = |index: usize| match is_whole(index) {
        true => widths[index] + GAP,
        false => widths[index].min(TEXT_MIN) + GAP,
    };
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    let mut constraints = vec![None; columns.len()];
    while shown.iter().map(|index| least(*index)).sum::<usize>() > width + GAP {
        let spare = shown
            .iter()
            .rposition(|index| columns[*index].1 == Kind::Spare);
        let Some(spare) = spare else { break };
        constraints[shown.remove(spare)] = Some(ColumnConstraint::Hidden);
    }
    // Anybody's jid or identity may be any text, and a terminal may be tiny: whole is what leaves the others a little.
    let little = |index: usize| widths[index].min(TEXT_MIN / 2) + GAP;
    let mut left = (width + GAP).saturating_sub(shown.iter().map(|index| little(*index)).sum());
    for index in shown.into_iter().filter(|index| is_whole(*index)) {
        let more = least(index) - little(index);
        if more <= left {
            left -= more;
            constraints[index] = Some(ColumnConstraint::ContentWidth);
        }
    }
    constraints
}

/// The widest cell of each column, its title included.
fn widths(columns: Columns<'_>, rows: &[Vec<String>]) -> Vec<usize> {
    let widest = |index: usize| {
        let cells = rows.iter().filter_map(|cells| cells.get(index));
        cells.map(|cell| console::measure_text_width(cell)).max()
    };
    let titles = columns.iter().map(|(title, _)| title.len()).enumerate();
    titles
        .map(|(index, title)| title.max(widest(index).unwrap_or(0)))
        .collect()
}

fn cut(cell: &str) -> String {
    // Escapes are longer than what they stand for, so the cut comes after them; the first one only bounds the work.
    let shown = printable(&cell.chars().take(CELL_MAX + 1).collect::<String>());
    if shown.chars().count() <= CELL_MAX {
        return shown;
    }
    let mut short: String = shown.chars().take(CELL_MAX - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: Columns<'static> = &[
        ("JID", Kind::Whole),
        ("SIZE", Kind::Number),
        ("ARGS", Kind::Text),
    ];
    const JID: &str = "b5de70b63090decd6440fd9e";

    fn rows(args: &str) -> Vec<Vec<String>> {
        vec![
            vec![JID.into(), "7".into(), args.into()],
            vec!["x".into(), "1234".into(), "[]".into()],
        ]
    }

    #[test]
    fn a_row_is_one_line_that_fits_the_terminal_and_jids_stay_whole() {
        let args = "[1,\"two words\",\"".to_owned() + &"日本 語".repeat(100) + "\"]";
        for width in [40, 60, 80, 200] {
            let drawn = draw(COLUMNS, rows(&args), Screen::Terminal(width));
            assert_eq!(drawn.lines().count(), 4, "{drawn}");
            for line in drawn.lines() {
                assert!(
                    console::measure_text_width(line) <= usize::from(width),
                    "{width}: {line}"
                );
            }
            assert!(drawn.contains(JID), "{drawn}");
        }
    }

    #[test]
    fn without_a_terminal_it_is_plain_columns() {
        assert_eq!(
            draw(COLUMNS, rows("[1]"), Screen::Plain),
            "JID                       SIZE  ARGS\n\
             b5de70b63090decd6440fd9e     7  [1]\n\
             x                         1234  []"
        );
    }

    #[test]
    fn hostile_cells_are_escaped_and_bounded() {
        for hostile in [
            "a\u{1b}[31m\nb".to_owned(),
            "\u{1b}".repeat(1_000_000),
            "x".repeat(1_000_000),
        ] {
            let drawn = draw(COLUMNS, rows(&hostile), Screen::Plain);
            assert_eq!(drawn.lines().count(), 3);
            assert!(drawn.len() < 1000 && !drawn.contains('\u{1b}'), "{drawn}");
        }
        draw(
            COLUMNS,
            vec![vec!["\u{1b}".repeat(1_000); 3]; 2],
            Screen::Terminal(20),
        );
    }
}
