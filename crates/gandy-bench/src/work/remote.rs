//! All of it again with Redis far away: through a proxy that adds 1 ms each way.

use super::{Scope, Work, drain, pickup, push};
use crate::case::Case;
use crate::contender::{Contender, Kind};
use crate::server::Persistence;

/// What the proxy adds to a round trip.
const RTT_MS: u64 = 2;

/// The other works' cases, far away.
pub(crate) const PROXY: Work = Work {
    name: "proxy",
    cases,
};

fn cases(who: &Contender, scope: &Scope) -> Vec<Case> {
    let scope = Scope {
        persistence: vec![Persistence::None],
        ..scope.clone()
    };
    let mut cases: Vec<Case> = Vec::new();
    let mut slots = vec![who.nearest(10), who.nearest(100)];
    slots.dedup();
    cases.extend(slots.into_iter().map(drain::noop));
    cases.extend((drain::SLEEP10.cases)(who, &scope));
    for work in [push::PUSH, push::PUSH64, push::BULK, pickup::PICKUP] {
        cases.extend((work.cases)(who, &scope));
    }
    // A raw connection adds nothing to what the multiplexed one shows here.
    cases.retain(|case| !(who.kind == Kind::Floor && case.setting == "raw"));
    for case in &mut cases {
        case.rtt_ms = RTT_MS;
    }
    cases
}
