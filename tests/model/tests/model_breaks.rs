//! Without one of its rules the protocol breaks: the shortest way there, for each.

use gandy_model::{Budget, Kind, Rules, Scene, Search, Trace, explore};

/// The shortest way to this promise broken.
fn breaks(scene: &Scene, kind: Kind) -> Trace {
    let search = Search {
        states_max: 3_000_000,
        drain_every: 1,
        quiet: true,
        only: Some(kind),
        symmetric: false,
    };
    let report = explore(scene, &search);
    println!("{report}");
    let Some(trace) = report.broken else {
        panic!(
            "{}: {kind:?} is not broken in {} states",
            scene.name, report.states
        );
    };
    println!("{trace}");
    assert_eq!(trace.breach.kind, kind);
    // The same scene with the rule holds, so it is the rule that is missing.
    let whole = Scene {
        rules: Rules::ALL,
        ..*scene
    };
    let search = Search {
        drain_every: 50,
        quiet: false,
        only: None,
        symmetric: true,
        ..search
    };
    let report = explore(&whole, &search);
    println!("{report}");
    if let Some(trace) = report.broken {
        panic!("{trace}");
    }
    trace
}

fn scene(name: &'static str, rules: Rules, budget: Budget) -> Scene {
    Scene {
        rules,
        ..Scene::small(name, 1).with(budget)
    }
}

#[test]
fn without_the_token_fence_it_breaks() {
    let rules = Rules {
        fence: false,
        ..Rules::ALL
    };
    let budget = Budget {
        losses: 1,
        fails: 1,
        ..Budget::default()
    };
    breaks(
        &scene("without the token fence", rules, budget),
        Kind::Doubled,
    );
}

#[test]
fn without_the_token_fence_a_zombie_makes_a_job_run_again_and_again() {
    let rules = Rules {
        fence: false,
        ..Rules::ALL
    };
    let budget = Budget {
        freezes: 1,
        fails: 1,
        ..Budget::default()
    };
    breaks(
        &scene("without the token fence, frozen", rules, budget),
        Kind::TooManyRuns,
    );
}

#[test]
fn without_the_life_check_inside_the_claim_it_breaks() {
    let rules = Rules {
        life_check: false,
        ..Rules::ALL
    };
    let budget = Budget {
        crashes: 1,
        ..Budget::default()
    };
    breaks(
        &scene("without the life check in the claim", rules, budget),
        Kind::OutOfSight,
    );
}

#[test]
fn without_continuous_adoption_of_strays_it_breaks() {
    let rules = Rules {
        adoption: false,
        ..Rules::ALL
    };
    let budget = Budget {
        losses: 1,
        ..Budget::default()
    };
    breaks(
        &scene("without continuous adoption", rules, budget),
        Kind::Stuck,
    );
}

#[test]
fn without_tokens_drawn_by_the_process_it_breaks() {
    let rules = Rules {
        own_tokens: false,
        ..Rules::ALL
    };
    let budget = Budget {
        failovers: 1,
        ..Budget::default()
    };
    let scene = Scene {
        jobs: 2,
        slots: 2,
        pushes: true,
        ..scene("without tokens of the process' own", rules, budget)
    };
    breaks(&scene, Kind::Lost);
}

#[test]
fn without_a_second_look_at_death_it_breaks() {
    let rules = Rules {
        look_again: false,
        reap_guard: false,
        ..Rules::ALL
    };
    let budget = Budget {
        lapses: 1,
        ..Budget::default()
    };
    breaks(
        &scene("without looking at death again", rules, budget),
        Kind::TooManyRuns,
    );
}

/// Of the two places where death is looked at again, the lease is what these promises need. The other look, in each step
/// of reaping, is a second belt: tokens never come back, so a late reap finds nothing of a life that goes on, unless Redis
/// fails over, and then the job was in flight at a lost lease anyway. Where this test fails, the belt has work to do.
#[test]
fn without_the_look_of_each_reap_step_alone_nothing_breaks() {
    let rules = Rules {
        reap_guard: false,
        ..Rules::ALL
    };
    let none = Budget {
        failovers: 1,
        ..Budget::default()
    };
    let budgets = [
        Budget { crashes: 1, ..none },
        Budget { lapses: 1, ..none },
        Budget { freezes: 1, ..none },
        Budget { losses: 1, ..none },
        Budget {
            failovers: 2,
            ..none
        },
    ];
    for budget in budgets {
        let scene = scene("without the guard of reaping", rules, budget);
        let report = explore(&scene, &Search::default());
        println!("{report}");
        if let Some(trace) = report.broken {
            panic!("{trace}");
        }
        assert!(!report.cut);
    }
}

#[test]
fn with_landing_lists_that_belong_to_a_process_it_breaks() {
    let rules = Rules {
        ownerless_landing: false,
        ..Rules::ALL
    };
    let budget = Budget {
        crashes: 1,
        ..Budget::default()
    };
    let scene = Scene {
        bells: true,
        ..scene("landing lists with an owner", rules, budget)
    };
    breaks(&scene, Kind::OutOfSight);
}

#[test]
fn without_the_keeping_write_first_it_breaks() {
    let rules = Rules {
        keep_first: false,
        ..Rules::ALL
    };
    let budget = Budget {
        halves: 1,
        ..Budget::default()
    };
    breaks(&scene("removing before keeping", rules, budget), Kind::Lost);
}

/// A worker that was declared dead and does not know it finds a job among what it holds which a failover put back there.
#[test]
fn without_a_stop_of_claims_without_a_lease_it_breaks() {
    let rules = Rules {
        lease_gate: false,
        ..Rules::ALL
    };
    let budget = Budget {
        lapses: 1,
        failovers: 1,
        ..Budget::default()
    };
    breaks(
        &scene("claims go on without a lease", rules, budget),
        Kind::TooManyRuns,
    );
}

/// A return whose reply was lost may still run. If memory has forgotten the job by then, it takes it in as a stray, and the
/// job runs here and elsewhere.
#[test]
fn without_remembering_what_goes_back_a_job_runs_twice() {
    let rules = Rules {
        remembers: false,
        ..Rules::ALL
    };
    let budget = Budget {
        losses: 1,
        ..Budget::default()
    };
    let scene = Scene {
        stalls: true,
        ..scene("what goes back is forgotten", rules, budget)
    };
    breaks(&scene, Kind::TooManyRuns);
}
