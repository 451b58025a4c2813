//! `gandy man`: the manual pages.

use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;

use crate::cli::{Cli, Common};
use crate::failure::Failure;
use crate::{output, words};

const EXAMPLES: &str = r#"EXAMPLES
  gandy man | man -l -                                 read the page of the command
  gandy man --dir ~/.local/share/man/man1              one page for each verb: man gandy-push

JSON
  none: these are manual pages

Exit codes and environment: gandy --help"#;

/// Print the manual page, or write one for each verb
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ManArgs {
    /// Write gandy.1 and a page for each verb into this folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: &ManArgs, common: &Common) -> Result<(), Failure> {
    if common.json {
        return Err(Failure::usage(
            "gandy man prints manual pages and has no --json",
        ));
    }
    let mut root = Cli::command();
    root.build();
    let Some(folder) = &args.dir else {
        let page = page(&root)?;
        return output::print(String::from_utf8_lossy(&page).trim_end());
    };
    std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
    let mut written = 0;
    let verbs = root
        .get_subcommands()
        .filter(|verb| verb.get_name() != "help");
    for command in std::iter::once(&root).chain(verbs) {
        let name = match command.get_name() {
            "gandy" => "gandy.1".to_owned(),
            verb => format!("gandy-{verb}.1"),
        };
        let path = folder.join(name);
        std::fs::write(&path, page(command)?).map_err(|error| unwritable(&path, &error))?;
        written += 1;
    }
    output::say(&format!(
        "{} written to {}",
        words::count(written, "page"),
        folder.display()
    ));
    Ok(())
}

fn page(command: &Command) -> Result<Vec<u8>, Failure> {
    // A page is named as `man` finds it.
    let name = match command.get_name() {
        "gandy" => "gandy".to_owned(),
        verb => format!("gandy-{verb}"),
    };
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").to_owned();
    let command = command.clone().name(name).override_usage(usage);
    let mut page = Vec::new();
    Man::new(command)
        .render(&mut page)
        .map_err(|error| Failure::bug(format!("the manual page could not be made: {error}")))?;
    Ok(page)
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::io(format!("{} cannot be written: {error}", path.display()))
}
