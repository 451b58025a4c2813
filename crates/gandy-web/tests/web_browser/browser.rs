//! A real browser: chromium, steered through chromedriver by the few verbs of WebDriver that the tests need.
//!
//! Belongs here: what a person does and sees. Does not belong here: what it means for the dashboard.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::{Value, json};

/// For a page to show what it should. A heartbeat takes 5 s, and the machine may be busy.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
/// How often it is looked at meanwhile.
const PACE: Duration = Duration::from_millis(40);
/// What WebDriver calls an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// What chromium is started with: no window, no look-ups of hosts of its maker's, nothing kept.
const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    // A name as a dashboard has within a company, by plain HTTP.
    "--host-resolver-rules=MAP dash.test 127.0.0.1",
];

/// One browser with one window. It ends with this.
#[derive(Debug)]
pub(crate) struct Browser {
    driver: Child,
    session: String,
    client: Client,
    // Chromium writes into it until it ends.
    profile: tempfile::TempDir,
}

impl Browser {
    /// `None` after saying so where there is no chromedriver; `CHROMEDRIVER` may name it.
    pub(crate) async fn start(test: &str) -> Option<Self> {
        let program = std::env::var("CHROMEDRIVER")
            .ok()
            .filter(|program| !program.is_empty())
            .unwrap_or_else(|| "chromedriver".to_owned());
        let spawned = Command::new(&program)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut driver = match spawned {
            Ok(driver) => driver,
            Err(error) => {
                // Past libtest, which keeps to itself what a passing test prints with eprintln.
                let _ = writeln!(
                    std::io::stderr(),
                    "SKIPPED: {test}: no {program} ({error}). scripts/test installs it where a package exists."
                );
                return None;
            }
        };
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next().expect("chromedriver says its port").unwrap();
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        // What it says later is nobody's concern, but it must not stop at a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let profile = tempfile::tempdir().unwrap();
        crate::support::choose_crypto();
        let mut browser = Self {
            driver,
            session: format!("http://127.0.0.1:{port}/session"),
            client: Client::builder().no_proxy().build().unwrap(),
            profile,
        };
        browser.open_session().await;
        Some(browser)
    }

