//! I8: a process whose connections are gone is suspect, and only as long as nothing else speaks for it.

use std::time::Duration;

use gandy_protocol::{Identity, Keys};
use gandy_store::{Lease, Line, Retirement, Server, Trace};
use gandy_tests::{RedisServer, line, wait_until_async};
use redis::cmd;

use crate::support::{SOON, Site};

const LEASE: Duration = Duration::from_secs(60);

/// A line whose connections have a name.
fn named(redis: &RedisServer, name: &str) -> Line {
    let server = Server::new(&redis.url()).unwrap().with_name(name);
    let keys = Keys::new("").unwrap();
    Line::single(server, keys, SOON)
}

/// One that joined and renewed its lease by this line.
async fn member(line: &Line) -> (Identity, Trace) {
    let identity = Identity::new("member", 1, [7; 6]);
    assert!(line.register(&identity, "{}", LEASE).await.unwrap());
    let unseen = (identity.clone(), Lease::Holds(None));
    assert_eq!(line.leases().await.unwrap(), [unseen]);
    let trace = line.trace().await.unwrap().unwrap();
    assert!(line.renew(&identity, LEASE, Some(&trace)).await.unwrap());
    let seen = (identity.clone(), Lease::Holds(Some(trace.clone())));
    assert_eq!(line.leases().await.unwrap(), [seen]);
    (identity, trace)
}

#[tokio::test]
async fn i8_who_left_no_connection_is_dead_though_its_lease_holds() {
    let site = Site::start();
    let (own, theirs) = (named(&site.redis, "own"), named(&site.redis, "theirs"));
    let me = own.trace().await.unwrap().unwrap();
    let (identity, trace) = member(&theirs).await;
    let gone = async || own.gone(&me, std::slice::from_ref(&trace)).await.unwrap();
    assert!(gone().await.is_empty());
    assert!(
        own.connected(&me)
            .await
            .unwrap()
            .unwrap()
            .contains("theirs")
    );
    drop(theirs);
    wait_until_async(SOON, "its connection is gone", async || {
        !gone().await.is_empty()
    })
    .await;
    assert!(
        !own.connected(&me)
            .await
            .unwrap()
            .unwrap()
            .contains("theirs")
    );
    let condemn = async |trace| own.condemn(&identity, Duration::ZERO, trace).await.unwrap();
    assert_eq!(condemn(None).await, Retirement::Alive, "its lease holds");
    let of_another_run = Trace {
        run: "before".into(),
        ..trace.clone()
    };
    assert!(
        own.renew(&identity, LEASE, Some(&of_another_run))
            .await
            .unwrap()
    );
    assert_eq!(condemn(Some(&of_another_run)).await, Retirement::Alive);
    assert!(own.renew(&identity, LEASE, Some(&trace)).await.unwrap());
    // Nobody need have watched: connections are not keys, which a stall or a jump of the clock may end.
    let condemned = own.condemn(&identity, LEASE, Some(&trace)).await.unwrap();
    assert_eq!(condemned, Retirement::Moved);
}

#[tokio::test]
async fn i8_who_renewed_by_another_connection_lives() {
    let site = Site::start();
    let (identity, old) = member(&named(&site.redis, "theirs")).await;
    let again = named(&site.redis, "theirs");
    let new = again.trace().await.unwrap().unwrap();
    assert_ne!(new, old);
    assert!(again.renew(&identity, LEASE, Some(&new)).await.unwrap());
    let condemn = async |trace| {
        again
            .condemn(&identity, Duration::ZERO, trace)
            .await
            .unwrap()
    };
    assert_eq!(condemn(Some(&old)).await, Retirement::Alive);
    // Nor can what is not seen be found gone.
    assert!(again.renew(&identity, LEASE, None).await.unwrap());
    assert_eq!(condemn(Some(&new)).await, Retirement::Alive);
    assert_eq!(condemn(None).await, Retirement::Alive);
}

#[tokio::test]
async fn i8_who_does_not_see_itself_finds_nobody_gone() {
    let site = Site::start();
    let own = named(&site.redis, "own");
    let me = own.trace().await.unwrap().unwrap();
    let nobody = Trace {
        id: 999_999,
        name: "nobody".into(),
        run: me.run.clone(),
    };
    let nobody = std::slice::from_ref(&nobody);
    assert_eq!(own.gone(&me, nobody).await.unwrap().len(), 1);
    let wrong = [
        Trace {
            name: "other".into(),
            ..me.clone()
        },
        Trace {
            id: me.id + 1000,
            ..me.clone()
        },
    ];
    for other in &wrong {
        assert!(own.gone(other, nobody).await.unwrap().is_empty());
        assert_eq!(own.connected(other).await.unwrap(), None);
    }
    for denied in ["client|list", "info", "client|setname", "client|id"] {
        let rule = format!("-{denied}");
        site.ask::<()>(cmd("ACL").arg("SETUSER").arg("default").arg(rule));
        let trace = own.trace().await.unwrap();
        assert_eq!(trace.is_some(), denied == "client|list", "{denied}");
        assert!(own.gone(&me, nobody).await.unwrap().is_empty());
    }
    let nameless = line(&site.redis);
    assert_eq!(nameless.trace().await.unwrap(), None);
}
