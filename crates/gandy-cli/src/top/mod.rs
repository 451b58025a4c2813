//! `gandy top`: the full screen. What is shown and what a key does is a pure model; around it stand a terminal, a reader
//! of Redis and the loop that joins them.
//!
//! * `state`: the model, with `keys` (what a key means); `event`: what goes in and what comes out
//! * `tab`, `rows`, `rates`: pages, their lines, and the numbers that move; `sieve`: which lines a filter lets through
//! * `draw`: the model on a frame
//! * `source`: reads Redis, a page at a time; `acts`: what a key does there
//! * `terminal`: taken and given back whatever happens; `looping`: the loop

mod acts;
mod draw;
mod event;
mod keys;
mod looping;
mod rates;
mod rows;
#[cfg(test)]
mod scenes;
mod sieve;
mod source;
mod state;
mod tab;
mod terminal;

pub(crate) use draw::Look;
pub(crate) use looping::run;
