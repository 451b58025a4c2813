//! What a server tells of a process' connections: whoever is killed leaves none behind, long before its lease is over.
//!
//! A connection that is gone is a suspicion only (I8): processes live whose connections were cut. So each process names
//! all its connections alike, and is suspect once none of that name is left. Where `CLIENT` is denied, and behind what
//! answers for many, nothing is seen, and the lease alone decides.

use std::{collections::HashSet, fmt};

use crate::{Line, StoreError, check::info_field};

/// How the connections of a process are known to its server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Trace {
    /// The id of the connection that renews the lease.
    pub id: u64,
    /// The name of all of them.
    pub name: String,
    /// The run of the server that gave the id. The next one gives the same ids to others, and a replica that takes over
    /// has never seen these connections.
    pub run: String,
}

impl Trace {
    /// Reads what [`fmt::Display`] wrote.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let (id, name, run) = (words.next()?, words.next()?, words.next()?);
        Some(Self {
            id: id.parse().ok()?,
            name: name.to_owned(),
            run: run.to_owned(),
        })
    }

    fn is(&self, (id, name): &(u64, String)) -> bool {
        self.id == *id && self.name == *name
    }
}

/// As a lease holds it.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.id, self.name, self.run)
    }
}

/// Id and name of the connection that a line of `CLIENT LIST` tells of.
fn connection(line: &str) -> Option<(u64, String)> {
    let told = |key: &str| line.split(' ').find_map(|word| word.strip_prefix(key));
    Some((told("id=")?.parse().ok()?, told("name=")?.to_owned()))
}

impl Line {
    /// Names this line's connection, and says how others see it. `None`: they cannot, because the line's server was given
    /// no name, `CLIENT` or `INFO` is denied, or the connection is not ours alone.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub async fn trace(&self) -> Result<Option<Trace>, StoreError> {
        let Some(name) = self.server().name() else {
            return Ok(None);
        };
        // It was told its name when it was opened. Whether Redis took it shows only when it is told again.
        let mut name_it = redis::cmd("CLIENT");
        name_it.arg("SETNAME").arg(name);
        let mut ask = redis::cmd("CLIENT");
        ask.arg("ID");
        let asked = async {
            self.query::<()>(&name_it).await?;
            // Behind what shares connections among its clients, two questions may come from two of them.
            let ids: [u64; 2] = [self.query(&ask).await?, self.query(&ask).await?];
            let info: String = self.query(redis::cmd("INFO").arg("server")).await?;
            let run = info_field(&info, "run_id");
            Ok(run.filter(|_| ids[0] == ids[1]).map(|run| (ids[0], run)))
        };
        let seen = unless_denied(asked.await)?.flatten();
        let name = name.to_owned();
        Ok(seen.map(|(id, run)| Trace { id, name, run }))
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
        let Some(there) = self.connections(&list, own).await? else {
            return Ok(HashSet::new());
        };
        let there: HashSet<u64> = there.into_iter().map(|(id, _)| id).collect();
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
        let there = self.connections(&list, own).await?;
        Ok(there.map(|there| there.into_iter().map(|(_, name)| name).collect()))
    }

    /// What this `CLIENT LIST` tells; nothing where it is denied or does not tell of `own`.
    async fn connections(
        &self,
        list: &redis::Cmd,
        own: &Trace,
    ) -> Result<Option<Vec<(u64, String)>>, StoreError> {
        let lines = unless_denied(self.query::<String>(list).await)?;
        let there = lines.map(|lines| lines.lines().filter_map(connection).collect());
        Ok(there.filter(|there: &Vec<_>| there.iter().any(|one| own.is(one))))
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
            run: "4f3c".into(),
        };
        assert_eq!(Trace::parse(&trace.to_string()), Some(trace.clone()));
        let line = "id=17 addr=127.0.0.1:1 laddr=127.0.0.1:2 fd=8 name=web-1:42:a4dc4b6ef2be age=3 user=default \
                    lib-name=gandy resp=3";
        assert!(trace.is(&connection(line).unwrap()));
        assert!(!trace.is(&connection("id=17 addr=a name= age=1").unwrap()));
        for other in ["", "1", "-", "1 y", "x y z", "1x y z"] {
            assert_eq!(Trace::parse(other), None, "{other:?}");
        }
    }
}
