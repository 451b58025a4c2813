use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct WelcomeEmail {
    user: u64,
}

fn class<J: gandy::Job>(_: J) -> &'static str {
    J::CLASS
}

fn main() {
    class(WelcomeEmail { user: 42 });
}
