// A handler for a type that is no job.
use gandy::{Context, Handler, JobError};

struct Mail {
    user: u64,
}

struct Mailer;

impl Handler<Mail> for Mailer {
    async fn perform(&self, job: Mail, _ctx: &Context) -> Result<(), JobError> {
        println!("{}", job.user);
        Ok(())
    }
}

fn main() {}
