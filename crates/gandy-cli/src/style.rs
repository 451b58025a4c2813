//! Colour: only on a terminal that shows it, unless the environment says otherwise.

use std::ffi::OsString;
use std::io::{IsTerminal, stderr, stdout};

/// Whether standard output gets colour.
pub(crate) fn of_stdout() -> bool {
    Wishes::of_process().grant(stdout().is_terminal())
}

/// Whether standard error gets colour.
pub(crate) fn of_stderr() -> bool {
    Wishes::of_process().grant(stderr().is_terminal())
}

/// What the environment says: `NO_COLOR` (no-color.org), `CLICOLOR_FORCE` (bixense.com/clicolors) and `TERM`.
#[derive(Debug, Default)]
struct Wishes {
    no_color: bool,
    force: bool,
    dumb: bool,
}

impl Wishes {
    fn of_process() -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            no_color: variable("NO_COLOR").is_some(),
            force: variable("CLICOLOR_FORCE").is_some_and(|value: OsString| value != "0"),
            dumb: variable("TERM").is_some_and(|value| value == "dumb"),
        }
    }

    /// Who wants no colour gets none, whatever somebody else forces.
    fn grant(&self, is_terminal: bool) -> bool {
        !self.no_color && (self.force || (is_terminal && !self.dumb))
    }
}

/// A colour, as terminals have them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Paint {
    Red,
    Yellow,
    Blue,
    Green,
    Bold,
    Faint,
}

impl Paint {
    /// The text in this colour, or as it is.
    pub(crate) fn on(self, text: &str, colour: bool) -> String {
        if !colour {
            return text.to_owned();
        }
        let code = match self {
            Paint::Red => "1;31",
            Paint::Yellow => "1;33",
            Paint::Blue => "1;34",
            Paint::Green => "1;32",
            Paint::Bold => "1",
            Paint::Faint => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_comes_before_force_and_force_before_the_terminal() {
        let wishes = |no_color, force, dumb| Wishes {
            no_color,
            force,
            dumb,
        };
        for (wishes, terminal, pipe) in [
            (wishes(false, false, false), true, false),
            (wishes(true, false, false), false, false),
            (wishes(false, true, false), true, true),
            (wishes(true, true, false), false, false),
            (wishes(false, false, true), false, false),
            (wishes(false, true, true), true, true),
        ] {
            assert_eq!(wishes.grant(true), terminal, "{wishes:?}");
            assert_eq!(wishes.grant(false), pipe, "{wishes:?}");
        }
        assert_eq!(Paint::Red.on("x", false), "x");
        assert_eq!(Paint::Bold.on("x", true), "\u{1b}[1mx\u{1b}[0m");
    }
}
