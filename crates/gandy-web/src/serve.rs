//! The HTTP server of `gandy web`: bounded connections, and a deadline for the head of a request, so that a stranger who
//! opens connections and says nothing keeps nobody out.
//!
//! Not here: what is answered; and TLS, which a proxy in front does.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::gate::Caller;

/// Connections at once; more wait in the system's queue. Live pages hold one each.
const CONNECTIONS: usize = 1024;
/// For the head of a request to come.
const HEAD: Duration = Duration::from_secs(5);
/// For answers that are on their way when it is told to end. Live pages have none and are cut off.
const LEAVING: Duration = Duration::from_secs(2);
/// After a refusal to accept, as when files have run out.
const AGAIN: Duration = Duration::from_millis(100);

/// Serves a router by HTTP/1.1 until `shutdown` ends.
///
/// # Errors
/// The listener's address cannot be asked for.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = accepted(&listener, &places) => accepted,
            () = &mut shutdown => break,
        };
        // Never closed.
        let Some((accepted, place)) = accepted else {
            break;
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(AGAIN).await;
                continue;
            }
        };
        let caller = Arc::new(Caller::new(address));
        let service = TowerToHyperService::new(Mapped(router.clone(), caller));
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // Browsers go away in the middle of things; that is no news.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    let _ = tokio::time::timeout(LEAVING, graceful.shutdown()).await;
    Ok(())
}

/// The next connection, when there is a place for it.
async fn accepted(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(io::Result<(TcpStream, SocketAddr)>, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    Some((listener.accept().await, place))
}

/// The router, taking what hyper gives, and told on which connection.
#[derive(Clone)]
struct Mapped(Router, Arc<Caller>);

impl tower_service::Service<hyper::Request<hyper::body::Incoming>> for Mapped {
    type Response = axum::response::Response;
    type Error = std::convert::Infallible;
    type Future = <Router as tower_service::Service<Request>>::Future;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        // A router is always ready.
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: hyper::Request<hyper::body::Incoming>) -> Self::Future {
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(Arc::clone(&self.1));
        tower_service::Service::<Request>::call(&mut self.0, request)
    }
}
