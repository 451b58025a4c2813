//! `gandy doctor`: what is wrong here, and the repair of what a command can repair.

use std::io::{BufRead, IsTerminal, Write, stderr, stdin};

use clap::Args;
use gandy::doctor::{Code, Finding, Question, Report, Role, Severity};
use gandy::document::Findings;
use gandy::{Error, Kind, StoreError};

use crate::cli::Common;
use crate::failure::{Failure, exit};
use crate::printable::printable;
use crate::style::{self, Paint};
use crate::{document, output, words};

const EXAMPLES: &str = r#"EXAMPLES
  gandy doctor                                            look; nothing is changed
  gandy doctor --fix unlisted-queue --fix silent-process  repair these, after a question
  gandy doctor --fix duplicate-job --yes                  repair without one
  gandy doctor --role worker --user app                   may the user app do what workers do? (as an administrator)
  gandy doctor --json | jq -r '.findings[].code'

What it finds, and what each --fix does, is in docs/doctor.md. A repair looks again in each of its steps on the server: it
may be interrupted, repeated, and run while workers run.

JSON
  {"server":"Redis 7.0.15","user":"default","round_trip_us":120,"clock_ahead_ms":0,
   "findings":[{"code":"unlisted-queue","severity":"warning","count":1,"subjects":[{"name":"low","count":3}],
     "reason":"…","fix":"…","fixable":true,"would":"writes their names there"}],
   "unknown":[{"what":"…","why":"…"}],"fixed":[{"code":"unlisted-queue","done":1,"what":"…"}]}
  findings are those that are left after the repairs; severity is error, warning or note; of the subjects the first 20 are
  named; would is what --fix does, null where no command can; unknown is what this user may not look at, or what is more
  than one look reads

EXIT CODES
  0 nothing is wrong (notes are nothing wrong), 1 errors or warnings were found, and are left after --fix; the others and
  the environment: gandy --help"#;

/// Find what is wrong with Redis, the workers and the jobs, and repair it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DoctorArgs {
    /// Repair what has this code; may be given several times
    #[arg(long, value_name = "CODE", value_parser = fixable)]
    fix: Vec<Code>,

    /// Repair without asking
    #[arg(long, requires = "fix")]
    yes: bool,

    /// The role that the user of Redis has to fill: producer, worker, dashboard or operator
    #[arg(long, value_name = "ROLE")]
    role: Option<Role>,

    /// Look at the rights of this user of Redis, not of the connection's own
    #[arg(long, value_name = "USER")]
    user: Option<String>,

    /// Repair by the functions of gandy install-functions, where no script may be brought along
    #[arg(long, requires = "fix")]
    functions: bool,
}

fn fixable(word: &str) -> Result<Code, String> {
    let code: Code = word.parse()?;
    match code.row().fix {
        Some(_) => Ok(code),
        None => Err(format!("no command can repair that: {}", code.row().remedy)),
    }
}

/// The exit code.
pub(crate) async fn run(args: &DoctorArgs, common: &Common) -> Result<u8, Failure> {
    let asks = !args.fix.is_empty() && !args.yes;
    if asks && !stdin().is_terminal() {
        return Err(Failure::usage(
            "--fix asks before it changes anything, and there is no terminal to ask at; add --yes",
        ));
    }
    let doctor = common.doctor(args.functions)?;
    let question = Question {
        role: args.role,
        user: args.user.clone(),
    };
    let mut report = doctor.examine(&question).await?;
    let mut fixed = Vec::new();
    if !args.fix.is_empty() {
        if !common.json {
            show(&report)?;
        }
        for &code in &args.fix {
            if asks && !agreed(code, &report)? {
                continue;
            }
            let repair = doctor
                .fix(code)
                .await
                .map_err(|error| failed(code, error))?;
            if !common.json {
                output::print(&format!("{code}: {}", repair.what))?;
            }
            fixed.push(repair);
        }
        report = doctor.examine(&question).await?;
    }
    if common.json {
        document::print(&Findings::of(&report, &fixed))?;
    } else if args.fix.is_empty() {
        show(&report)?;
    } else {
        output::print(&format!("left: {}", summary(&report)))?;
    }
    Ok(if report.is_sound() { 0 } else { exit::FINDINGS })
}

