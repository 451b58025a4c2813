use gandy::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(class = "WelcomeEmail", queue = "mailers")]
#[job(class = "Mailers::Welcome")]
struct WelcomeEmail {
    user: u64,
}

fn main() {}
