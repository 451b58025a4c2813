//! Markup in every field: the parsed page has the elements and attributes of the same page with harmless texts, and no more.

use std::collections::BTreeMap;
use std::time::Duration;

use gandy_tests::RedisServer;
use html5gum::emitters::default::DefaultEmitter;
use html5gum::{Token, Tokenizer};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::StatusCode;

use crate::data;
use crate::support::{Page, Site, of};

/// Ways out of a text, an attribute in either quote or none, an element whose content is text, a comment, a script, a link,
/// JSON in an attribute, and texts that decode to these.
const PAYLOADS: [&str; 40] = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "\"><script>alert(1)</script>",
    "'><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><img src=x onerror=alert(1)>",
    "\" onmouseover=\"alert(1)",
    "' onmouseover='alert(1)",
    "x onmouseover=alert(1) y",
    "\" autofocus onfocus=alert(1) x=\"",
    "` onmouseover=alert(1)",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mi xlink:href=\"javascript:alert(1)\">x</mi></math>",
    "<a href=\"javascript:alert(1)\">x</a>",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)//",
    "data:text/html,<script>alert(1)</script>",
    "//evil.example/x",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</noscript><script>alert(1)</script>",
    "</template><img src=x onerror=alert(1)>",
    "--><script>alert(1)</script><!--",
    "<!--><script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<iframe srcdoc=\"<script>alert(1)</script>\"></iframe>",
    "<form action=//evil.example><button>x</button></form>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
    "{{7*7}}{% raw %}${alert(1)}",
    "<scr\u{200b}ipt>alert(1)</script\u{2028}><details open ontoggle=alert(1)>",
    "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
];

/// Values that lead somewhere.
const LINKS: [&str; 6] = [
    "href",
    "src",
    "action",
    "formaction",
    "srcset",
    "xlink:href",
];

type Census = BTreeMap<String, usize>;

/// How many there are of each element and of each attribute of it; links lead to this dashboard.
fn census(html: &str) -> Census {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut census = Census::new();
    for token in Tokenizer::new_with_emitter(html, emitter) {
        let Ok(Token::StartTag(tag)) = token else {
            continue;
        };
        let name = String::from_utf8_lossy(&tag.name).into_owned();
        for (attribute, value) in &tag.attributes {
            let attribute = String::from_utf8_lossy(attribute).into_owned();
            let value = String::from_utf8_lossy(value).trim().to_lowercase();
            if LINKS.contains(&attribute.as_str()) {
                let ours =
                    value.starts_with('#') || (value.starts_with('/') && !value.starts_with("//"));
                assert!(ours, "<{name} {attribute}={value:?}>");
            }
            *census.entry(format!("{name} {attribute}")).or_default() += 1;
        }
        *census.entry(name).or_default() += 1;
    }
    census
}

/// What is oftener in one text than in any of the others.
fn gained(harmless: &[&str], hostile: &str) -> Vec<String> {
    let may: Vec<Census> = harmless.iter().map(|html| census(html)).collect();
    let more = census(hostile).into_iter().filter(|(name, count)| {
        let enough = |may: &Census| may.get(name).is_some_and(|may| may >= count);
        !may.iter().any(enough)
    });
    more.map(|(name, count)| format!("{count} × {name}"))
        .collect()
}

/// Two dashboards: one of harmless texts, one of hostile ones.
struct Pair {
    harmless: Site,
    hostile: Site,
    compared: usize,
}

impl Pair {
    /// What the hostile page has that none of the harmless ones has: nothing.
    fn gained(&mut self, what: &str, harmless: &[&Page], hostile: &Page) -> Vec<String> {
        assert!(hostile.status.as_u16() < 500, "{what}: {}", hostile.body);
        let kind = hostile.header("content-type");
        let sniffed = hostile.header("x-content-type-options");
        assert_eq!(sniffed, "nosniff", "{what}");
        let to = hostile.header("location");
        assert!(
            !to.starts_with("//") && !to.contains(['<', '"', '\'']),
            "{to}"
        );
        if !kind.starts_with("text/html") {
            let harmless = ["application/json", "text/plain; charset=utf-8", ""];
            assert!(harmless.contains(&kind), "{what}: {kind}");
            return Vec::new();
        }
        self.compared += 1;
        let bodies: Vec<&str> = harmless.iter().map(|page| page.body.as_str()).collect();
        gained(&bodies, &hostile.body)
    }

