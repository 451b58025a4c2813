//! How an application tests its jobs: no Redis, no sleeping.
//!
//!     cargo test -p gandy-examples --example testing

use gandy::{
    Client, Context, Error, Handler, Job, JobError,
    testing::{self, Crew},
};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize, Job)]
struct Welcome {
    user: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Job)]
#[job(queue = "low")]
struct Survey {
    user: u64,
}

/// What a sign-up does. It takes the client, so a test can hand it another one.
async fn sign_up(client: &Client, user: u64) -> Result<(), Error> {
    client.push(Welcome { user }).await.map(drop)
}

/// Welcomes a user and asks for an opinion a day later.
struct Welcomer {
    client: Client,
}

impl Handler<Welcome> for Welcomer {
    async fn perform(&self, job: Welcome, _ctx: &Context) -> Result<(), JobError> {
        let day = std::time::Duration::from_secs(24 * 3600);
        self.client.push_in(day, Survey { user: job.user }).await?;
        Ok(())
    }
}

struct Surveyor;

impl Handler<Survey> for Surveyor {
    async fn perform(&self, job: Survey, _ctx: &Context) -> Result<(), JobError> {
        match job.user {
            0 => Err(JobError::discard("NoSuchUser", "user 0 does not exist")),
            _ => Ok(()),
        }
    }
}

/// What the worker registers, without a worker.
fn crew(client: &Client) -> Crew {
    let client = client.clone();
    Crew::new().handler(Welcomer { client }).handler(Surveyor)
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (client, jobs) = testing::collect();
    sign_up(&client, 42).await?;
    println!("a sign-up pushes {:?}", jobs.of::<Welcome>());
    println!("they end with {:?}", jobs.drain(&crew(&client)).await);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use gandy::testing::{collect, inline};

    use super::*;

    #[tokio::test]
    async fn collect_what_was_pushed() {
        let (client, jobs) = collect();
        sign_up(&client, 42).await.unwrap();
        assert_eq!(jobs.of::<Welcome>(), [Welcome { user: 42 }]);
        // As it would stand in Redis.
        let job = &jobs.all()[0];
        assert_eq!(job.payload.args(), "[42]");
        assert_eq!(job.payload.queue(), Some("default"));
        assert_eq!(job.at_ms, None);
    }

    #[tokio::test]
    async fn run_one_job_and_look_at_what_it_pushed() {
        let (client, jobs) = collect();
        sign_up(&client, 42).await.unwrap();
        jobs.run_one(&crew(&client)).await.unwrap().unwrap();
        let survey = &jobs.all()[0];
        assert_eq!(survey.payload.class(), "Survey");
        assert!(survey.at_ms.is_some(), "it is for tomorrow");
    }

    #[tokio::test]
    async fn drain_runs_what_jobs_push_too() {
        let (client, jobs) = collect();
        sign_up(&client, 0).await.unwrap();
        let results = jobs.drain(&crew(&client)).await;
        let ends: Vec<bool> = results.iter().map(Result::is_ok).collect();
        assert_eq!(ends, [true, false], "the survey of user 0 is discarded");
        assert!(jobs.is_empty());
    }

    #[tokio::test]
    async fn inline_runs_a_job_while_it_is_pushed() {
        let (client, jobs) = inline(Crew::new().handler(Surveyor));
        client.push(Survey { user: 7 }).await.unwrap();
        client.push(Survey { user: 0 }).await.unwrap();
        let failures = jobs.failures();
        assert_eq!(failures.len(), 1);
        assert_eq!(failures[0].error.class(), "NoSuchUser");
    }
}
