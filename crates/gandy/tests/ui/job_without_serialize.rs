#![allow(unused_imports)]

use gandy::Job;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Job)]
struct WelcomeEmail {
    user: u64,
}

fn main() {}