    async fn get(&mut self, harmless: &str, hostile: &str) -> Page {
        let mut gained = Vec::new();
        // A page that shows what moves may have looked once more than the other.
        for _ in 0..10 {
            let (may, has) = tokio::join!(self.harmless.get(harmless), self.hostile.get(hostile));
            let mut controls = vec![may];
            if let Some((path, _)) = harmless.split_once("filter=") {
                // What is markup for a browser may be no filter, or one that fits all, in two views, or none.
                for more in ["", "&view=errors", "filter=nobody", "filter=age%3E"] {
                    controls.push(self.harmless.get(&format!("{path}{more}")).await);
                }
            } else {
                assert_eq!(controls[0].status, has.status, "{hostile}: {}", has.body);
            }
            gained = self.gained(hostile, &controls.iter().collect::<Vec<_>>(), &has);
            if gained.is_empty() {
                return has;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        panic!("{hostile} gained {gained:#?}");
    }

    async fn post(&mut self, harmless: (&str, &str), hostile: (&str, &str)) {
        let (may, has) = tokio::join!(
            self.harmless.post(harmless.0, harmless.1),
            self.hostile.post(hostile.0, hostile.1)
        );
        let wrong = self.harmless.post(harmless.0, "all=1&filter=age%3E").await;
        let gained = self.gained(hostile.0, &[&may, &wrong], &has);
        assert!(gained.is_empty(), "{} gained {gained:#?}", hostile.0);
        if has.status == StatusCode::SEE_OTHER && may.status == StatusCode::SEE_OTHER {
            self.get(may.header("location"), has.header("location"))
                .await;
        }
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// As many; no plain words either, and with a colon, at which identities are split.
fn harmless() -> Vec<String> {
    (0..PAYLOADS.len())
        .map(|at| format!("harmless:text {at}"))
        .collect()
}

/// Paths with a place for a text.
const PLACES: [&str; 26] = [
    "/search?q=class:{}",
    "/retries?filter={}",
    "/retries?filter=class:{}&view=errors",
    "/retries?filter=%22{}%22",
    "/scheduled?from={}",
    "/dead?count={}",
    "/?days={}",
    "/?{}=1",
    "/retries?n={}",
    "/metrics?range={}",
    "/metrics?filter={}",
    "/metrics/{}",
    "/queues/{}",
    "/queues/{}?filter={}",
    "/queues/{}?end={}",
    "/jobs/{}",
    "/jobs/x?at={}",
    "/jobs/x?at=queue:{}:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@0",
    "/push?class={}&queue={}",
    "/push?copy={}",
    "/live?page={}",
    "/acts/{}",
    "/nowhere/{}",
    "/assets/{}",
    "/api/v1/retries?filter={}",
    "/api/v1/jobs/{}",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn web_xss() {
    let (plain, hot) = (RedisServer::start(), RedisServer::start());
    let payloads: Vec<String> = PAYLOADS.iter().map(|&text| text.to_owned()).collect();
    data::fill(&plain, &harmless());
    data::fill(&hot, &payloads);
    let mut pair = Pair {
        harmless: Site::start(of(&plain)).await,
        hostile: Site::start(of(&hot)).await,
        compared: 0,
    };
    for path in [
        "/",
        "/queues",
        "/busy",
        "/retries",
        "/retries?view=errors",
        "/scheduled",
        "/dead",
        "/metrics",
        "/doctor",
        "/stats",
        "/api/v1/retries",
        "/api/v1/processes",
        "/api/v1/doctor",
        "/api/v1/metrics",
    ] {
        let page = pair.get(path, path).await.ok();
        // They are there, as texts.
        if ["/retries", "/queues", "/busy", "/metrics", "/dead"].contains(&path) {
            page.has("&#60;script&#62;alert(1)");
        }
    }
    for (harmless, hostile) in harmless().iter().zip(&payloads) {
        let (may, has) = (encoded(harmless), encoded(hostile));
        for place in PLACES {
            pair.get(&place.replace("{}", &may), &place.replace("{}", &has))
                .await;
        }
        let form = |text: &str| {
            format!("class={text}&args={text}&queue={text}&in={text}&retry={text}&tags={text}")
        };
        pair.post(("/push", &form(&may)), ("/push", &form(&has)))
            .await;
        let act = |text: &str| format!("filter={text}&all=1");
        pair.post(
            ("/retries/delete", &act(&may)),
            ("/retries/delete", &act(&has)),
        )
        .await;
    }
    // Which of the queues the overview has room for differs, so these come last.
    for (harmless, hostile) in harmless().iter().zip(&payloads) {
        let (may, has) = (encoded(harmless), encoded(hostile));
        let act = |text: &str| format!("/queues/{text}/pause");
        pair.post((&act(&may), "back=queue"), (&act(&has), "back=queue"))
            .await;
    }
    live(&mut pair).await;
    assert!(pair.compared > 900, "{}", pair.compared);
}

/// What open pages are sent is markup too.
async fn live(pair: &mut Pair) {
    for page in ["overview", "queues", "busy", "set:retry"] {
        let mut all = Vec::new();
        for _ in 0..10 {
            let (may, has) = tokio::join!(news(&pair.harmless, page), news(&pair.hostile, page));
            let none = String::new();
            let more =
                |(name, html): (&String, &String)| gained(&[may.get(name).unwrap_or(&none)], html);
            all = has.iter().flat_map(more).collect::<Vec<_>>();
            if all.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        assert!(all.is_empty(), "{page} gained {all:#?}");
        pair.compared += 1;
    }
}

async fn news(site: &Site, page: &str) -> BTreeMap<String, String> {
    let mut live = site
        .client
        .get(site.url(&format!("/live?page={page}")))
        .send()
        .await
        .unwrap();
    let mut text = String::new();
    while !text.ends_with("\n\n") {
        let chunk = tokio::time::timeout(Duration::from_secs(20), live.chunk()).await;
        text += std::str::from_utf8(&chunk.unwrap().unwrap().unwrap()).unwrap();
    }
    let data = text.split("data: ").nth(1).unwrap();
    serde_json::from_str(data).unwrap()
}

#[test]
fn the_census_sees_what_a_browser_would() {
    let counts = census("<p title=\"<b>\">&lt;i&gt;<!-- <u> --><a href=\"/x\" onclick=y>z</a>");
    let names: Vec<&str> = counts.keys().map(String::as_str).collect();
    assert_eq!(names, ["a", "a href", "a onclick", "p", "p title"]);
}
