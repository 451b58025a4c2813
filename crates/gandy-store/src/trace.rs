//! What a server tells of a process' connections: whoever is killed leaves none behind, long before its lease is over.
//!
//! A connection that is gone is a suspicion only (I8): processes live whose connections were cut. So each process names
//! all its connections alike, and is suspect once none of that name is left. Where `CLIENT` is denied, and behind what
//! answers for many, nothing is seen, and the lease alone decides.

use std::{collections::HashSet, fmt};

use crate::{Line, StoreError};

/// How the connections of a process are known to its server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Trace {
    /// The id of the connection that renews the lease. No server gives one twice, until it restarts.
    pub id: u64,
    /// The name of all of them.
    pub name: String,
}

impl Trace {
    /// Reads what [`fmt::Display`] wrote.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (id, name) = text.split_once(' ')?;
        let id = id.parse().ok()?;
        let name = name.to_owned();
        Some(Self { id, name })
    }

    /// The one that a line of `CLIENT LIST` tells of.
    fn of_line(line: &str) -> Option<Self> {
        let told = |key: &str| {
            let field = |word: &'_ str| word.strip_prefix(key).map(str::to_owned);
            line.split(' ').find_map(field)
        };
        Some(Self {
            id: told("id=")?.parse().ok()?,
            name: told("name=")?,
        })
    }
}

/// As a lease holds it.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.name)
    }
}

impl Line {
    /// Names this line's connection, and says how others see it. `None`: they cannot, because the line's server was given
    /// no name, `CLIENT` is denied, or the connection is not ours alone.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub async fn trace(&self) -> Result<Option<Trace>, StoreError> {
        let Some(name) = self.server().name() else {
            return Ok(None);
        };
        let mut name_it = redis::cmd("CLIENT");
        name_it.arg("SETNAME").arg(name);
        let mut ask = redis::cmd("CLIENT");
        ask.arg("ID");
        let asked = async {
            self.query::<()>(&name_it).await?;
            // Behind what shares connections among its clients, two questions may come from two of them.
            let ids: [u64; 2] = [self.query(&ask).await?, self.query(&ask).await?];
            Ok((ids[0] == ids[1]).then_some(ids[0]))
        };
        let id = unless_denied(asked.await)?.flatten();
        let name = name.to_owned();
        Ok(id.map(|id| Trace { id, name }))
    }

    /// Which of these connections are gone; none, unless the server tells of `own`, too.
    ///
    /// # Errors
    /// Any; a read.
    pub async fn gone(&self, own: &Trace, traces: &[Trace]) -> Result<HashSet<u64>, StoreError> {
        let mut list = redis::cmd("CLIENT");
        list.arg("LIST").arg("ID").arg(own.id);
        for trace in traces {
            list.arg(trace.id);
        }
        let Some(told) = self.told(&list).await? else {
            return Ok(HashSet::new());
        };
        if !told.contains(own) {
            return Ok(HashSet::new());
        }
        let there: HashSet<u64> = told.iter().map(|trace| trace.id).collect();
        let ids = traces.iter().map(|trace| trace.id);
        Ok(ids.filter(|id| !there.contains(id)).collect())
    }

    /// The names of all connections, if the server tells of `own`, too. It costs the server a microsecond or two for
    /// each, so first ask which are [`Line::gone`].
    ///
    /// # Errors
    /// Any; a read.
    pub async fn connected(&self, own: &Trace) -> Result<Option<HashSet<String>>, StoreError> {
        let mut list = redis::cmd("CLIENT");
        list.arg("LIST").arg("TYPE").arg("normal");
        let told = self.told(&list).await?;
        let told = told.filter(|told| told.contains(own));
        Ok(told.map(|told| told.into_iter().map(|trace| trace.name).collect()))
    }

    async fn told(&self, list: &redis::Cmd) -> Result<Option<Vec<Trace>>, StoreError> {
        let lines = unless_denied(self.query::<String>(list).await)?;
        Ok(lines.map(|lines| lines.lines().filter_map(Trace::of_line).collect()))
    }
}

/// What a server or something before it does not let us do, we do without.
fn unless_denied<T>(outcome: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_trace_is_read_as_it_is_written_and_as_the_server_tells_it() {
        let trace = Trace {
            id: 17,
            name: "web-1:42:a4dc4b6ef2be".into(),
        };
        assert_eq!(Trace::parse(&trace.to_string()), Some(trace.clone()));
        let line = "id=17 addr=127.0.0.1:1 laddr=127.0.0.1:2 fd=8 name=web-1:42:a4dc4b6ef2be age=3 user=default \
                    lib-name=gandy resp=3";
        assert_eq!(Trace::of_line(line), Some(trace));
        for other in ["", "1", "-", "x y", "1x y"] {
            assert_eq!(Trace::parse(other), None, "{other:?}");
        }
        let nameless = Trace::of_line("id=3 addr=a name= age=1").unwrap();
        assert_eq!(nameless.name, "");
    }
}
