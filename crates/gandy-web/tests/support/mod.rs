//! A dashboard in this process over a Redis of its own, asked as a browser would.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use axum::Router;
use gandy::Server;
use gandy_tests::RedisServer;
use gandy_web::{Dashboard, DashboardBuilder};
use reqwest::{Client, Method, RequestBuilder, StatusCode, redirect::Policy};
use tokio::net::TcpListener;

/// Where it is, and how it is asked.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    /// In front of each path.
    pub(crate) prefix: String,
    pub(crate) client: Client,
}

/// An answer that was read whole.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

impl Page {
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        self
    }

    #[track_caller]
    pub(crate) fn has(&self, text: &str) -> &Self {
        assert!(self.body.contains(text), "no {text:?} in:\n{}", self.body);
        self
    }

    #[track_caller]
    pub(crate) fn lacks(&self, text: &str) -> &Self {
        assert!(!self.body.contains(text), "{text:?} in:\n{}", self.body);
        self
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// The dashboard of a Redis, before more is said of it.
pub(crate) fn of(redis: &RedisServer) -> DashboardBuilder {
    Dashboard::builder(Server::new(&redis.url()).unwrap())
}

/// Tested with the whole workspace, reqwest can do TLS and wants to be told by what, also where nobody speaks it.
pub(crate) fn choose_crypto() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

impl Site {
    pub(crate) async fn start(dashboard: DashboardBuilder) -> Self {
        Self::serve(dashboard.build().unwrap().router(), "").await
    }

    /// Any application that has it under this prefix.
    pub(crate) async fn serve(router: Router, prefix: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(gandy_web::serve(listener, router, std::future::pending()));
        choose_crypto();
        Self {
            address,
            prefix: prefix.to_owned(),
            client: Client::builder()
                .redirect(Policy::none())
                .no_proxy()
                .build()
                .unwrap(),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{}{path}", self.address, self.prefix)
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    pub(crate) async fn get(&self, path: &str) -> Page {
        send(self.request(Method::GET, path)).await
    }

    /// A form of one of our pages, sent as a browser does.
    pub(crate) async fn post(&self, path: &str, form: &str) -> Page {
        let request = self
            .request(Method::POST, path)
            .header("sec-fetch-site", "same-origin")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.to_owned());
        send(request).await
    }
}

pub(crate) async fn send(request: RequestBuilder) -> Page {
    let response = request.send().await.unwrap();
    Page {
        status: response.status(),
        headers: response.headers().clone(),
        body: response.text().await.unwrap(),
    }
}
