//! Uses the harness as a test does, and is then killed before any destructor can run: the harness' own tests look at
//! what is left. Argument: the folder of a history.
//!
//! Prints `redis <pid> <folder>` and `proc <pid>`, then `wrote <n>` after each line of history, for ever.

use std::path::PathBuf;
use std::process::Command;

use gandy_tests::{HistoryWriter, Proc, RedisServer};

fn main() {
    let history: PathBuf = std::env::args_os()
        .nth(1)
        .expect("the folder of a history is wanted")
        .into();
    let redis = RedisServer::start();
    let mut command = Command::new("sleep");
    command.arg("1000");
    let sleeper = Proc::spawn("sleep", command);
    println!(
        "redis {} {}",
        redis.pid().expect("redis runs"),
        redis.dir().display()
    );
    println!("proc {}", sleeper.pid());
    let writer = HistoryWriter::open(&history, "doomed");
    for n in 1.. {
        writer.start(&format!("job{n}"));
        println!("wrote {n}");
    }
}
