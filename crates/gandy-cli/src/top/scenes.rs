//! Screens as text, without a terminal: what is shown after which events, at two sizes, and what keys ask for.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use gandy::views::{ClassMetrics, Metrics};
use gandy::{JobInfo, Mark, Payload, Place, ProcessInfo, QueueInfo, RedisHealth, Totals, WorkInfo};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use super::draw::{Look, draw};
use super::event::{Act, Ask, Body, Effect, Event, Found, Seen};
use super::state::State;

const NOW: i64 = 1_795_398_104_597;
const SIZES: [(u16, u16); 2] = [(80, 24), (200, 50)];

fn key(code: KeyCode) -> Event {
    Event::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn job(place: Place, number: usize) -> Found {
    let hostile = if number == 1 {
        "\u{202e}\\u001b[31m日本"
    } else {
        ""
    };
    let json = format!(
        r#"{{"class":"Mailer::Digest{hostile}","args":[{number},12345678901234567890123,"hello"],"jid":"b5de70b63090decd{number:08}","queue":"mailers","created_at":{created},"enqueued_at":{created},"retry_count":{number},"error_class":"Net::ReadTimeout","error_message":"no reply\nin time","retry":true}}"#,
        created = NOW - 60_000
    );
    let at_ms = match place {
        Place::Queue(_) => None,
        Place::Dead => Some(NOW - 86_400_000 * number as i64),
        _ => Some(NOW + 61_000 * number as i64),
    };
    Found {
        job: JobInfo {
            place,
            bytes: json.clone().into_bytes(),
            at_ms,
            score: None,
            payload: Payload::parse(json.into_bytes()).map_err(|error| error.to_string()),
        },
        reason: None,
    }
}

fn garbage(place: Place) -> Found {
    Found {
        job: JobInfo {
            place,
            bytes: b"garbage \xff\x1b[2J".to_vec(),
            at_ms: Some(NOW),
            score: None,
            payload: Err("it is no JSON object".to_owned()),
        },
        reason: Some("it was larger than a worker reads".to_owned()),
    }
}

fn queues() -> Vec<QueueInfo> {
    let queue = |name: &str, size, seconds: u64, paused| QueueInfo {
        in_flight: 0,
        rate: None,
        name: name.to_owned(),
        size,
        latency: (size > 0).then(|| Duration::from_secs(seconds)),
        paused,
    };
    vec![
        queue("critical", 0, 0, false),
        queue("default", 1_234_567, 3_600, false),
        queue("mailers\u{1b}[31m", 12, 2, true),
    ]
}

fn processes() -> Vec<ProcessInfo> {
    let payload = String::from_utf8(job(Place::Retry, 7).job.bytes).unwrap();
    let entry =
        serde_json::json!({"queue": "mailers", "payload": payload, "run_at": NOW / 1000 - 90});
    vec![
        ProcessInfo {
            identity: "host-1:4711:0123456789ab".to_owned(),
            info: r#"{"hostname":"host-1","queues":["critical","default"],"pid":4711}"#.to_owned(),
            concurrency: 25,
            busy: 1,
            beat_ms: Some(NOW - 3_000),
            quiet: false,
            rss_kb: 46_000,
            rtt_us: 120,
            lease_ms: Some(12_000),
            classes: Vec::new(),
            work: vec![WorkInfo {
                id: "1".to_owned(),
                json: entry.to_string(),
            }],
        },
        ProcessInfo {
            identity: "host-2:1:ffffffffffff".to_owned(),
            info: String::new(),
            concurrency: 0,
            busy: 0,
            beat_ms: None,
            quiet: false,
            rss_kb: 0,
            rtt_us: 0,
            lease_ms: None,
            classes: Vec::new(),
            work: Vec::new(),
        },
    ]
}

fn metrics() -> Metrics {
    let class = |name: &str, pace: u64, failures, p50_ms: Option<f64>| ClassMetrics {
        class: name.to_owned(),
        runs: (0..60).map(|minute| minute * pace).sum(),
        failures,
        mean_ms: p50_ms.map(|ms| ms * 1.1),
        p50_ms,
        p95_ms: p50_ms.map(|ms| ms * 3.0),
        p99_ms: p50_ms.map(|ms| ms * 7.0),
        series: (0..60).map(|minute| minute * pace).collect(),
        failure_series: Vec::new(),
        histogram: Vec::new(),
    };
    Metrics {
        from_ms: NOW - 3_599_000,
        to_ms: NOW + 1_000,
        step: Duration::from_secs(60),
        series: Vec::new(),
        failure_series: Vec::new(),
        classes: vec![
            class("Mailer::Digest\u{1b}[31m", 700, 12, Some(8.25)),
            class("Reports::Monthly::Import", 1, 1_770, None),
            class("Thumbnails", 1, 0, Some(4_321.0)),
        ],
        left_out: 3,
        marks: vec![Mark {
            at_ms: NOW - 720_000,
            label: "v1.4.2".to_owned(),
        }],
    }
}

/// What Redis would say to this question; each place holds 120 jobs, the first of which is none.
fn answer(ask: &Ask, now_ms: i64, processed: u64) -> Event {
    let at = |place: &Place, from: usize, count: usize| {
        let numbers = from..(from + count).min(120);
        let found = numbers.map(|number| match number {
            0 => garbage(place.clone()),
            number => job(place.clone(), number),
        });
        found.collect()
    };
    let body = match ask {
        Ask::Queues => Body::Queues(queues()),
        Ask::Processes => Body::Processes(processes()),
        Ask::Metrics => Body::Metrics(Arc::new(metrics())),
        Ask::Page { place, from, count } => Body::Jobs {
            jobs: at(place, *from, *count),
            size: 120,
        },
        Ask::Front(place) => Body::Jobs {
            jobs: at(place, 0, 100),
            size: 120,
        },
    };
    Event::Seen(Box::new(Seen {
        now_ms,
        totals: Totals {
            processed,
            failed: 89,
            enqueued: 1_234_579,
            scheduled: 120,
            retries: 120,
            dead: 120,
            processes: 2,
            busy: 1,
            in_flight: 1,
        },
        health: RedisHealth {
            server: "Redis 7.0.15".to_owned(),
            pid: 1,
            uptime: Duration::from_secs(7_200),
            memory: 12 << 20,
            memory_max: 64 << 20,
            clients: 14,
            commands_per_second: 1_234,
            round_trip: Duration::from_micros(250),
        },
        ask: ask.clone(),
        body,
    }))
}

/// The model as a terminal of this size shows it, run by keys, each answered at once.
struct Scene {
    state: State,
    size: (u16, u16),
}

impl Scene {
    fn new(size: (u16, u16)) -> Self {
        let mut scene = Self {
            state: State::new("127.0.0.1:6379/0".to_owned(), size.1, NOW),
            size,
        };
        scene.read(NOW, 1_000_000);
        scene
    }

    fn read(&mut self, now_ms: i64, processed: u64) {
        let event = answer(&self.state.ask(), now_ms, processed);
        self.tell(event);
    }

    /// All effects but looks, which are answered.
    fn tell(&mut self, event: Event) -> Vec<Effect> {
        let mut others = Vec::new();
        let mut effects = self.state.update(event);
        while let Some(effect) = effects.pop() {
            match effect {
                Effect::Look(ask) => {
                    let now_ms = self.state.now_ms;
                    effects.extend(self.state.update(answer(&ask, now_ms, 1_000_000)));
                }
                other => others.push(other),
            }
        }
        others
    }

    fn press(&mut self, keys: &str) -> Vec<Effect> {
        let mut effects = Vec::new();
        for character in keys.chars() {
            effects.extend(self.tell(key(match character {
                '\n' => KeyCode::Enter,
                '\u{1b}' => KeyCode::Esc,
                '\t' => KeyCode::Tab,
                other => KeyCode::Char(other),
            })));
        }
        effects
    }

    fn terminal(&self, colour: bool) -> Terminal<TestBackend> {
        let mut terminal = Terminal::new(TestBackend::new(self.size.0, self.size.1)).unwrap();
        terminal
            .draw(|frame| draw(&self.state, frame, Look { colour }))
            .unwrap();
        terminal
    }

    fn shown(&self) -> String {
        let terminal = self.terminal(true);
        let buffer = terminal.backend().buffer();
        let mut text = String::new();
        for y in 0..self.size.1 {
            let mut line = String::new();
            let mut hidden = 0;
            for x in 0..self.size.0 {
                let symbol = buffer[(x, y)].symbol();
                // The second half of a wide character is an empty cell.
                if hidden == 0 {
                    line.push_str(symbol);
                    hidden = console::measure_text_width(symbol).saturating_sub(1);
                } else {
                    hidden -= 1;
                }
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

/// Compares with the file of this name, or writes it.
#[track_caller]
fn hold(name: &str, size: (u16, u16), shown: &str) {
    assert!(
        !shown.chars().any(|c| c.is_control() && c != '\n'),
        "{shown}"
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/top/scenes")
        .join(format!("{name}-{}x{}.txt", size.0, size.1));
    if std::env::var_os("GANDY_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, shown).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == shown,
        "{} is not what is shown now; look at it, then run GANDY_BLESS=1 cargo test -p gandy-cli scenes\n{shown}",
        path.display()
    );
}

#[test]
fn each_page_is_shown_at_80x24_and_200x50() {
    for size in SIZES {
        for (name, keys) in [
            ("overview", ""),
            ("queues", "2"),
            ("queue", "2jj\n"),
            ("busy", "3"),
            ("retries", "4jj"),
            ("scheduled", "5"),
            ("dead", "6"),
            ("processes", "7"),
            ("help", "?"),
            ("job", "4j\n"),
            ("not-a-job", "6\n"),
            ("running", "3\n"),
            ("delete", "6jd"),
            ("metrics", "8j"),
            ("class", "8\n"),
            ("filter", "4/error:Timeout attempt>90 -arg:95\n"),
            ("not-a-filter", "4/class:Mailer* age>\n"),
        ] {
            let mut scene = Scene::new(size);
            for second in 1..40 {
                scene.read(
                    NOW + 1000 * second,
                    1_000_000 + second as u64 * second as u64,
                );
            }
            scene.press(keys);
            hold(name, size, &scene.shown());
        }
    }
}

#[test]
fn while_redis_is_away_it_says_since_when_and_goes_on_by_itself() {
    for size in SIZES {
        let mut scene = Scene::new(size);
        for second in 0..12 {
            scene.tell(Event::Away {
                why: "Redis at 127.0.0.1:6379/0 cannot be reached".to_owned(),
                answers: false,
                now_ms: NOW + 1000 * second,
            });
        }
        hold("away", size, &scene.shown());
        scene.read(NOW + 13_000, 5);
        assert!(!scene.shown().contains("away"), "{}", scene.shown());
    }
    let fresh = Scene {
        state: State::new("h".to_owned(), 24, NOW),
        size: (80, 24),
    };
    assert!(fresh.shown().contains("connecting"), "{}", fresh.shown());
}

#[test]
fn any_size_is_drawn() {
    for keys in ["", "4", "4\n", "?", "7", "8", "8\n", "4jd", "4/age>"] {
        for (width, height) in [(1, 1), (5, 3), (20, 6), (40, 10), (79, 23), (300, 100)] {
            let mut scene = Scene::new((80, 24));
            scene.press(keys);
            scene.size = (width, height);
            scene.tell(Event::Resize(height));
            scene.shown();
        }
    }
}

#[test]
fn without_colour_there_is_none_and_the_choice_is_still_seen() {
    let mut scene = Scene::new((80, 24));
    scene.press("4");
    for colour in [false, true] {
        let terminal = scene.terminal(colour);
        let cells = terminal.backend().buffer().content();
        let coloured = cells
            .iter()
            .any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset);
        assert_eq!(coloured, colour);
        assert!(
            cells
                .iter()
                .any(|cell| cell.modifier.contains(ratatui::style::Modifier::REVERSED))
        );
    }
}

#[test]
fn keys_ask_for_acts_on_what_is_shown_and_dangerous_ones_only_after_yes() {
    let mut scene = Scene::new((80, 24));
    let jid = |effects: &[Effect]| match effects {
        [Effect::Act(Act::Retry(job) | Act::Delete(job) | Act::Bury(job))] => {
            job.payload.as_ref().unwrap().jid().to_owned()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(jid(&scene.press("4jjr")), "b5de70b63090decd00000002");
    assert!(scene.press("dn").is_empty(), "anything but y does nothing");
    assert!(scene.press("d\n").is_empty());
    let effects = scene.press("jdy");
    assert!(
        matches!(effects[..], [Effect::Act(Act::Delete(_))]),
        "{effects:?}"
    );
    assert_eq!(jid(&effects), "b5de70b63090decd00000003");
    let effects = scene.press("\nby");
    assert!(
        matches!(effects[..], [Effect::Act(Act::Bury(_))]),
        "{effects:?}"
    );
    let effects = scene.press("2jp");
    assert!(
        matches!(&effects[..], [Effect::Act(Act::Pause(name))] if name == "default"),
        "{effects:?}"
    );
    let effects = scene.press("jp");
    assert!(
        matches!(&effects[..], [Effect::Act(Act::Unpause(_))]),
        "{effects:?}"
    );
    let effects = scene.press("7Qy");
    assert!(
        matches!(&effects[..], [Effect::Act(Act::Quiet(name))] if name.starts_with("host-1")),
        "{effects:?}"
    );
    assert!(matches!(scene.press("Ty")[..], [Effect::Act(Act::Stop(_))]));
    // Nothing of it where it means nothing.
    assert!(scene.press("3rdbp2rdQT\nrQ").is_empty());
}

#[test]
fn lists_turn_by_pages_and_the_finger_stays_on_its_line() {
    let mut scene = Scene::new((80, 24));
    scene.press("4G");
    assert_eq!(scene.state.cursor, 119);
    assert!(
        scene.shown().contains("115-120 of 120"),
        "{}",
        scene.shown()
    );
    scene.press("g");
    assert!(scene.shown().contains("1-19 of 120"), "{}", scene.shown());
    // Other jobs leave above it.
    scene.press("jjjj");
    let ask = scene.state.ask();
    let Event::Seen(mut seen) = answer(&ask, NOW, 1_000_000) else {
        panic!()
    };
    let Body::Jobs { jobs, .. } = &mut seen.body else {
        panic!()
    };
    jobs.drain(..2);
    scene.tell(Event::Seen(seen));
    assert_eq!(scene.state.cursor, 2);
    let chosen = scene.state.chosen().unwrap();
    assert!(chosen.cells[0].ends_with("00000004"), "{chosen:?}");
}

#[test]
fn escape_closes_clears_goes_back_and_at_last_quits() {
    let mut scene = Scene::new((80, 24));
    let quits = |effects: &[Effect]| effects.iter().any(|effect| matches!(effect, Effect::Quit));
    scene.press("2\n/Digest\n\n");
    for _ in 0..3 {
        assert!(!quits(&scene.press("\u{1b}")));
    }
    assert!(scene.state.inside.is_none() && scene.state.filter.is_empty());
    assert!(quits(&scene.press("\u{1b}")));
    assert!(quits(&scene.press("q")));
    // While a filter is written, q is a letter; Ctrl-C never is.
    assert!(!quits(&scene.press("/q")));
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert!(quits(&scene.tell(Event::Key(control_c))));
    assert!(quits(&scene.tell(Event::End)));
}

#[test]
fn metrics_are_asked_for_only_while_their_tab_is_open() {
    let mut scene = Scene::new((80, 24));
    for tab in "12345678".chars() {
        scene.press(&tab.to_string());
        assert_eq!(scene.state.ask() == Ask::Metrics, tab == '8', "tab {tab}");
    }
    // The lines are classes: words find them, and no act is for them.
    scene.press("/DIGEST\n");
    let (rows, _) = scene.state.page();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert!(scene.press("rdbpQT").is_empty());
    scene.press("\u{1b}\t");
    assert_eq!(
        scene.state.ask(),
        Ask::Queues,
        "after the last is the first"
    );
}

#[test]
fn jobs_are_filtered_by_terms_and_what_is_no_filter_filters_nothing() {
    let mut scene = Scene::new((80, 24));
    let size = |scene: &Scene| scene.state.size();
    for tab in ["4", "5", "6", "2jj\n"] {
        scene.press(&format!("{tab}/arg:42"));
        assert_eq!(size(&scene), 1, "{}", scene.shown());
        // Not yet a term: all of the place, and Enter does not leave the line, or r would be for a job not meant.
        scene.press(" attempt>\nr");
        assert!(scene.state.typing && scene.state.filter.ends_with("attempt>r"));
        assert_eq!(size(&scene), 120, "{}", scene.shown());
        assert!(
            scene.shown().contains("write attempt>3"),
            "{}",
            scene.shown()
        );
        scene.press("\u{1b}");
        assert!(!scene.state.typing && scene.state.filter.is_empty());
    }
    // What runs is a job; a process is none.
    scene.press("3/arg:7");
    assert_eq!(size(&scene), 1);
    scene.press(" age>1h\n");
    assert_eq!(size(&scene), 0);
    assert!(scene.shown().contains("no job fits"), "{}", scene.shown());
    scene.press("7/arg:7\n");
    assert_eq!(size(&scene), 0);
    assert!(scene.shown().contains("nothing holds"), "{}", scene.shown());
}
