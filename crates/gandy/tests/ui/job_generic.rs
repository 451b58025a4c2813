use gandy::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
struct Import<T> {
    rows: Vec<T>,
}

#[derive(Serialize, Deserialize, Job)]
struct WelcomeEmail<'a> {
    name: &'a str,
}

fn main() {}
