//! Each route, asked by nobody, by a viewer, by an operator, and with what is no credential.

use gandy_tests::RedisServer;
use gandy_web::{Access, Credentials, Role};
use reqwest::{Method, RequestBuilder, StatusCode};

use crate::routes::{self, filled, usual};
use crate::support::{Page, Site, of, send};

const VIEWER: &str = "look-but-do-not-touch";
const OPERATOR: &str = "correct horse battery";

fn credentials() -> Access {
    let all = Credentials::new()
        .user("ann", OPERATOR, Role::Operator)
        .and_then(|all| all.token(VIEWER, Role::Viewer));
    Access::credentials(all.unwrap())
}

/// Wrong in different ways; the answers must not tell which.
fn strangers(request: impl Fn() -> RequestBuilder) -> Vec<RequestBuilder> {
    let header = |value: &str| request().header("authorization", value);
    vec![
        request(),
        request().basic_auth("ann", Some("wrong")),
        request().basic_auth("nobody", Some(OPERATOR)),
        request().basic_auth("ANN", Some(OPERATOR)),
        request().basic_auth("ann", Some("")),
        request().bearer_auth("wrong"),
        request().bearer_auth("a".repeat(4_000)),
        // A password is no token.
        request().bearer_auth(OPERATOR),
        header("Basic %%%"),
        header("Basic"),
        header("Digest x"),
        header(""),
        request().header("cookie", format!("token={VIEWER}")),
    ]
}

fn same(a: &Page, b: &Page) -> bool {
    let name = "www-authenticate";
    (a.status, &a.body, a.header(name)) == (b.status, &b.body, b.header(name))
}

#[tokio::test]
async fn web_auth() {
    let redis = RedisServer::start();
    let site = Site::start(of(&redis).access(credentials())).await;
    for route in routes::all() {
        let path = filled(&route.path, usual);
        for (is, method) in [(route.get, Method::GET), (route.post, Method::POST)] {
            if !is || path == "/live" {
                continue;
            }
            let request = || {
                let request = site
                    .request(method.clone(), &path)
                    .header("sec-fetch-site", "same-origin");
                request.header("content-type", "application/x-www-form-urlencoded")
            };
            let nobody = send(request()).await;
            assert_eq!(nobody.status, StatusCode::UNAUTHORIZED, "{method} {path}");
            assert!(
                nobody.header("www-authenticate").starts_with("Basic realm"),
                "{path}"
            );
            nobody.lacks("Processed").lacks(&redis.port().to_string());
            if path == "/queues" || path == "/api/v1/queues/low/delete" {
                for stranger in strangers(request) {
                    let page = send(stranger).await;
                    assert!(same(&page, &nobody), "{path}: {page:?}");
                }
            }
            let viewer = send(request().bearer_auth(VIEWER)).await;
            let operator = send(request().basic_auth("ann", Some(OPERATOR))).await;
            let may = |page: &Page| !matches!(page.status.as_u16(), 401 | 403 | 500..);
            assert!(may(&operator), "{method} {path}: {}", operator.status);
            match method {
                Method::POST => assert_eq!(viewer.status, StatusCode::FORBIDDEN, "{path}"),
                _ => assert!(may(&viewer), "{path}: {}", viewer.status),
            }
        }
    }
    // Not even the name of a route is told, and no file but by credentials.
    for path in [
        "/nowhere",
        "/assets/app.css",
        "/api/v1/nowhere",
        "/live?page=overview",
    ] {
        assert_eq!(
            site.get(path).await.status,
            StatusCode::UNAUTHORIZED,
            "{path}"
        );
    }
    // A token goes as a password too, under any name.
    let page = send(
        site.request(Method::GET, "/")
            .basic_auth("whoever", Some(VIEWER)),
    )
    .await;
    page.ok().has("viewer</span>");
}
