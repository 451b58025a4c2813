//! `gandy completions`: what a shell completes.

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::{Shell, generate};

use crate::cli::{Cli, Common};
use crate::failure::Failure;
use crate::output;

const EXAMPLES: &str = r#"EXAMPLES
  gandy completions bash > ~/.local/share/bash-completion/completions/gandy
  gandy completions zsh > "${fpath[1]}/_gandy"
  gandy completions fish > ~/.config/fish/completions/gandy.fish

JSON
  none: it is a script for a shell

Exit codes and environment: gandy --help"#;

/// Print what a shell completes: verbs, flags and their values
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// For this shell
    shell: For,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum For {
    Bash,
    Zsh,
    Fish,
}

pub(crate) fn run(args: &CompletionsArgs, common: &Common) -> Result<(), Failure> {
    if common.json {
        return Err(Failure::usage(
            "gandy completions prints a script and has no --json",
        ));
    }
    let shell = match args.shell {
        For::Bash => Shell::Bash,
        For::Zsh => Shell::Zsh,
        For::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "gandy", &mut script);
    output::print(String::from_utf8_lossy(&script).trim_end())
}
