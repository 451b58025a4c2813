use gandy::Job;
use serde::Serialize;

#[derive(Serialize, Job)]
struct WelcomeEmail {
    user: u64,
}

fn main() {}
