use gandy::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(timeout = "30", retry_for = "1h30m")]
struct NoUnit;

#[derive(Serialize, Deserialize, Job)]
#[job(timeout = 30)]
struct Number;

fn main() {}
