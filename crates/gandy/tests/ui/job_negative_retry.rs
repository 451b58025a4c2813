use gandy::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(retry = -1)]
struct WelcomeEmail {
    user: u64,
}

fn main() {}
