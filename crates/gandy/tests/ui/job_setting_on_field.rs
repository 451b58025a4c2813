use gandy::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
struct WelcomeEmail {
    #[job(queue = "mailers")]
    user: u64,
}

fn main() {}
