//! Every act by its button, and what Redis holds afterwards.

use std::time::Duration;

use gandy_tests::wait_until_async;
use gandy_web::{Access, Credentials, Role};

use crate::Scene;
use crate::browser::DEADLINE;
use crate::live::ENTER;
use crate::support::{Site, of};

/// A set's page that shows this class alone.
fn only(set: &str, class: &str) -> String {
    format!("/{set}?filter=class:{class}")
}

impl Scene {
    async fn open(&self, path: &str) {
        self.browser.open(&self.site.url(path)).await;
    }

    /// Opens a page anew until it has this.
    async fn open_until(&self, path: &str, selector: &str) {
        let found = format!("return !!document.querySelector(\"{selector}\")");
        wait_until_async(DEADLINE, selector, async || {
            self.open(path).await;
            self.browser.run(&found).await == true
        })
        .await;
    }

    /// Marks the first rows of the page.
    async fn mark(&self, rows: usize) {
        for row in 1..=rows {
            let box_ = format!("tr[data-row]:nth-child({row}) input[name=entry]");
            self.browser.click(&box_).await;
        }
        self.browser
            .until(&format!(
                "document.querySelector('[data-selected]').textContent.includes('{rows} selected')"
            ))
            .await;
    }

    /// The button of a list that does this with the rows that are marked.
    async fn act_on_marked(&self, act: &str) {
        self.browser
            .click(&format!("[data-needs-selection][formaction$='/{act}']"))
            .await;
        if act == "delete" {
            self.browser.accept().await;
        }
        self.told().await;
    }

    /// Until the page says that an act has been done.
    async fn told(&self) {
        self.browser
            .until("document.querySelector('.notice.good')")
            .await;
    }

    async fn until_held(&self, key: &str, class: &str, wanted: usize) {
        let what = format!("{wanted} {class} in {key}");
        self.fleet
            .until(&what, || self.fleet.jids(key, class).len() == wanted)
            .await;
    }

    /// The page of an act on all that match: what it counts, and its button.
    async fn go_through(&self, counted: usize) {
        self.browser
            .until("location.pathname.startsWith('/acts/')")
            .await;
        self.browser.sees(&counted.to_string()).await;
        self.browser.click("form[action$='/start'] button").await;
        self.browser
            .until("document.querySelector('main .tag.good')")
            .await;
    }
}

pub(crate) async fn queues(scene: &Scene) {
    let (browser, fleet) = (&scene.browser, &scene.fleet);
    scene.open("/queues").await;
    browser.click("[action$='/queues/held/pause'] button").await;
    fleet.until_count(&["SISMEMBER", "paused", "held"], 1).await;
    scene.told().await;
    // Pages share one look at Redis, but not one from before the act.
    let unpause = "[action$='/queues/held/unpause'] button";
    let offers = format!("return !!document.querySelector(\"{unpause}\")");
    assert_eq!(browser.run(&offers).await, true);
    scene.open("/queues/held").await;
    browser.click(unpause).await;
    fleet.until_count(&["SISMEMBER", "paused", "held"], 0).await;
    scene.told().await;
    let first: Vec<String> = fleet.jids("queue:held", "Waits");
    scene.mark(2).await;
    scene.act_on_marked("delete").await;
    // The two that would have run next, and no other.
    assert_eq!(fleet.jids("queue:held", "Waits"), first[..28]);
    scene.open("/queues/held").await;
    scene.mark(1).await;
    browser.click("input[name=to]").await;
    // Enter moves; the first button that is seen deletes.
    browser.keys(&format!("other{ENTER}")).await;
    scene.told().await;
    assert_eq!(fleet.jids("queue:other", "Waits"), first[27..28]);
    scene.open("/queues/held").await;
    browser.click("input[name=to]").await;
    browser.keys("other").await;
    browser.click("[name=all][formaction$='/move']").await;
    scene.go_through(27).await;
    scene.until_held("queue:other", "Waits", 28).await;
    scene.open("/queues/other").await;
    browser
        .click("[action$='/queues/other/clear'] button")
        .await;
    scene.go_through(28).await;
    fleet.until_count(&["EXISTS", "queue:other"], 0).await;
    fleet
        .until_count(&["SISMEMBER", "queues", "other"], 0)
        .await;
}

