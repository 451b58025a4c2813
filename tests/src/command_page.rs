//! The page of each command, made from what clap knows of it, so that it cannot say anything else than `--help`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use clap::{Arg, Command};

/// Where the pages stand.
const FOLDER: &str = "docs/commands";

/// Holds docs/commands to the command line `root`, each verb on a page of its own; with `GANDY_BLESS` set writes them.
/// `index` is the file of the root's page, `bless` what a person runs to write them.
///
/// # Panics
/// When a page says something else, is missing, or is of a verb that is no more.
#[track_caller]
pub fn hold_pages(root: Command, index: &str, bless: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(FOLDER);
    let pages = pages(root, index);
    if std::env::var_os("GANDY_BLESS").is_some() {
        std::fs::create_dir_all(&folder).expect("the folder of the pages");
        for (name, text) in &pages {
            std::fs::write(folder.join(name), text).expect("a page");
        }
        return;
    }
    let again = format!("run GANDY_BLESS=1 {bless}");
    for (name, text) in &pages {
        let page = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert_eq!(
            &page, text,
            "\n{FOLDER}/{name} is not what clap says; {again}"
        );
    }
    // Only the index of all knows which pages there may be.
    if index != "README.md" {
        return;
    }
    for entry in std::fs::read_dir(&folder).expect("the folder of the pages") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_string_lossy();
        let known = pages.contains_key(name.as_ref()) || name.starts_with("gandy-worker");
        assert!(known, "{FOLDER}/{name} is of no command; remove it");
    }
}

fn pages(mut root: Command, index: &str) -> BTreeMap<String, String> {
    root.build();
    let verbs: Vec<&Command> = root
        .get_subcommands()
        .filter(|verb| verb.get_name() != "help" && !verb.is_hide_set())
        .collect();
    let mut front = page(&root, root.get_name(), true);
    if !verbs.is_empty() {
        let mut list = String::from("## Commands\n\n| Command | What it does |\n|---|---|\n");
        for verb in &verbs {
            let name = format!("{}-{}", root.get_name(), verb.get_name());
            let _ = writeln!(
                list,
                "| [`{} {}`]({name}.md) | {} |",
                root.get_name(),
                verb.get_name(),
                cell(&about(verb))
            );
        }
        if index == "README.md" {
            list += "| [`gandy-worker`](gandy-worker.md) | The worker without Rust code |\n";
        }
        front = front.replacen("## Options", &format!("{list}\n## Options"), 1);
    }
    let mut pages = BTreeMap::from([(index.to_owned(), front)]);
    for verb in verbs {
        let title = format!("{} {}", root.get_name(), verb.get_name());
        pages.insert(
            format!("{}.md", title.replace(' ', "-")),
            page(verb, &title, false),
        );
    }
    pages
}

fn page(command: &Command, title: &str, whole: bool) -> String {
    let mut page =
        format!("<!-- Made from the command line by a test; do not edit. -->\n# `{title}`\n\n");
    let _ = writeln!(page, "{}.\n", about(command).trim_end_matches('.'));
    let usage = command.clone().render_usage().to_string();
    let _ = writeln!(page, "```text\n{}\n```\n", usage.trim_end());
    let shown = |arg: &&Arg| !arg.is_hide_set() && (whole || !arg.is_global_set());
    let own = |arg: &&Arg| !matches!(arg.get_id().as_str(), "help" | "version");
    let positionals: Vec<&Arg> = command.get_positionals().filter(shown).collect();
    let options: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| !arg.is_positional())
        .filter(shown)
        .filter(own)
        .collect();
    for (heading, args) in [("Arguments", positionals), ("Options", options)] {
        if !args.is_empty() {
            let _ = writeln!(page, "## {heading}\n\n| | |\n|---|---|");
            for arg in args {
                let _ = writeln!(page, "| `{}` | {} |", cell(&name(arg)), cell(&help(arg)));
            }
            page.push('\n');
        }
    }
    if !whole {
        page += "Options of every command, the environment and the exit codes are on [the command's page](README.md).\n\n";
    }
    if let Some(more) = command.get_after_help() {
        let _ = writeln!(
            page,
            "## More\n\n```text\n{}\n```",
            more.to_string().trim_end()
        );
    }
    page.trim_end().to_owned() + "\n"
}

fn about(command: &Command) -> String {
    command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// `-q, --queue <Q>`.
fn name(arg: &Arg) -> String {
    match arg.get_short() {
        Some(short) if arg.get_long().is_some() => format!("-{short}, {arg}"),
        _ => arg.to_string(),
    }
}

fn help(arg: &Arg) -> String {
    let mut help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    if !arg.get_action().takes_values() {
        return help;
    }
    let defaults: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy())
        .collect();
    if !defaults.is_empty() {
        let _ = write!(help, " [default: {}]", defaults.join(" "));
    }
    let values = arg.get_possible_values();
    if !values.is_empty() {
        let values: Vec<_> = values.iter().map(|value| value.get_name()).collect();
        let _ = write!(help, " [possible values: {}]", values.join(", "));
    }
    help
}

/// A bar would end the cell, and `<` begin a tag.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
