//! The page of results: what stands between its marks is written from the JSON, the rest by people.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::plot;
use crate::row::Results;
use crate::{goals, table};

/// The page in the folder.
const PAGE: &str = "README.md";

/// Writes the plots into `folder` and the tables into its page.
pub(crate) fn record(folder: &Path, results: &Results) -> Result<()> {
    let mut content = format!(
        "{}\n\n`scripts/bench {}`\n\n",
        results.machine, results.command
    );
    content += &goals::table(results);
    for plot in plot::plots(results) {
        let path = folder.join(&plot.file);
        fs::write(&path, &plot.svg).with_context(|| format!("cannot write {}", path.display()))?;
        content += &format!("\n![{}]({})\n", plot.title, plot.file);
    }
    content += "\n";
    content += &table::tables(results);
    let path = folder.join(PAGE);
    let page =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let page =
        rewrite(&page, "results", &content).with_context(|| format!("in {}", path.display()))?;
    fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))
}

/// Puts `content` between the marks `<!-- NAME: begin -->` and `<!-- NAME: end -->`.
pub(crate) fn rewrite(page: &str, name: &str, content: &str) -> Result<String> {
    let (begin, end) = (
        format!("<!-- {name}: begin -->\n"),
        format!("<!-- {name}: end -->"),
    );
    let (before, rest) = page
        .split_once(&begin)
        .with_context(|| format!("there is no line {}", begin.trim()))?;
    let (_, after) = rest
        .split_once(&end)
        .with_context(|| format!("there is no line {end}"))?;
    Ok(format!(
        "{before}{begin}{}\n{end}{after}",
        content.trim_end()
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const WRITTEN: &str =
        "# Title\n<!-- results: begin -->\nold\nlines\n<!-- results: end -->\nprose\n";

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let page = rewrite(WRITTEN, "results", "new\n").unwrap();
        let expected = "# Title\n<!-- results: begin -->\nnew\n<!-- results: end -->\nprose\n";
        assert_eq!(page, expected);
        assert_eq!(rewrite(&page, "results", "new").unwrap(), expected);
    }

    #[test]
    fn a_page_without_marks_is_left_alone() {
        let error = rewrite("# Title\n", "results", "new").unwrap_err();
        assert!(error.to_string().contains("<!-- results: begin -->"));
        assert!(rewrite("<!-- results: begin -->\n", "results", "new").is_err());
    }
}
