// A type that runs no jobs is handed to the worker.
use gandy::{Job, Server, Worker, WorkerConfig};

#[derive(serde::Serialize, serde::Deserialize, Job)]
struct Mail {
    user: u64,
}

struct Mailer;

fn main() {
    let config = WorkerConfig::new(Server::new("redis://127.0.0.1").unwrap());
    let _ = Worker::builder(config).handler::<Mail, _>(Mailer);
}
