//! What may be done to one job where it stands, each with the command that does the same from a shell.

use gandy::Place;
use gandy::views::Whereabouts;

use crate::state::Shared;

/// A button of a job's page.
pub(crate) struct Offer {
    pub(crate) act: &'static str,
    pub(crate) label: &'static str,
    pub(crate) danger: bool,
    pub(crate) confirm: &'static str,
    pub(crate) command: String,
}

/// How a shell names what this dashboard looks at, so that a command that is copied acts on the same Redis.
pub(crate) struct Shell {
    pub(crate) gandy: String,
    /// Empty: `redis-cli` takes no such URL.
    pub(crate) redis: String,
    /// In front of keys.
    pub(crate) prefix: String,
}

impl Shell {
    pub(crate) fn of(app: &Shared) -> Self {
        // In double quotes: whoever has a password exports it.
        let url = app.server.redacted_url().replace("***", "$REDIS_PASSWORD");
        let by_cli = ["redis://", "rediss://"]
            .iter()
            .any(|it| url.starts_with(it));
        let (namespace, prefix) = match app.namespace.as_str() {
            "" => (String::new(), String::new()),
            name => (format!(" --namespace '{name}'"), format!("{name}:")),
        };
        Self {
            redis: match by_cli {
                true => format!("redis-cli -u \"{url}\""),
                false => String::new(),
            },
            gandy: format!("gandy --redis \"{url}\"{namespace}"),
            prefix,
        }
    }
}

/// Those that its state allows.
pub(crate) fn offers(gandy: &str, whereabouts: &Whereabouts, jid: &str) -> Vec<Offer> {
    let offer = |act, label, danger, confirm| Offer {
        act,
        label,
        danger,
        confirm,
        command: format!("{gandy} {act} {jid}"),
    };
    let delete = offer("delete", "Delete", true, "Delete this job for good?");
    match whereabouts {
        Whereabouts::Queue { .. } => vec![offer("bury", "Bury", false, ""), delete],
        Whereabouts::Set {
            place: Place::Dead, ..
        } => vec![offer("retry", "Retry now", false, ""), delete],
        Whereabouts::Set {
            place: Place::Retry,
            ..
        } => {
            vec![
                offer("retry", "Retry now", false, ""),
                offer("bury", "Bury", false, ""),
                delete,
            ]
        }
        Whereabouts::Set { .. } => {
            vec![
                offer("retry", "Run now", false, ""),
                offer("bury", "Bury", false, ""),
                delete,
            ]
        }
        Whereabouts::InFlight { alive: true, .. } => {
            vec![offer(
                "cancel",
                "Cancel this run",
                true,
                "Tell this run to stop? A run that fails then is not retried.",
            )]
        }
        Whereabouts::InFlight { .. } | Whereabouts::Ruby { .. } => Vec::new(),
    }
}