/// By plain HTTP under a name, where browsers say of a form that is sent nothing but its origin; they withheld that as long as
/// pages forbade every referrer, and no act worked.
pub(crate) async fn under_a_name(scene: &Scene) {
    let (browser, redis) = (&scene.browser, &scene.fleet.redis);
    let credentials = Credentials::new()
        .user("ann", "correct-horse-battery", Role::Operator)
        .unwrap();
    let dashboard = of(redis).access(Access::credentials(credentials));
    let site = Site::start(dashboard).await;
    let port = site.address.port();
    browser
        .open(&format!(
            "http://ann:correct-horse-battery@dash.test:{port}/queues/held"
        ))
        .await;
    browser.sees("held").await;
    for (act, paused) in [("pause", 1), ("unpause", 0)] {
        browser
            .click(&format!("[action$='/queues/held/{act}'] button"))
            .await;
        scene
            .fleet
            .until_count(&["SISMEMBER", "paused", "held"], paused)
            .await;
    }
    assert_eq!(browser.complaints().await, [""; 0]);
}

pub(crate) async fn push(scene: &Scene) {
    let browser = &scene.browser;
    scene.open("/queues/held").await;
    browser.click("a[href$='/push?queue=held']").await;
    // What the fleet runs and holds is offered.
    browser
        .until("document.querySelector('#classes option[value=Fine]') && document.querySelector('#queues option[value=held]')")
        .await;
    browser.click("#class").await;
    browser.keys("ByHand").await;
    browser
        .run("document.querySelector('#args').value = '[9007199254740993, \"é\"]'")
        .await;
    browser.click("main form button.main").await;
    scene.told().await;
    let job = scene.fleet.redis.cli(&["LINDEX", "queue:held", "0"]);
    assert!(
        job.contains("\"class\":\"ByHand\"") && job.contains("[9007199254740993"),
        "{job}"
    );
}

/// The answer to an act that could not be done is not loaded again by itself: a reload of it acts once more. One click pushed
/// a job twice, and 27 times a second while Redis was full.
pub(crate) async fn push_once(scene: &Scene) {
    let (browser, redis) = (&scene.browser, &scene.fleet.redis);
    scene.open("/push?queue=once&class=Once").await;
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    browser.click("main form button.main").await;
    browser.until("document.querySelector('.trouble')").await;
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    // It reloads no sooner and no later than pages do that are shown again: the next look.
    browser.run("window.unreloaded = true").await;
    let again = "!window.unreloaded";
    assert!(!browser.becomes(again, Duration::from_secs(3)).await);
    assert_eq!(redis.cli(&["LLEN", "queue:once"]).trim(), "0");
}

pub(crate) async fn retries(scene: &Scene) {
    let fleet = &scene.fleet;
    scene.open(&only("retries", "Fails")).await;
    scene.mark(1).await;
    scene.act_on_marked("retry").await;
    // It ran, and failed once more.
    let failed_twice = || {
        let jobs = fleet.redis.cli(&["ZRANGE", "retry", "0", "-1"]);
        jobs.lines()
            .any(|job| job.contains("Fails") && job.contains("retried_at"))
    };
    fleet.until("its second run", failed_twice).await;
    scene.open(&only("retries", "Fails")).await;
    scene.mark(2).await;
    scene.act_on_marked("bury").await;
    assert_eq!(fleet.jids("retry", "Fails").len(), 4);
    assert_eq!(fleet.jids("dead", "Fails").len(), 2);
    scene.open(&only("retries", "Fails")).await;
    scene.mark(1).await;
    scene.act_on_marked("delete").await;
    assert_eq!(fleet.jids("retry", "Fails").len(), 3);
    assert_eq!(fleet.jids("dead", "Fails").len(), 2);
}

pub(crate) async fn all_that_match(scene: &Scene) {
    let fleet = &scene.fleet;
    let others = fleet.jids("dead", "Breaks").len();
    scene.open(&only("dead", "Fails")).await;
    scene
        .browser
        .click("[name=all][formaction$='/delete']")
        .await;
    scene.go_through(2).await;
    scene.until_held("dead", "Fails", 0).await;
    assert_eq!(fleet.jids("dead", "Breaks").len(), others);
    scene.open(&only("retries", "Fails")).await;
    scene.browser.click("[name=all][formaction$='/bury']").await;
    scene.go_through(3).await;
    scene.until_held("dead", "Fails", 3).await;
    scene.open(&only("dead", "Fails")).await;
    scene
        .browser
        .click("[name=all][formaction$='/retry']")
        .await;
    scene.go_through(3).await;
    scene.until_held("retry", "Fails", 3).await;
}

