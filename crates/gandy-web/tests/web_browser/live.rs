//! What happens by itself on an open page, and by keys.

use gandy::Push;

use crate::Scene;
use crate::support::{Site, of};

pub(crate) const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";

/// Where the focus is.
const FOCUS: &str = "document.activeElement";

pub(crate) async fn keyboard(scene: &Scene) {
    let browser = &scene.browser;
    let current = |at: u32| {
        format!(
            "[...document.querySelectorAll('tr[data-row]')].findIndex((row) => row.classList.contains('current')) === {at}"
        )
    };
    browser.open(&scene.site.url("/retries")).await;
    browser.sees("Timeout").await;
    for (key, at) in [("j", 0), ("j", 1), ("j", 2), ("k", 1)] {
        browser.keys(key).await;
        browser.until(&current(at)).await;
    }
    browser.keys("x").await;
    browser
        .until("document.querySelector('tr.current input[name=entry]').checked")
        .await;
    browser
        .until("!document.querySelector('[data-needs-selection]').disabled")
        .await;
    browser.keys("?").await;
    browser.until("document.querySelector('#help').open").await;
    browser.keys(ESCAPE).await;
    browser.until("!document.querySelector('#help').open").await;
    // Whoever does not want them turns them off, also on the pages that come.
    browser.keys("?").await;
    browser.click("[data-letters]").await;
    browser.keys(ESCAPE).await;
    browser.open(&scene.site.url("/retries")).await;
    browser.keys("?j").await;
    browser
        .until("!document.querySelector('#help').open && !document.querySelector('tr.current')")
        .await;
    browser.click("[data-help]").await;
    browser.click("[data-letters]").await;
    browser.keys(ESCAPE).await;
    browser.until("!document.querySelector('#help').open").await;
    browser.keys("j").await;
    browser.until(&current(0)).await;
    browser.keys(ENTER).await;
    browser
        .until("location.pathname.startsWith('/jobs/')")
        .await;
    browser.keys("gq").await;
    browser.until("location.pathname === '/queues'").await;
    browser.open(&scene.site.url("/retries")).await;
    browser.keys("/").await;
    browser.until(&format!("{FOCUS}.name === 'filter'")).await;
    // What the page holds is offered for the word that is being written.
    let offers = "[...document.querySelectorAll('#terms option')].map((term) => term.value)";
    browser
        .until(&format!("{offers}.includes('error=Timeout')"))
        .await;
    browser.keys("attempt>1 e").await;
    browser
        .until(&format!("{offers}.includes('attempt>1 error=Timeout')"))
        .await;
    browser.run(&format!("{FOCUS}.value = ''")).await;
    browser.keys(&format!("class:Nobody{ENTER}")).await;
    browser.sees("fits that filter").await;
    browser.open(&scene.site.url("/")).await;
    browser.keys("/").await;
    browser.until(&format!("{FOCUS}.name === 'q'")).await;
    browser.keys(&format!("held{ENTER}")).await;
    browser.until("location.pathname === '/queues/held'").await;
    for theme in ["light", "dark"] {
        browser.keys("t").await;
        browser
            .until(&format!(
                "document.documentElement.dataset.theme === '{theme}'"
            ))
            .await;
    }
    // It stays over pages, from their first byte on.
    browser.open(&scene.site.url("/busy")).await;
    browser
        .until("document.documentElement.dataset.theme === 'dark'")
        .await;
    browser.keys("t").await;
    browser
        .until("!document.documentElement.dataset.theme")
        .await;
    assert_eq!(browser.complaints().await, [""; 0]);
}

