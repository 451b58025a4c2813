//! The pages of the screen.

use gandy::Place;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tab {
    Overview,
    Queues,
    Busy,
    Retries,
    Scheduled,
    Dead,
    Processes,
    Metrics,
}

impl Tab {
    pub(crate) const ALL: [Tab; 8] = [
        Tab::Overview,
        Tab::Queues,
        Tab::Busy,
        Tab::Retries,
        Tab::Scheduled,
        Tab::Dead,
        Tab::Processes,
        Tab::Metrics,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Tab::Overview => "Overview",
            Tab::Queues => "Queues",
            Tab::Busy => "Busy",
            Tab::Retries => "Retries",
            Tab::Scheduled => "Scheduled",
            Tab::Dead => "Dead",
            Tab::Processes => "Processes",
            Tab::Metrics => "Metrics",
        }
    }

    /// The tab so many places further, round and round.
    pub(crate) fn step(self, by: usize) -> Tab {
        let here = Tab::ALL.iter().position(|tab| *tab == self).unwrap_or(0);
        Tab::ALL[(here + by) % Tab::ALL.len()]
    }

    /// The set whose jobs it shows.
    pub(crate) fn place(self) -> Option<Place> {
        match self {
            Tab::Retries => Some(Place::Retry),
            Tab::Scheduled => Some(Place::Schedule),
            Tab::Dead => Some(Place::Dead),
            _ => None,
        }
    }
}
