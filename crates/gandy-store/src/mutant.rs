//! Gandy broken on purpose, in ways that others are or that a review might miss, so that the battery can show that it would
//! notice. Only in builds with the feature `mutants`, which nothing that is published asks for; one build has all of
//! them, and `GANDY_MUTANT` says which it is.

use std::sync::LazyLock;

/// What `GANDY_MUTANT` says.
static CHOSEN: LazyLock<String> =
    LazyLock::new(|| std::env::var("GANDY_MUTANT").unwrap_or_default());

/// Whether this process is that mutant.
#[must_use]
pub fn is(name: &str) -> bool {
    *CHOSEN == name
}

/// The lines of scripts that a mutant has otherwise: which mutant, which script, what stands there, what it has.
const SCRIPTS: &[(&str, &str, &str, &str)] = &[
    // A job exists nowhere but in the memory of who popped it, as with BRPOP.
    (
        "pop",
        "claim",
        "redis.call('HSET', inflight, unpack(entries))",
        "",
    ),
    (
        "pop",
        "land",
        "redis.call('HSET', KEYS[2], ARGV[2], item)",
        "",
    ),
    // Whoever comes late writes his retry all the same.
    (
        "unfenced-retry",
        "settle",
        "if redis.call('HEXISTS', inflight, token) == 1 then",
        "if true then",
    ),
    // The living are declared dead.
    (
        "reap-alive",
        "retire",
        "if lease and not (lease == ARGV[4] and run == ARGV[5]) then return -1 end",
        "",
    ),
    // A due job is popped by the script and pushed by the client, as Sidekiq's poller does.
    (
        "client-promote",
        "promote",
        "failure(redis.pcall('LPUSH', KEYS[4 + tonumber(queue)], unpack(payloads[queue])))",
        "false",
    ),
];

/// A script as this mutant has it.
pub(crate) fn script(name: &str, code: &'static str) -> &'static str {
    let mut mutated = code.to_owned();
    for (mutant, script, from, to) in SCRIPTS {
        if is(mutant) && *script == name {
            debug_assert!(mutated.contains(from), "{mutant} does not fit {name}.lua");
            mutated = mutated.replace(from, to);
        }
    }
    mutated.leak()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutation_fits_its_script() {
        for (mutant, script, from, _) in SCRIPTS {
            let found = crate::SCRIPTS.iter().find(|(name, _)| name == script);
            assert!(
                found.is_some_and(|(_, code)| code.contains(from)),
                "{mutant} does not fit {script}.lua"
            );
        }
    }
}
