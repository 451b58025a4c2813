use gandy::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Address {
    zip: u32,
}

#[derive(Serialize, Deserialize, Job)]
struct WelcomeEmail {
    user: u64,
    #[serde(flatten)]
    to: Address,
}

fn main() {}