pub(crate) async fn scheduled_and_dead(scene: &Scene) {
    let fleet = &scene.fleet;
    for (act, left) in [("retry", 5), ("bury", 4), ("delete", 3)] {
        scene.open(&only("scheduled", "Later")).await;
        scene.mark(1).await;
        scene.act_on_marked(act).await;
        assert_eq!(fleet.jids("schedule", "Later").len(), left, "{act}");
    }
    assert_eq!(fleet.jids("queue:held", "Later").len(), 1);
    assert_eq!(fleet.jids("dead", "Later").len(), 1);
    let breaks = || {
        let dead = fleet.redis.cli(&["ZRANGE", "dead", "0", "-1"]);
        dead.lines()
            .filter(|job| job.contains("Breaks"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let before = breaks();
    scene.open(&only("dead", "Breaks")).await;
    scene.mark(1).await;
    scene.act_on_marked("retry").await;
    // It ran, and died again of the same.
    fleet
        .until("its second death", || {
            breaks().len() == 6 && breaks() != before
        })
        .await;
    scene.open(&only("dead", "Breaks")).await;
    scene.mark(1).await;
    scene.act_on_marked("delete").await;
    assert_eq!(breaks().len(), 5);
}

pub(crate) async fn job(scene: &Scene) {
    let (browser, fleet) = (&scene.browser, &scene.fleet);
    let jid = fleet.jids("schedule", "Later").remove(0);
    let page = format!("/jobs/{jid}");
    let at = |key: &str| fleet.jids(key, "Later").contains(&jid);
    scene.open(&page).await;
    browser
        .click(&format!("[action$='/jobs/{jid}/bury'] button"))
        .await;
    fleet
        .until("it in dead", || at("dead") && !at("schedule"))
        .await;
    scene.open(&page).await;
    browser
        .click(&format!("[action$='/jobs/{jid}/retry'] button"))
        .await;
    fleet
        .until("it in its queue", || at("queue:held") && !at("dead"))
        .await;
    scene.open(&page).await;
    browser.click("a[href*='/push?']").await;
    browser
        .until(
            "document.querySelector('#class').value === 'Later' && location.pathname === '/push'",
        )
        .await;
    scene.open(&page).await;
    browser
        .click(&format!("[action$='/jobs/{jid}/delete'] button"))
        .await;
    browser.accept().await;
    fleet.until("its end", || !at("queue:held")).await;
    scene.open(&page).await;
    browser.sees("Not found").await;
}

pub(crate) async fn doctor(scene: &Scene) {
    scene.fleet.redis.cli(&["SREM", "queues", "held"]);
    // What it has found is kept for some seconds.
    let fix = "form[action$='/doctor/unlisted-queue'] button";
    scene.open_until("/doctor", fix).await;
    scene.browser.click(fix).await;
    scene.browser.accept().await;
    scene
        .fleet
        .until_count(&["SISMEMBER", "queues", "held"], 1)
        .await;
    scene.told().await;
}

/// Last, since it ends the fleet.
pub(crate) async fn busy(scene: &Scene) {
    let (browser, fleet) = (&scene.browser, &scene.fleet);
    scene.open("/busy").await;
    let nap = fleet.running();
    let cancel = format!("form[action$='/jobs/{nap}/cancel'] button");
    browser.click(&cancel).await;
    browser.accept().await;
    scene.until_held("dead", "Nap", 1).await;
    scene.open("/busy").await;
    browser
        // Which process it is stands in its row.
        .run("for (const row of document.querySelectorAll('tr[data-key]')) if (row.innerText.includes('spare')) window.spare = row.dataset.key")
        .await;
    let spare = browser
        .run("return window.spare")
        .await
        .as_str()
        .unwrap()
        .to_owned();
    let button = |signal: &str| {
        format!(
            "tr[data-key='{spare}'] button[formaction$='/{signal}'], tr[data-key='{spare}'] form[action$='/{signal}'] button:not([formaction])"
        )
    };
    browser.click(&button("quiet")).await;
    browser.accept().await;
    scene.told().await;
    browser
        .until(&format!(
            "document.querySelector(\"tr[data-key='{spare}']\").innerText.includes('quiet')"
        ))
        .await;
    browser.click(&button("stop")).await;
    browser.accept().await;
    browser
        .until(&format!(
            "!document.querySelector(\"tr[data-key='{spare}']\")"
        ))
        .await;
    if fleet.has_ruby() {
        browser
            .click("form[action$='/processes/all/stop'] button")
            .await;
    } else {
        browser
            .click("tr[data-key] button[formaction$='/stop']")
            .await;
    }
    browser.accept().await;
    fleet.until_ended().await;
}
