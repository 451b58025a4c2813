//! Who guesses at secrets is slowed down: of the requests that show one few are looked at at once, and a wrong one keeps its
//! place for a while. Not here: which secrets are right (`access`).
//!
//! Whoever has shown a right secret does not wait with the same one again, on that connection or with the pass that it was
//! given, so that guessing keeps nobody out who is in: behind a proxy all visitors have one address and few connections. What
//! has no pass, such as a script, has places apart when it comes from an address from which a right secret came. What there is
//! no room for is turned away before it is looked at: the answer says nothing of the secret.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

/// For so long a wrong secret keeps its place.
const KEPT: Duration = Duration::from_millis(500);
/// Looked at at once: 32 guesses a second.
const PLACES: usize = 16;
/// More than so many do not wait for a place.
const WAITING: usize = 256;

/// Addresses from which a right secret came that are remembered.
const FRIENDS: usize = 1_024;

/// The hash of a secret as it was shown.
pub(crate) type Shown = [u8; 32];

/// A connection of `gandy web`, in the extensions of its requests. A host application's connections are not known.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) address: SocketAddr,
    /// The right secret that was shown on it. Not merely that there was one: behind it another may be guessed, by whoever
    /// has a viewer's, or shares a proxy's connection.
    right: Mutex<Option<Shown>>,
}

impl Caller {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            right: Mutex::default(),
        }
    }

    fn has_shown(&self, shown: &Shown) -> bool {
        let right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        right.as_ref() == Some(shown)
    }

    fn remember(&self, shown: Shown) {
        *self.right.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
    }
}

/// See the module.
pub(crate) struct Gate {
    strangers: Lane,
    known: Lane,
    friends: Mutex<HashSet<IpAddr>>,
    /// Signs passes; drawn at start, so that a pass tells nothing of the secret that it goes with.
    key: [u8; 32],
}

/// Without the key.
impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Lane {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Default for Lane {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(PLACES)),
            waiting: AtomicUsize::new(0),
        }
    }
}

/// There is no room even to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl Gate {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self {
            strangers: Lane::default(),
            known: Lane::default(),
            friends: Mutex::default(),
            key,
        }
    }

    /// What a visitor keeps who has shown this secret and was let in. Good with the same secret alone.
    pub(crate) fn pass_for(&self, shown: &Shown) -> String {
        // Both have a fixed length: nothing can be put behind them.
        let signed = Sha256::new().chain_update(self.key).chain_update(shown);
        signed
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Whether a visitor has been let in with this secret before.
    pub(crate) fn is_pass_for(&self, pass: &str, shown: &Shown) -> bool {
        bool::from(pass.as_bytes().ct_eq(self.pass_for(shown).as_bytes()))
    }

    /// Looks at a secret when its turn has come; a wrong one is told of late. `look` also notes a wrong one: whoever hangs up
    /// meanwhile is not waited for.
    pub(crate) async fn enter<T, E>(
        &self,
        caller: Option<&Caller>,
        shown: Shown,
        pass: Option<&str>,
        look: impl FnOnce() -> Result<T, E>,
    ) -> Result<Result<T, E>, Full> {
        let has_passed = pass.is_some_and(|pass| self.is_pass_for(pass, &shown));
        if has_passed || caller.is_some_and(|caller| caller.has_shown(&shown)) {
            return Ok(look());
        }
        let friends = || self.friends.lock().unwrap_or_else(PoisonError::into_inner);
        let is_friend = caller.is_some_and(|caller| friends().contains(&caller.address.ip()));
        let lane = if is_friend {
            &self.known
        } else {
            &self.strangers
        };
        let waiting = Waiting::enter(&lane.waiting)?;
        // Never closed.
        let place = Arc::clone(&lane.places)
            .acquire_owned()
            .await
            .map_err(|_| Full)?;
        drop(waiting);
        let outcome = look();
        if outcome.is_err() {
            // Its own task keeps the place: this one ends when its client hangs up, and 1,638 guesses a second were looked at
            // by whoever did not stay for the answer.
            let kept = tokio::spawn(async move {
                tokio::time::sleep(KEPT).await;
                drop(place);
            });
            let _ = kept.await;
        } else if let Some(caller) = caller {
            caller.remember(shown);
            let mut friends = friends();
            if friends.len() >= FRIENDS {
                friends.clear();
            }
            friends.insert(caller.address.ip());
        }
        Ok(outcome)
    }
}

