//! Which jobs are meant, and in what manner: the flags of all verbs that act.

use clap::Args;
use gandy::{Filter, Place};

use super::pace::{Rate, rate};
use crate::failure::Failure;
use crate::{place, words};

/// Which jobs.
#[derive(Debug, Args)]
pub(crate) struct Chosen {
    /// These jobs, wherever they wait, or in --from
    #[arg(value_name = "JID", conflicts_with_all = ["filter", "all", "rate"])]
    jids: Vec<String>,

    /// The jobs of this queue or set
    #[arg(long, value_name = place::WORDS, value_parser = place::parse)]
    from: Option<Place>,

    /// Those that fit, such as 'class:Mailer* error:Timeout age>1h'
    #[arg(long, value_name = "FILTER", requires = "from", allow_hyphen_values = true, value_parser = words::filter)]
    filter: Option<Filter>,

    /// All of them
    #[arg(long, requires = "from", conflicts_with = "filter")]
    all: bool,

    #[command(flatten)]
    pub(crate) manner: Manner,
}

/// How.
#[derive(Debug, Args)]
pub(crate) struct Manner {
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,

    /// Only say how many jobs that would be
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,

    /// So many jobs a second at most, such as 50/s or 600/m
    #[arg(long, value_name = "N/s", value_parser = rate)]
    pub(crate) rate: Option<Rate>,

    /// By the functions of gandy install-functions, where no script may be brought along
    #[arg(long)]
    pub(crate) functions: bool,
}

/// The same, read.
pub(crate) enum Of<'a> {
    Jobs(&'a [String], Option<&'a Place>),
    All(&'a Place, Option<&'a Filter>),
}

impl Chosen {
    pub(crate) fn of(&self) -> Result<Of<'_>, Failure> {
        match (&self.from, &self.filter, self.all) {
            (from, _, _) if !self.jids.is_empty() => Ok(Of::Jobs(&self.jids, from.as_ref())),
            (Some(from), Some(filter), _) => Ok(Of::All(from, Some(filter))),
            (Some(from), None, true) => Ok(Of::All(from, None)),
            (Some(from), None, false) => Err(Failure::usage(format!(
                "which jobs of {} are meant? Name them: JID…, --filter 'class:Mailer*', or --all",
                place::name(from)
            ))),
            (None, _, _) => Err(Failure::usage(
                "which jobs are meant? Name them: JID…, or a set by --from with --filter or --all",
            )),
        }
    }
}
