use gandy::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(qeue = "mailers")]
struct Slip {
    user: u64,
}

#[derive(Serialize, Deserialize, Job)]
#[job(cron = "0 3 * * *")]
struct Stranger {
    user: u64,
}

fn main() {}
