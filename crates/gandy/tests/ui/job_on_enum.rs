use gandy::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
enum Report {
    Daily { hour: u8 },
    Weekly,
}

fn main() {}