/// A repair that did not end: some of its steps may have been made.
fn failed(code: Code, error: Error) -> Failure {
    let again = format!("{code} may be repaired in part; it is safe to repeat.");
    if error.kind() == Kind::Unknown {
        return Failure::unknown(printable(&error.to_string())).and(&again);
    }
    let denied = matches!(&error, Error::Store(store) if StoreError::is_denied(store));
    let failure = Failure::from(error).and(&again);
    if denied {
        return failure.and("The user of Redis may not do that; come as one who has a worker's rights, or as an administrator.");
    }
    failure
}

fn agreed(code: Code, report: &Report) -> Result<bool, Failure> {
    let Some(finding) = report.findings.iter().find(|finding| finding.code == code) else {
        output::note(&format!("{code} was not found"));
        return Ok(false);
    };
    let would = code.row().fix.unwrap_or_default();
    let mut err = stderr().lock();
    // A question that cannot be written is not answered with yes.
    let asked = write!(err, "{code} ({}): {would}. Repair? [y/N] ", finding.count);
    let mut answer = String::new();
    asked
        .and_then(|()| err.flush())
        .and_then(|()| stdin().lock().read_line(&mut answer))
        .map_err(|error| Failure::io(format!("no answer could be read: {error}")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// All findings, the gravest first, each group under its name.
fn show(report: &Report) -> Result<(), Failure> {
    let colour = style::of_stdout();
    let mut text = String::new();
    for (severity, name) in [
        (Severity::Error, "ERRORS"),
        (Severity::Warning, "WARNINGS"),
        (Severity::Note, "NOTES"),
    ] {
        let group = report.findings.iter();
        let group: Vec<&Finding> = group.filter(|found| found.severity == severity).collect();
        if !group.is_empty() {
            text += &format!("{}\n\n", paint(severity).on(name, colour));
        }
        for finding in group {
            text += &paragraph(finding, colour);
            text.push('\n');
        }
    }
    let verdict = summary(report);
    text += &match report.is_sound() {
        true => Paint::Green.on(&verdict, colour),
        false => Paint::Bold.on(&verdict, colour),
    };
    output::print(&text)?;
    for unknown in &report.unknown {
        output::note(&printable(&format!(
            "not looked at: {} ({})",
            unknown.what, unknown.why
        )));
    }
    Ok(())
}

fn paint(severity: Severity) -> Paint {
    match severity {
        Severity::Error => Paint::Red,
        Severity::Warning => Paint::Yellow,
        _ => Paint::Blue,
    }
}

/// One finding in some lines. Names come from Redis.
fn paragraph(finding: &Finding, colour: bool) -> String {
    let row = finding.code.row();
    let label = |word: &str| Paint::Faint.on(word, colour);
    let mut lines = vec![format!(
        "{} {}",
        paint(finding.severity).on(&finding.severity.to_string(), colour),
        Paint::Bold.on(&finding.code.to_string(), colour)
    )];
    let named = finding.subjects.iter();
    lines.extend(named.map(|subject| match subject.count {
        1 => format!("  {}", printable(&subject.name)),
        count => format!("  {} ({count})", printable(&subject.name)),
    }));
    let more = finding.count.saturating_sub(finding.subjects.len() as u64);
    if more > 0 && !finding.subjects.is_empty() {
        lines.push(format!("  and {more} more"));
    }
    lines.push(format!(
        "  {} {}",
        label("why:"),
        printable(&finding.reason)
    ));
    lines.push(format!("  {} {}", label("do:"), row.remedy));
    if let Some(fix) = row.fix {
        lines.push(format!("  --fix {}: {fix}", finding.code));
    }
    lines.join("\n") + "\n"
}

fn summary(report: &Report) -> String {
    let count = |severity: Severity, word: &str| {
        let found = report.findings.iter();
        let number = found.filter(|finding| finding.severity == severity).count();
        (number > 0).then(|| words::count(number as u64, word))
    };
    let counts = [
        count(Severity::Error, "error"),
        count(Severity::Warning, "warning"),
        count(Severity::Note, "note"),
    ];
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    if counts.is_empty() {
        return "nothing is wrong".to_owned();
    }
    counts.join(", ")
}
