//! The runner's own connection to Redis: looks at what is pending and reads Redis' counters, taking off what it asked itself.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};

use crate::resp::{Conn, Reply};

/// The runner's connection.
#[derive(Debug)]
pub(crate) struct Probe {
    conn: Conn,
    commands: f64,
    reads: f64,
}

/// Redis' counters at one moment, without the runner's own share.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Counters {
    /// Microseconds of CPU of the server and of its ended children.
    pub(crate) cpu_us: f64,
    /// Commands as Redis counts them: those that a script calls are counted too.
    pub(crate) commands: f64,
    /// Calls of scripts.
    pub(crate) scripts: f64,
    /// How often Redis read from a socket: as many round trips as there were, or fewer.
    pub(crate) reads: f64,
}

impl Counters {
    /// What was used since `earlier`.
    pub(crate) fn since(self, earlier: Counters) -> Counters {
        Counters {
            cpu_us: self.cpu_us - earlier.cpu_us,
            commands: self.commands - earlier.commands,
            scripts: self.scripts - earlier.scripts,
            reads: self.reads - earlier.reads,
        }
    }

    /// The sum of two stretches.
    pub(crate) fn plus(self, other: Counters) -> Counters {
        Counters {
            cpu_us: self.cpu_us + other.cpu_us,
            commands: self.commands + other.commands,
            scripts: self.scripts + other.scripts,
            reads: self.reads + other.reads,
        }
    }
}

impl Probe {
    /// Connects.
    pub(crate) fn connect(address: &str) -> Result<Self> {
        Ok(Self {
            conn: Conn::connect(address)?,
            commands: 0.0,
            reads: 0.0,
        })
    }

    /// One command.
    pub(crate) fn ask(&mut self, parts: &[&str]) -> Result<Reply> {
        self.commands += 1.0;
        self.reads += 1.0;
        self.conn.ask(parts)
    }

    /// Several commands in one go; their replies.
    pub(crate) fn ask_all(&mut self, commands: &[Vec<String>]) -> Result<Vec<Reply>> {
        for command in commands {
            self.conn.begin(command.len());
            for part in command {
                self.conn.part(part.as_bytes());
            }
        }
        self.commands += commands.len() as f64;
        self.reads += 1.0;
        self.conn.flush()?;
        commands.iter().map(|_| self.conn.read()).collect()
    }

    /// Redis' counters now.
    pub(crate) fn counters(&mut self) -> Result<Counters> {
        let info = self
            .ask(&["INFO", "cpu", "stats", "commandstats"])?
            .text()?;
        let mut counters = read(&info);
        // This INFO's read is counted in its own reply, its command is not yet.
        counters.commands -= self.commands - 1.0;
        counters.reads -= self.reads;
        Ok(counters)
    }

    /// Bytes that Redis has allocated.
    pub(crate) fn memory(&mut self) -> Result<f64> {
        let info = self.ask(&["INFO", "memory"])?.text()?;
        let value = field(&info, "used_memory");
        value.ok_or_else(|| anyhow!("INFO memory without used_memory"))
    }

    /// Waits until what was written to the append-only file is with the kernel and synced.
    pub(crate) fn settle(&mut self) -> Result<()> {
        for _ in 0..500 {
            let info = self.ask(&["INFO", "persistence"])?.text()?;
            let busy = ["aof_pending_bio_fsync", "aof_buffer_length"]
                .iter()
                .any(|name| field(&info, name).unwrap_or(0.0) > 0.0);
            if !busy {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Ok(())
    }
}

fn fields(info: &str) -> BTreeMap<&str, &str> {
    info.lines()
        .filter_map(|line| line.trim_end().split_once(':'))
        .collect()
}

fn field(info: &str, name: &str) -> Option<f64> {
    fields(info).get(name)?.parse().ok()
}

fn read(info: &str) -> Counters {
    let fields = fields(info);
    let number = |name: &str| -> f64 {
        let text = fields.get(name);
        text.and_then(|text| text.parse().ok()).unwrap_or(0.0)
    };
    let calls = |text: &str| -> f64 {
        let calls = text.split(',').find_map(|part| part.strip_prefix("calls="));
        calls.and_then(|calls| calls.parse().ok()).unwrap_or(0.0)
    };
    let cpu: f64 = [
        "used_cpu_user",
        "used_cpu_sys",
        "used_cpu_user_children",
        "used_cpu_sys_children",
    ]
    .iter()
    .map(|name| number(name))
    .sum();
    let (mut commands, mut scripts) = (0.0, 0.0);
    for (name, text) in &fields {
        if let Some(command) = name.strip_prefix("cmdstat_") {
            commands += calls(text);
            if ["eval", "evalsha", "fcall"].contains(&command) {
                scripts += calls(text);
            }
        }
    }
    Counters {
        cpu_us: cpu * 1e6,
        commands,
        scripts,
        reads: number("total_reads_processed"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn counters_are_read_from_info() {
        let info = "# CPU\r\nused_cpu_sys:1.5\r\nused_cpu_user:0.5\r\nused_cpu_sys_children:0.25\r\n# Stats\r\n\
            total_reads_processed:17\r\n# Commandstats\r\ncmdstat_evalsha:calls=3,usec=9,usec_per_call=3.00\r\n\
            cmdstat_hset:calls=4,usec=9\r\n";
        let counters = read(info);
        let expected = Counters {
            cpu_us: 2.25e6,
            commands: 7.0,
            scripts: 3.0,
            reads: 17.0,
        };
        assert_eq!(counters, expected);
        assert_eq!(counters.since(expected), Counters::default());
    }
}