    async fn open_session(&mut self) {
        let profile = format!("--user-data-dir={}", self.profile.path().display());
        let flags: Vec<&str> = FLAGS.iter().copied().chain([&*profile]).collect();
        let wish = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": flags},
            "goog:loggingPrefs": {"browser": "ALL"},
            // A page that is asked "really?" waits for `accept`.
            "unhandledPromptBehavior": "ignore",
            "timeouts": {"pageLoad": 20_000, "script": 20_000},
        }}});
        let answer = self.send(Method::POST, "", Some(&wish)).await.unwrap();
        self.session = format!("{}/{}", self.session, answer["sessionId"].as_str().unwrap());
        self.size(1280, 800).await;
    }

    /// One command; the error is WebDriver's own words.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, String> {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.session));
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let good = answer.status().is_success();
        let text = answer.text().await.map_err(|error| error.to_string())?;
        let mut whole: Value = serde_json::from_str(&text).map_err(|_| text)?;
        let value = whole["value"].take();
        if good {
            Ok(value)
        } else {
            Err(value["message"].to_string())
        }
    }

    #[track_caller]
    fn must(outcome: Result<Value, String>, what: &str) -> Value {
        outcome.unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    pub(crate) async fn open(&self, url: &str) {
        let outcome = self
            .send(Method::POST, "/url", Some(&json!({ "url": url })))
            .await;
        Self::must(outcome, url);
    }

    /// The value of a JavaScript function's body, run in the page. The page's own policy does not hold for it.
    pub(crate) async fn run(&self, script: &str) -> Value {
        Self::must(self.try_run(script).await, script)
    }

    async fn try_run(&self, script: &str) -> Result<Value, String> {
        let body = json!({"script": script, "args": []});
        self.send(Method::POST, "/execute/sync", Some(&body)).await
    }

    /// A promise's value.
    pub(crate) async fn run_to_end(&self, script: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1]; (async () => {{ {script} }})().then(done, (error) => done(String(error)));"
        );
        let body = json!({"script": script, "args": []});
        let outcome = self.send(Method::POST, "/execute/async", Some(&body)).await;
        Self::must(outcome, &script)
    }

    /// Until the expression is true in the page that is open then.
    ///
    /// # Panics
    /// After the deadline, with what the page shows.
    pub(crate) async fn until(&self, expression: &str) {
        if !self.becomes(expression, DEADLINE).await {
            let shown = self
                .try_run("return location.href + '\\n' + document.body.innerText")
                .await;
            panic!("not within {DEADLINE:?}: {expression}\n{shown:?}");
        }
    }

    /// Whether the expression is true within this time in the page that is open then.
    pub(crate) async fn becomes(&self, expression: &str, within: Duration) -> bool {
        let begun = Instant::now();
        let script = format!("return !!({expression})");
        // An error is a page that is just being left.
        while self.try_run(&script).await != Ok(Value::Bool(true)) {
            if begun.elapsed() > within {
                return false;
            }
            tokio::time::sleep(PACE).await;
        }
        true
    }

    /// Until the page's main part shows this text.
    pub(crate) async fn sees(&self, text: &str) {
        let text = Value::from(text);
        self.until(&format!(
            "document.readyState !== 'loading' && document.querySelector('main').innerText.includes({text})"
        ))
        .await;
    }

    /// A person's click: on what is visible, at its place, once it is there and can be clicked.
    pub(crate) async fn click(&self, selector: &str) {
        let begun = Instant::now();
        loop {
            match self.try_click(selector).await {
                Ok(_) => return,
                Err(error) => assert!(begun.elapsed() < DEADLINE, "click on {selector}: {error}"),
            }
            tokio::time::sleep(PACE).await;
        }
    }

    async fn try_click(&self, selector: &str) -> Result<Value, String> {
        let wish = json!({"using": "css selector", "value": selector});
        let found = self.send(Method::POST, "/element", Some(&wish)).await?;
        let id = found[ELEMENT].as_str().unwrap_or_default();
        self.send(
            Method::POST,
            &format!("/element/{id}/click"),
            Some(&json!({})),
        )
        .await
    }

    /// Yes to a "really?".
    pub(crate) async fn accept(&self) {
        let outcome = self
            .send(Method::POST, "/alert/accept", Some(&json!({})))
            .await;
        Self::must(outcome, "the question before the act");
    }

    /// Keys as a person types them, to whatever has the focus.
    pub(crate) async fn keys(&self, keys: &str) {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| {
                [
                    json!({"type": "keyDown", "value": key}),
                    json!({"type": "keyUp", "value": key}),
                ]
            })
            .collect();
        let body = json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]});
        Self::must(self.send(Method::POST, "/actions", Some(&body)).await, keys);
    }

    /// What of the viewport pages get to see.
    pub(crate) async fn size(&self, width: u32, height: u32) {
        let params = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.devtools("Emulation.setDeviceMetricsOverride", params)
            .await;
    }

    /// What the system of who looks prefers: `light` or `dark`.
    pub(crate) async fn prefer(&self, scheme: &str) {
        let feature = json!({"name": "prefers-color-scheme", "value": scheme});
        self.devtools(
            "Emulation.setEmulatedMedia",
            json!({ "features": [feature] }),
        )
        .await;
    }

    async fn devtools(&self, command: &str, params: Value) {
        let body = json!({"cmd": command, "params": params});
        let outcome = self
            .send(Method::POST, "/goog/cdp/execute", Some(&body))
            .await;
        Self::must(outcome, command);
    }

    /// What was written into the console since the last look, warnings and errors.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self
            .send(Method::POST, "/se/log", Some(&json!({"type": "browser"})))
            .await;
        let log = Self::must(log, "the console");
        let serious = |line: &&Value| matches!(line["level"].as_str(), Some("SEVERE" | "WARNING"));
        let all = log.as_array().unwrap();
        all.iter()
            .filter(serious)
            .map(|line| line["message"].to_string())
            .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A driver that is told to end ends its browser; one that is killed leaves it running.
        let port = self
            .session
            .split('/')
            .nth(2)
            .unwrap_or_default()
            .to_owned();
        if let Ok(mut line) = std::net::TcpStream::connect(&port) {
            let path = self.session.split_once(&port).map_or("/", |(_, path)| path);
            let _ = line.set_read_timeout(Some(Duration::from_secs(5)));
            let _ = write!(
                line,
                "DELETE {path} HTTP/1.1\r\nHost: {port}\r\nConnection: close\r\n\r\n"
            );
            let _ = std::io::copy(&mut line, &mut std::io::sink());
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
