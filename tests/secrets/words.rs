//! Errors and `Debug` forms of what users hold.

use gandy::{Client, Error, Inspect, Place, Push, Server, WorkerConfig};
use gandy_protocol::{Identity, Keys};
use gandy_tests::{RedisServer, one_cycle};

use crate::{ARGUMENT, LOG, PASSWORD, assert_hidden};

fn shown(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text += &format!(" {inner} {inner:?}");
        cause = inner.source();
    }
    text
}

#[tokio::test]
async fn debug_forms_show_neither_password_nor_arguments() {
    drop(LOG.clone());
    let redis = RedisServer::with(&["--requirepass", PASSWORD]);
    let server = Server::new(&redis.url()).unwrap();
    let client = Client::builder().server(server.clone());
    assert_hidden("ClientBuilder", &format!("{client:?}"));
    let client = client.build().unwrap();
    let push = Push::raw("A", format!("[{ARGUMENT:?}]"));
    assert_hidden("Push", &format!("{push:?} {push:#?}"));
    let receipt = client.send(push.clone()).await.unwrap();
    assert_hidden("Receipt", &format!("{receipt:?} {client:?} {client:#?}"));
    let results = client.send_all([push]).await;
    assert_hidden("many receipts", &format!("{results:?}"));
    let inspect = Inspect::new(server.clone(), "").unwrap();
    let place = Place::Queue("default".into());
    let jobs = inspect.jobs(&place, 0, 10).await.unwrap();
    assert_eq!(jobs.len(), 2);
    assert_hidden("JobInfo", &format!("{jobs:?} {jobs:#?}"));
    let queues = inspect.queues().await.unwrap();
    assert_hidden("Inspect", &format!("{inspect:?} {inspect:#?} {queues:?}"));
    let config = WorkerConfig::new(server.clone());
    assert_hidden("WorkerConfig", &format!("{config:?} {server:?} {server}"));
    let builder = gandy::Worker::builder(config);
    assert_hidden("WorkerBuilder", &format!("{builder:#?}"));
    let worker = builder
        .handler_fn("A", |_: (String,), _: gandy::Context| async { Ok(()) })
        .build()
        .unwrap();
    assert_hidden("Worker", &format!("{worker:?} {worker:#?}"));
}

#[tokio::test]
async fn a_push_that_is_refused_for_its_content_repeats_none_of_it() {
    drop(LOG.clone());
    let redis = RedisServer::start();
    let server = Server::new(&redis.url()).unwrap();
    let client = Client::builder().server(server).max_payload(1024);
    let client = client.build().unwrap();
    let large = format!("[{:?}]", ARGUMENT.repeat(100));
    for args in [
        format!("[{ARGUMENT:?}"),
        format!("{{\"a\":{ARGUMENT:?}}}"),
        format!("{ARGUMENT:?}"),
        ARGUMENT.to_owned(),
        large,
    ] {
        let error = client.send(Push::raw("A", args)).await.unwrap_err();
        assert_hidden("a refused push", &shown(&error));
    }
    for line in [
        format!("{{\"class\":\"A\",\"args\":[{ARGUMENT:?}"),
        format!("{{\"class\":\"A\",\"args\":{ARGUMENT:?}}}"),
        format!("[{ARGUMENT:?}]"),
        format!("{{\"args\":[{ARGUMENT:?}]}}"),
    ] {
        let error = Push::from_json(&line).unwrap_err();
        assert_hidden("a line that is no job", &shown(&error));
    }
}

/// Redis repeats the arguments of a command that it does not know. An old server does not know HELLO, and administrators
/// rename commands.
#[tokio::test]
async fn a_server_that_repeats_what_it_was_sent_is_not_repeated() {
    drop(LOG.clone());
    let deaf = |command: &str| RedisServer::with(&["--rename-command", command, ""]);
    let url = |redis: &RedisServer| format!("redis://app:{PASSWORD}@127.0.0.1:{}", redis.port());
    for command in ["HELLO", "AUTH"] {
        let redis = deaf(command);
        let refused = Client::connect(&url(&redis)).await;
        if let Err(error) = refused {
            assert_hidden(command, &shown(&error));
        }
        // The claim loop's own connection.
        let server = Server::new(&url(&redis)).unwrap();
        let line = gandy_store::Line::single(server, Keys::default(), WAIT);
        let identity = Identity::new("host", 1, [1; 6]);
        let error = one_cycle(&line, &identity, &[], "default", 1, 1).await;
        let error = error.unwrap_err();
        assert_hidden(command, &format!("{error} {error:?}"));
    }
    let redis = deaf("LPUSH");
    let server = Server::new(&redis.url()).unwrap();
    let client = Client::builder().server(server).build().unwrap();
    let push = Push::raw("A", format!("[{ARGUMENT:?}]"));
    let error = client.send(push.clone()).await.unwrap_err();
    assert!(error.to_string().contains("unknown command"), "{error}");
    assert_hidden("LPUSH", &shown(&error));
    for result in client.send_all([push.clone(), push]).await {
        assert_hidden("LPUSH of many", &shown(&result.unwrap_err()));
    }
}

const WAIT: std::time::Duration = std::time::Duration::from_secs(5);
