//! Endings whose write was not acknowledged yet, and the writing of those that are not plain successes.

use gandy_store::{Exit, Line, Outcome, StoreError, Token};

use super::{capsule::Ending, core::Core, life::Life, recovery};

/// Endings written in one command at most.
const WRITE_MAX: usize = 200;
/// Exits are written in commands of about this many bytes: many large jobs that fail together must not make one that
/// takes longer than its deadline, again and again.
const WRITE_BYTES_MAX: usize = 4 << 20;

/// What waits to be written.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) done: Vec<Token>,
    pub(crate) exits: Vec<(Token, Exit)>,
    pub(crate) returns: Vec<Token>,
    /// A write of these was sent before and its reply lost: "gone" then means unknown, not fenced (I4).
    pub(crate) repeated: bool,
}

impl Batch {
    pub(crate) fn len(&self) -> usize {
        self.done.len() + self.exits.len() + self.returns.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn add(&mut self, ending: Ending) {
        match ending {
            Ending::Done(job) => self.done.push(job.token.clone()),
            Ending::Exit(job, exit) => self.exits.push((job.token.clone(), exit)),
            Ending::Return(job) => self.returns.push(job.token.clone()),
        }
    }

    /// How many are no plain successes: those are written apart.
    pub(crate) fn writes(&self) -> usize {
        self.exits.len() + self.returns.len()
    }

    /// Splits them off, to be written while cycles go on.
    pub(crate) fn split_writes(&mut self) -> Self {
        Self {
            done: Vec::new(),
            exits: std::mem::take(&mut self.exits),
            returns: std::mem::take(&mut self.returns),
            repeated: self.repeated,
        }
    }

    /// Takes back what could not be written.
    pub(crate) fn rejoin(&mut self, mut rest: Self) {
        rest.exits.append(&mut self.exits);
        rest.returns.append(&mut self.returns);
        self.repeated |= rest.repeated && rest.writes() > 0;
        (self.exits, self.returns) = (rest.exits, rest.returns);
    }

    /// Writes exits and returns; what cannot be written must not keep the other from it, and stays.
    pub(crate) async fn write(
        &mut self,
        core: &Core,
        life: &Life,
        line: &Line,
    ) -> Result<(), StoreError> {
        let exits = self.write_exits(core, life, line).await;
        let returns = self.write_returns(core, life, line).await;
        if self.is_empty() {
            self.repeated = false;
        }
        exits.and(returns)
    }

    async fn write_exits(
        &mut self,
        core: &Core,
        life: &Life,
        line: &Line,
    ) -> Result<(), StoreError> {
        let mut stuck = Vec::new();
        let mut error = None;
        while !self.exits.is_empty() && error.is_none() {
            error = self
                .write_some_exits(core, life, line, &mut stuck)
                .await
                .err();
        }
        self.exits.append(&mut stuck);
        if let Some(error) = error {
            return Err(error);
        }
        if self.exits.is_empty() {
            return Ok(());
        }
        let keys = line.keys();
        Err(StoreError::Refused {
            server: line.server().address().to_owned(),
            cause: format!(
                "{} failed jobs cannot be written: {}, {} or {} is not a sorted set",
                self.exits.len(),
                keys.retry(),
                keys.schedule(),
                keys.dead()
            ),
        })
    }

    /// Writes the first exits, as many as make one command of bounded size.
    async fn write_some_exits(
        &mut self,
        core: &Core,
        life: &Life,
        line: &Line,
        stuck: &mut Vec<(Token, Exit)>,
    ) -> Result<(), StoreError> {
        let mut bytes = 0;
        let fits = self.exits.iter().take(WRITE_MAX).take_while(|(_, exit)| {
            let fits = bytes < WRITE_BYTES_MAX;
            bytes += exit.size();
            fits
        });
        let count = fits.count();
        let written = line
            .settle(&life.identity, core.config.grave(), &self.exits[..count])
            .await;
        let outcomes = match written {
            Ok(outcomes) => outcomes,
            Err(error) => {
                self.repeated |= matches!(error, StoreError::Unknown { .. });
                return Err(error);
            }
        };
        for ((token, exit), outcome) in self.exits.drain(..count).zip(outcomes) {
            match outcome {
                Outcome::Done => life.forget([&token]),
                Outcome::Gone => {
                    core.stats.missing(1, self.repeated);
                    life.forget([&token]);
                }
                Outcome::Stuck => stuck.push((token, exit)),
            }
        }
        Ok(())
    }

    async fn write_returns(
        &mut self,
        core: &Core,
        life: &Life,
        line: &Line,
    ) -> Result<(), StoreError> {
        if self.returns.is_empty() {
            return Ok(());
        }
        recovery::give_back_living(core, line, life, self.returns.clone()).await?;
        self.returns.clear();
        Ok(())
    }
}
