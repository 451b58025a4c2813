//! The crew with Gandy's mutants in it; `GANDY_MUTANT` chooses one, empty: none.

#[path = "crew.rs"]
mod crew;

fn main() {
    crew::main();
}
