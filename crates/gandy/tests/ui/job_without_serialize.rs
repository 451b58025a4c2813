use gandy::Job;

#[derive(Job)]
struct WelcomeEmail {
    user: u64,
}

fn main() {}
