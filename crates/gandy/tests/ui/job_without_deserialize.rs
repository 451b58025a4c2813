#![allow(unused_imports)]

use gandy::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Job)]
struct WelcomeEmail {
    user: u64,
}

fn main() {}
