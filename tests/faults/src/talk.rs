//! One connection's requests and replies in their order: which reply answers which request. Pure.

use std::{collections::VecDeque, sync::Arc};

use crate::{Deed, name::ends_pairs};

/// What one request is called: its name first, and for an `EXEC` the names of what it runs.
pub(crate) type Called = Arc<[Arc<str>]>;

/// A request whose reply has not come.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub(crate) called: Called,
    /// What is to be done to its reply.
    pub(crate) deed: Option<Deed>,
}

/// What is under way on one connection.
#[derive(Debug, Default)]
pub(crate) struct Talk {
    awaited: VecDeque<Exchange>,
    /// Commands queued since `MULTI`.
    queued: Option<Vec<Arc<str>>>,
    /// A request came after which replies answer nothing any more.
    unpaired: bool,
}

impl Talk {
    /// What a request with this name is called here.
    pub(crate) fn call(&mut self, name: Arc<str>) -> Called {
        let Some(mut inside) = self.queued.take() else {
            if &*name == "MULTI" {
                self.queued = Some(Vec::new());
            }
            return [name].into();
        };
        match &*name {
            "EXEC" => std::iter::once(name).chain(inside).collect(),
            "DISCARD" | "RESET" => [name].into(),
            // Answered at once within MULTI too: by an error.
            "MULTI" | "WATCH" => {
                self.queued = Some(inside);
                [name].into()
            }
            _ => {
                inside.push(name);
                self.queued = Some(inside);
                ["QUEUED".into()].into()
            }
        }
    }

    /// Notes a request that goes to the server.
    pub(crate) fn asked(&mut self, exchange: Exchange) {
        self.unpaired |= exchange.called.iter().any(|name| ends_pairs(name));
        self.awaited.push_back(exchange);
    }

    /// Whether requests need not be read any more.
    pub(crate) fn is_unpaired(&self) -> bool {
        self.unpaired
    }

    /// Whether what the server sends now answers nothing any more.
    pub(crate) fn is_over(&self) -> bool {
        let front = self.awaited.front();
        front.is_some_and(|first| first.called.iter().any(|name| ends_pairs(name)))
    }

    /// The request that the next reply answers. `None`: nothing was asked, as when a server that has too many clients says
    /// so by itself.
    pub(crate) fn answered(&mut self) -> Option<Exchange> {
        self.awaited.pop_front()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ask(talk: &mut Talk, name: &str) -> String {
        let called = talk.call(name.into());
        let exchange = Exchange {
            called: Arc::clone(&called),
            deed: None,
        };
        talk.asked(exchange);
        called.join(" ")
    }

    #[test]
    fn within_multi_the_outcome_comes_with_exec() {
        let mut talk = Talk::default();
        let asked = ["GET", "MULTI", "HSET", "INCRBY", "EXEC", "GET"];
        let called = asked.map(|name| ask(&mut talk, name));
        let expected = [
            "GET",
            "MULTI",
            "QUEUED",
            "QUEUED",
            "EXEC HSET INCRBY",
            "GET",
        ];
        assert_eq!(called, expected);
        let answered = expected.map(|_| talk.answered().unwrap().called.join(" "));
        assert_eq!(answered, expected);
        assert!(talk.answered().is_none());
    }

    #[test]
    fn a_discarded_transaction_runs_nothing() {
        let mut talk = Talk::default();
        let called = ["MULTI", "SET", "DISCARD", "EXEC"].map(|name| ask(&mut talk, name));
        assert_eq!(called, ["MULTI", "QUEUED", "DISCARD", "EXEC"]);
    }

    #[test]
    fn after_a_subscription_replies_answer_nothing() {
        let mut talk = Talk::default();
        ask(&mut talk, "PING");
        ask(&mut talk, "SUBSCRIBE");
        assert!(talk.is_unpaired());
        assert!(!talk.is_over(), "the reply to PING is still to come");
        talk.answered();
        assert!(talk.is_over());
    }
}
