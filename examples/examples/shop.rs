//! The workers of a shop, and the web application that keeps them busy: what `scripts/screenshots` makes pictures of.
//!
//!     REDIS_URL=redis://127.0.0.1:6379/0 cargo run -p gandy-examples --example shop -- mail
//!     REDIS_URL=redis://127.0.0.1:6379/0 cargo run -p gandy-examples --example shop -- images push
//!
//! The first word is the process's tag and says which queues it serves; with `push` it also enqueues, some 30 jobs a
//! second. TERM stops it.

use std::time::Duration;

use gandy::{Client, Context, Handler, Job, JobError, Server, Worker, WorkerConfig};
use serde::{Deserialize, Serialize};

type Outcome = Result<(), JobError>;

#[derive(Serialize, Deserialize, Job)]
#[job(class = "Mail::Receipt", queue = "mailers")]
struct Receipt {
    order: u64,
    locale: String,
}

#[derive(Serialize, Deserialize, Job)]
#[job(class = "Payments::Capture", queue = "critical")]
struct Capture {
    order: u64,
}

#[derive(Serialize, Deserialize, Job)]
#[job(class = "Images::Resize", queue = "images")]
struct Resize {
    image: u64,
    width: u32,
}

#[derive(Serialize, Deserialize, Job)]
#[job(class = "Webhooks::Deliver", queue = "webhooks")]
struct Deliver {
    event: u64,
    url: String,
}

#[derive(Serialize, Deserialize, Job)]
#[job(class = "Catalog::Import", queue = "imports")]
struct Import {
    supplier: u64,
    rows: u64,
}

/// All handlers: each job takes a time of its own, always the same for the same number.
struct Shop;

/// Between `low` and `high` milliseconds, mostly near `low`.
async fn work(number: u64, low: u64, high: u64) {
    let share = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 / (1_u64 << 24) as f64;
    let millis = low as f64 + (high - low) as f64 * share.powi(4);
    tokio::time::sleep(Duration::from_millis(millis as u64)).await;
}

impl Handler<Receipt> for Shop {
    async fn perform(&self, job: Receipt, _: &Context) -> Outcome {
        work(job.order, 40, 900).await;
        if job.order.is_multiple_of(61) {
            let words = "451 4.7.0 greylisted, come back in five minutes";
            return Err(JobError::retry("Smtp::TemporaryFailure", words));
        }
        Ok(())
    }
}

impl Handler<Capture> for Shop {
    async fn perform(&self, job: Capture, _: &Context) -> Outcome {
        work(job.order, 90, 1_500).await;
        Ok(())
    }
}

impl Handler<Resize> for Shop {
    async fn perform(&self, job: Resize, _: &Context) -> Outcome {
        work(job.image, 250, 4_000).await;
        Ok(())
    }
}

impl Handler<Deliver> for Shop {
    async fn perform(&self, job: Deliver, _: &Context) -> Outcome {
        work(job.event, 60, 2_500).await;
        if job.event.is_multiple_of(53) {
            let words = format!("{} answered 503 Service Unavailable", job.url);
            return Err(JobError::retry("Webhooks::Refused", words));
        }
        Ok(())
    }
}

impl Handler<Import> for Shop {
    async fn perform(&self, job: Import, ctx: &Context) -> Outcome {
        for row in (0..job.rows).step_by(40) {
            ctx.set_progress(row, Some(job.rows), "rows");
            tokio::select! {
                () = ctx.cancellation().cancelled() => return Err(JobError::retry("Cancelled", "told to stop")),
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
        Ok(())
    }
}

/// Orders come in, more of them in some seconds than in others.
async fn take_orders(client: Client) -> Result<(), gandy::Error> {
    for order in 480_000_u64..u64::MAX {
        let locale = ["de", "en", "fr"][order as usize % 3].to_owned();
        client.push(Receipt { order, locale }).await?;
        client.push(Capture { order }).await?;
        let url = format!(
            "https://{}.example/hooks",
            ["erp", "depot", "crm"][order as usize % 3]
        );
        client.push(Deliver { event: order, url }).await?;
        if order % 2 == 0 {
            let image = order / 2;
            client
                .push(Resize {
                    image,
                    width: 1_280,
                })
                .await?;
        }
        let pause = 95.0 + (order as f64 / 35.0).sin() * 45.0;
        tokio::time::sleep(Duration::from_millis(pause as u64)).await;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let tag = std::env::args().nth(1).unwrap_or_default();
    let mut config = WorkerConfig::new(Server::from_env()?);
    let (queues, concurrency): (&[&str], _) = match tag.as_str() {
        "mail" => (&["critical,4", "mailers,2", "webhooks"], 12),
        "images" => (&["images"], 6),
        "imports" => (&["imports"], 4),
        _ => anyhow::bail!("which one: mail, images or imports"),
    };
    config.queues = queues.iter().map(|queue| (*queue).to_owned()).collect();
    config.tag = tag;
    if std::env::args().nth(2).as_deref() == Some("push") {
        tokio::spawn(take_orders(Client::builder().build()?));
    }
    Worker::builder(config)
        .concurrency(concurrency)
        .handler::<Receipt, _>(Shop)
        .handler::<Capture, _>(Shop)
        .handler::<Resize, _>(Shop)
        .handler::<Deliver, _>(Shop)
        .handler::<Import, _>(Shop)
        .run()
        .await?;
    Ok(())
}