/// One of those that wait; also when its request is given up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Result<Self, Full> {
        let before = count.fetch_add(1, Ordering::Relaxed);
        let entered = Self(count);
        match before < WAITING {
            true => Ok(entered),
            false => Err(Full),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn caller(last: u8) -> Caller {
        Caller::new(SocketAddr::from(([10, 0, 0, last], 1)))
    }

    /// Guesses from an address; how many secrets were looked at counts in `looked`.
    fn guess(
        gate: &Arc<Gate>,
        looked: &Arc<AtomicUsize>,
        from: &Arc<Caller>,
        right: bool,
    ) -> tokio::task::JoinHandle<Result<Result<(), ()>, Full>> {
        let (gate, looked, from) = (Arc::clone(gate), Arc::clone(looked), Arc::clone(from));
        tokio::spawn(async move {
            let look = || {
                looked.fetch_add(1, Ordering::Relaxed);
                if right { Ok(()) } else { Err(()) }
            };
            gate.enter(Some(&from), [u8::from(right); 32], None, look)
                .await
        })
    }

    #[tokio::test(start_paused = true)]
    async fn wrong_secrets_are_looked_at_slowly_and_turned_away_unseen_when_there_are_too_many() {
        let (gate, looked) = (Arc::new(Gate::new([7; 32])), Arc::new(AtomicUsize::new(0)));
        let (bad, good) = (Arc::new(caller(1)), Arc::new(caller(2)));
        assert_eq!(
            guess(&gate, &looked, &good, true).await.unwrap(),
            Ok(Ok(()))
        );
        looked.store(0, Ordering::Relaxed);
        let begun = tokio::time::Instant::now();
        let guesses: Vec<_> = (0..1_000)
            .map(|_| guess(&gate, &looked, &bad, false))
            .collect();
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(looked.load(Ordering::Relaxed), PLACES);
        // A right one among them is not known from the others.
        assert_eq!(guess(&gate, &looked, &bad, true).await.unwrap(), Err(Full));
        // Who has been in comes in, on this connection and on another from there.
        for from in [Arc::clone(&good), Arc::new(caller(2))] {
            let begun = tokio::time::Instant::now();
            assert_eq!(
                guess(&gate, &looked, &from, true).await.unwrap(),
                Ok(Ok(()))
            );
            assert!(begun.elapsed() < Duration::from_millis(1));
        }
        let mut full = 0;
        for guess in guesses {
            full += usize::from(guess.await.unwrap() == Err(Full));
        }
        assert_eq!(full, 1_000 - PLACES - WAITING);
        let seen = looked.load(Ordering::Relaxed) as f64;
        assert!(seen / begun.elapsed().as_secs_f64() <= 34.0);
    }

    #[tokio::test(start_paused = true)]
    async fn one_right_secret_is_no_leave_to_guess_at_another() {
        let (gate, looked) = (Arc::new(Gate::new([7; 32])), Arc::new(AtomicUsize::new(0)));
        let viewer = Arc::new(caller(1));
        guess(&gate, &looked, &viewer, true)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        let begun = tokio::time::Instant::now();
        assert_eq!(
            guess(&gate, &looked, &viewer, false).await.unwrap(),
            Ok(Err(()))
        );
        assert!(begun.elapsed() >= KEPT);
    }
    #[tokio::test(start_paused = true)]
    async fn who_hangs_up_does_not_guess_faster() {
        let (gate, looked) = (Arc::new(Gate::new([7; 32])), Arc::new(AtomicUsize::new(0)));
        let bad = Arc::new(caller(1));
        let begun = tokio::time::Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            let guess = guess(&gate, &looked, &bad, false);
            tokio::time::sleep(Duration::from_millis(6)).await;
            guess.abort();
        }
        let seen = looked.load(Ordering::Relaxed);
        assert!((200..=340).contains(&seen), "{seen} guesses in ten seconds");
    }

    /// Behind a proxy nobody has an address or a connection of their own.
    #[tokio::test(start_paused = true)]
    async fn a_pass_leads_past_those_who_guess_and_is_good_with_its_secret_alone() {
        let (gate, looked) = (Arc::new(Gate::new([7; 32])), Arc::new(AtomicUsize::new(0)));
        let proxy = Arc::new(caller(1));
        guess(&gate, &looked, &proxy, true)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        let pass = gate.pass_for(&[1; 32]);
        for _ in 0..1_000 {
            drop(guess(&gate, &looked, &proxy, false));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        let new = Caller::new(SocketAddr::from(([10, 0, 0, 1], 2)));
        let enter = async |shown: Shown, pass: Option<&str>| {
            gate.enter(Some(&new), shown, pass, || Ok::<_, ()>(()))
                .await
        };
        assert_eq!(enter([1; 32], Some(&pass)).await, Ok(Ok(())));
        assert_eq!(enter([2; 32], Some(&pass)).await, Err(Full));
        assert_eq!(enter([1; 32], None).await, Err(Full));
        assert!(!Gate::new([8; 32]).is_pass_for(&pass, &[1; 32]));
    }
}
