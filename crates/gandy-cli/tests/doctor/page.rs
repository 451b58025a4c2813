//! docs/doctor.md says of each code what the code says.

use std::path::Path;

use gandy::doctor::CODES;

const BEGIN: &str = "<!-- codes: begin -->\n";
const END: &str = "<!-- codes: end -->";

fn table() -> String {
    let mut table = String::from(
        "| Code | Severity | What is wrong | What to do | What `--fix` does |\n|---|---|---|---|---|\n",
    );
    for row in CODES {
        let fix = row.fix.unwrap_or("–");
        table += &format!(
            "| `{}` | {} | {} | {} | {fix} |\n",
            row.name, row.severity, row.means, row.remedy
        );
    }
    table
}

#[test]
fn the_page_lists_the_codes_that_there_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/doctor.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the mark before the table");
    let (listed, after) = rest.split_once(END).expect("the mark after the table");
    if std::env::var_os("GANDY_BLESS").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{}{END}{after}", table())).unwrap();
        return;
    }
    let bless = "run GANDY_BLESS=1 cargo test -p gandy-cli --test doctor the_page";
    assert_eq!(
        listed,
        table(),
        "\ndocs/doctor.md prints another table than gandy::doctor::CODES; {bless}"
    );
}
