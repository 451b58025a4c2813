use gandy::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(class = "")]
struct Empty;

#[derive(Serialize, Deserialize, Job)]
#[job(class = "Welcome Email")]
struct Spaced;

#[derive(Serialize, Deserialize, Job)]
#[job("WelcomeEmail")]
struct Unnamed;

fn main() {}
