// A handler holds an Rc across an await.
use std::rc::Rc;

use gandy::{Context, Handler, Job, JobError};

#[derive(serde::Serialize, serde::Deserialize, Job)]
struct Mail {
    user: u64,
}

struct Mailer;

impl Handler<Mail> for Mailer {
    async fn perform(&self, job: Mail, _ctx: &Context) -> Result<(), JobError> {
        let user = Rc::new(job.user);
        std::future::ready(()).await;
        println!("{user}");
        Ok(())
    }
}

fn main() {}
