//! Every page: it reads, it has no error, a screen reader can use it, a phone can show it; light, dark, under a prefix and
//! for viewers.

use std::time::Duration;

use crate::Scene;
use crate::browser::Browser;
use crate::support::Site;

const PHONE_WIDTH: u32 = 390;

/// Each page and a text that stands in it when it has read what it shows.
fn pages(scene: &Scene) -> Vec<(String, &'static str)> {
    let failed = scene.fleet.jids("retry", "Fails").remove(0);
    let runs = scene.fleet.running();
    let mut pages: Vec<(String, &str)> = [
        ("/", "Jobs a second"),
        ("/queues", "held"),
        ("/queues/held", "Waits"),
        ("/queues/held?end=last&filter=", "Waits"),
        ("/busy", "Nap"),
        ("/retries", "Timeout"),
        ("/retries?view=errors", "Timeout"),
        ("/retries?filter=class:Nobody", "fits that filter"),
        ("/scheduled", "Later"),
        ("/dead", "Broken"),
        ("/metrics", "Fails"),
        ("/metrics/Fine", "How long runs took"),
        ("/doctor", "What to do"),
        ("/push?queue=held", "Arguments, a JSON array"),
    ]
    .map(|(path, text)| (path.to_owned(), text))
    .into();
    pages.push((format!("/jobs/{failed}"), "within 30 s"));
    pages.push((format!("/jobs/{runs}"), "running"));
    pages
}

/// Opens a page and looks for errors in the console and for text that became markup.
async fn look(browser: &Browser, site: &Site, path: &str, text: &str) {
    browser.open(&site.url(path)).await;
    browser.sees(text).await;
    assert_eq!(browser.complaints().await, [""; 0], "{path}");
    let whole = browser
        .run("return document.documentElement.outerHTML")
        .await;
    let whole = whole.as_str().unwrap();
    assert!(
        !whole.contains("<b>reply") && !whole.contains("hush"),
        "{path}"
    );
}

pub(crate) async fn every_page(scene: &Scene) {
    let browser = &scene.browser;
    let mut wide = Vec::new();
    for (path, text) in pages(scene) {
        look(browser, &scene.site, &path, text).await;
        accessible(browser, &path).await;
        browser.size(PHONE_WIDTH, 844).await;
        // A plot follows a frame or some later, so a page has time to become narrow, and none has to be.
        let narrow = format!("document.documentElement.scrollWidth <= {PHONE_WIDTH}");
        if !browser.becomes(&narrow, Duration::from_secs(5)).await {
            wide.push(path);
        }
        browser.size(1280, 800).await;
    }
    assert!(wide.is_empty(), "wider than {PHONE_WIDTH}: {wide:?}");
}

/// What axe finds serious or critical, by rule and element.
async fn accessible(browser: &Browser, path: &str) {
    let Some(axe) = axe() else { return };
    // What fades in has no contrast yet.
    browser
        .until("document.getAnimations().every((one) => one.playState !== 'running' || one.effect.getComputedTiming().iterations === Infinity)")
        .await;
    browser.run(&axe).await;
    let found = browser
        .run_to_end(
            "const found = await axe.run(document, { resultTypes: ['violations'] });
             const heavy = found.violations.filter((it) => ['serious', 'critical'].includes(it.impact));
             return heavy.map((it) => `${it.id}: ${it.nodes.map((node) => node.html).join(' ')}`).join('\\n');",
        )
        .await;
    assert_eq!(found, "", "{path}");
}

/// The checker, where scripts/test has fetched it.
fn axe() -> Option<String> {
    let file = std::env::var("AXE_CORE")
        .ok()
        .filter(|file| !file.is_empty())?;
    Some(
        std::fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("AXE_CORE names {file}: {error}")),
    )
}

pub(crate) async fn dark(scene: &Scene) {
    let browser = &scene.browser;
    let shade = "return getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).slice(0, 3).map(Number)\
        .reduce((sum, part) => sum + part, 0) / 3";
    assert!(browser.run(shade).await.as_f64().unwrap() > 200.0);
    browser.prefer("dark").await;
    for (path, text) in pages(scene) {
        look(browser, &scene.site, &path, text).await;
        let shade = browser.run(shade).await.as_f64().unwrap();
        assert!(shade < 60.0, "{path}: {shade} of 255");
        accessible(browser, &path).await;
    }
    browser.prefer("light").await;
}

pub(crate) async fn under_a_prefix(scene: &Scene) {
    let (browser, site) = (&scene.browser, &scene.nested);
    for (path, text) in pages(scene) {
        // The link that leads to the first page has no slash at its end.
        let path = if path == "/" { String::new() } else { path };
        look(browser, site, &path, text).await;
        let astray = browser
            .run(&format!(
                "return ['href', 'src', 'action', 'formaction'].flatMap((name) =>
                    [...document.querySelectorAll(`[${{name}}^=\"/\"]`)].map((it) => it.getAttribute(name)))
                    .filter((path) => path.split('?')[0] !== '{0}' && !path.startsWith('{0}/')).join(' ')",
                site.prefix
            ))
            .await;
        assert_eq!(astray, "", "{path}");
    }
    browser.open(&site.url("")).await;
    browser
        .until("document.querySelector('[data-dot].on')")
        .await;
    browser.open(&site.url("/queues")).await;
    browser.click("[action$='/queues/held/pause'] button").await;
    scene
        .fleet
        .until_count(&["SISMEMBER", "paused", "held"], 1)
        .await;
    browser
        .click("[action$='/queues/held/unpause'] button")
        .await;
    scene
        .fleet
        .until_count(&["SISMEMBER", "paused", "held"], 0)
        .await;
}

pub(crate) async fn read_only(scene: &Scene) {
    for (path, text) in pages(scene) {
        look(&scene.browser, &scene.viewer, &path, text).await;
        let acts = scene.browser.run("return document.querySelectorAll('form[method=post] button, input[name=entry]').length");
        assert_eq!(acts.await, 0, "{path}");
    }
}

/// What a real Sidekiq has pushed, runs, has failed and buried, with its stamps and its kind of process.
pub(crate) async fn written_by_ruby(scene: &Scene) {
    if !scene.fleet.has_ruby() {
        return;
    }
    let waits = scene.fleet.redis.cli(&["LINDEX", "queue:ruby_waits", "0"]);
    let waits = waits.split_once("\"jid\":\"").unwrap().1[..24].to_owned();
    for (path, text) in [
        ("/queues", "ruby_waits"),
        ("/queues/ruby_waits", "EchoJob"),
        ("/busy", "SleepJob"),
        ("/retries?filter=class:FailJob", "of Ruby's making"),
        ("/dead?filter=class:FailJob", "its last"),
        ("/scheduled?filter=class:EchoJob", "EchoJob"),
        (&format!("/jobs/{waits}"), "waiting"),
    ] {
        look(&scene.browser, &scene.site, path, text).await;
        let odd = scene.browser.run(
            "return document.querySelector('main').innerText.match(/NaN|Invalid|1970|undefined/)",
        );
        assert!(odd.await.is_null(), "{path}");
    }
}
