use gandy::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
struct WelcomeEmail {
    #[serde(skip_serializing)]
    secret: String,
    user: u64,
}

fn main() {}