pub(crate) async fn numbers_change(scene: &Scene) {
    let browser = &scene.browser;
    browser.open(&scene.site.url("/")).await;
    let waiting = "Number(document.querySelector('[data-go][href=\"/queues\"] .count').title.replace(/[^0-9]/g, ''))";
    browser.run("window.unreloaded = true").await;
    let before = browser
        .run(&format!("return {waiting}"))
        .await
        .as_u64()
        .unwrap();
    let push = async || {
        let job = Push::raw("Waits", "[\"live\"]").queue("live");
        scene.fleet.client.send(job).await.unwrap();
    };
    push().await;
    push().await;
    browser.until(&format!("{waiting} === {before} + 2")).await;
    browser.until("[...document.querySelectorAll('[data-live=queues] tr')].some((row) => row.innerText.includes('live'))").await;
    // Paused it says so, and afterwards it catches up.
    browser.keys("p").await;
    browser
        .until("document.querySelector('[data-pause]').ariaPressed === 'true'")
        .await;
    push().await;
    browser.keys("p").await;
    browser
        .until(&format!("{waiting} === {before} + 3 && window.unreloaded"))
        .await;
    // The plot moves too, drawn by the library and not only by the server.
    browser
        .until("document.querySelector('[data-plot=rates].drawn canvas')")
        .await;
    assert_eq!(browser.complaints().await, [""; 0]);
}

/// The row with the focus stays where it is in the document, and keeps it, when a row before it goes.
pub(crate) async fn rows_go_and_the_focus_stays(scene: &Scene) {
    let (browser, redis) = (&scene.browser, &scene.fleet.redis);
    for queue in ["row-a", "row-b", "row-c"] {
        let job = Push::raw("Waits", "[\"row\"]").queue(queue);
        scene.fleet.client.send(job).await.unwrap();
    }
    browser.open(&scene.site.url("/queues")).await;
    let row = |name: &str| {
        format!(
            "[...document.querySelectorAll('[data-live=queues] tr')].find((row) => row.innerText.includes('{name}'))"
        )
    };
    browser.until(&row("row-c")).await;
    browser
        .until("document.querySelector('[data-dot].on')")
        .await;
    browser
        .run(&format!(
            "const row = {}; row.classList.add('current'); row.querySelector('form button').focus()",
            row("row-c")
        ))
        .await;
    let stays = format!(
        "{row}.contains({FOCUS}) && {row}.classList.contains('current')",
        row = row("row-c")
    );
    browser.until(&stays).await;
    redis.cli(&["DEL", "queue:row-a"]);
    redis.cli(&["SREM", "queues", "row-a"]);
    browser.until(&format!("!{}", row("row-a"))).await;
    browser.until(&stays).await;
    // Other ticks too, in which its number changes.
    let job = Push::raw("Waits", "[\"row\"]").queue("row-c");
    scene.fleet.client.send(job).await.unwrap();
    browser
        .until(&format!(
            "{stays} && {}.innerText.includes('2')",
            row("row-c")
        ))
        .await;
    for queue in ["row-b", "row-c"] {
        redis.cli(&["DEL", &format!("queue:{queue}")]);
        redis.cli(&["SREM", "queues", queue]);
    }
    assert_eq!(browser.complaints().await, [""; 0]);
}

/// A page whose dashboard is gone says so: what stands there is old.
pub(crate) async fn it_is_said_that_nobody_answers(scene: &Scene) {
    let browser = &scene.browser;
    // On threads of its own, so that its connections end with it.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let dashboard = of(&scene.fleet.redis);
    let other = runtime.spawn(Site::start(dashboard)).await.unwrap();
    browser.open(&other.url("/queues")).await;
    browser
        .until("document.querySelector('[data-dot].on')")
        .await;
    runtime.shutdown_background();
    browser
        .until("!document.querySelector('#lost').hidden")
        .await;
    browser.sees("sends no news").await;
}

pub(crate) async fn redis_restarts(scene: &Scene) {
    let (browser, redis) = (&scene.browser, &scene.fleet.redis);
    let away = "document.querySelector('[data-live=away] .notice')";
    browser.open(&scene.site.url("/")).await;
    browser
        .until("document.querySelector('[data-dot].on')")
        .await;
    browser.run("window.unreloaded = true").await;
    redis.kill9();
    browser.until(away).await;
    redis.restart();
    browser
        .until(&format!(
            "!{away} && document.querySelector('[data-dot].on') && window.unreloaded"
        ))
        .await;
    // A page that is opened in the middle of it.
    redis.kill9();
    browser.until(away).await;
    browser.open(&scene.site.url("/dead")).await;
    browser.until("document.querySelector('.trouble')").await;
    redis.restart();
    browser.sees("Broken").await;
    browser.until("!document.querySelector('.trouble')").await;
}
