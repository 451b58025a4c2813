//! The routes as they stand in the source: a test that goes through them cannot forget a new one.
#![allow(dead_code, reason = "each test file uses its part")]

/// A route: its path, and whether it is for looking (GET), for acting (POST), or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) path: String,
    pub(crate) get: bool,
    pub(crate) post: bool,
}

fn of(source: &str, prefix: &str) -> Vec<Route> {
    let routes = source.split(".route(").skip(1);
    routes
        .map(|rest| {
            let path = rest.split('"').nth(1).unwrap();
            // Up to the next one; of the last to the end of its line.
            let call = rest.split(";\n").next().unwrap();
            let call = call.split('\n').next().unwrap();
            Route {
                path: format!("{prefix}{path}"),
                get: call.contains("get("),
                post: call.contains("post("),
            }
        })
        .collect()
}

/// Those of the API, below `/api/v1`.
pub(crate) fn api() -> Vec<Route> {
    of(include_str!("../../src/api/mod.rs"), "")
}

/// All.
pub(crate) fn all() -> Vec<Route> {
    let mut all = of(include_str!("../../src/router.rs"), "");
    all.extend(of(include_str!("../../src/page/mod.rs"), ""));
    all.extend(of(include_str!("../../src/api/mod.rs"), "/api/v1"));
    assert!(all.len() > 40, "{all:?}");
    assert!(all.iter().all(|route| route.get || route.post), "{all:?}");
    all
}

/// A path with something in each of its places.
pub(crate) fn filled(path: &str, place: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap();
        out += before;
        out += &place(name);
        rest = after;
    }
    out + rest
}

/// What makes sense there.
pub(crate) fn usual(name: &str) -> String {
    match name {
        "act" => "delete",
        "what" => "start",
        "signal" => "quiet",
        "code" => "unlisted-queue",
        "id" => "1",
        "identity" => "nobody:1:0123456789ab",
        "jid" => "000000000000000000000005",
        "class" => "Mailer",
        _ => "low",
    }
    .to_owned()
}
