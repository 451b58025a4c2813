// A function handler whose error type is not JobError.
use gandy::{Context, Server, Worker, WorkerConfig};

fn main() {
    let config = WorkerConfig::new(Server::new("redis://127.0.0.1").unwrap());
    let _ = Worker::builder(config).handler_fn("Cleanup", |(id,): (u64,), _ctx: Context| async move {
        println!("{id}");
        Err::<(), String>("no".to_owned())
    });
}
