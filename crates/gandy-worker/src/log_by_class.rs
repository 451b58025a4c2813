//! Log lines of classes that have a level of their own in the configuration.

use std::collections::BTreeMap;
use std::fmt::Debug;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Context, Filter};

/// The lines of a class that has a level of its own go by that, whatever the other filter says; all others by the other.
#[derive(Debug)]
pub struct ByClass {
    /// The other filter.
    pub filter: EnvFilter,
    /// Levels by class.
    pub classes: BTreeMap<String, LevelFilter>,
}

impl ByClass {
    /// The most that any class wants.
    fn most(&self) -> LevelFilter {
        self.classes
            .values()
            .copied()
            .max()
            .unwrap_or(LevelFilter::OFF)
    }

    /// Whether this may be a line of a class that wants it.
    fn may_be_of_class(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && *metadata.level() <= self.most()
            && metadata.target().starts_with("gandy")
            && metadata.fields().field("class").is_some()
    }
}

impl<S: Subscriber> Filter<S> for ByClass {
    fn enabled(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        self.may_be_of_class(metadata) || Filter::enabled(&self.filter, metadata, context)
    }

    fn event_enabled(&self, event: &Event<'_>, context: &Context<'_, S>) -> bool {
        let mut class = Class::default();
        event.record(&mut class);
        let level = class.0.as_ref().and_then(|class| self.classes.get(class));
        match level {
            Some(level) => event.metadata().level() <= level,
            None => Filter::enabled(&self.filter, event.metadata(), context),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let other = Filter::<S>::max_level_hint(&self.filter)?;
        Some(other.max(self.most()))
    }
}

/// The field `class` of an event.
#[derive(Default)]
struct Class(Option<String>);

impl Visit for Class {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "class" {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
    use tracing_subscriber::{Registry, fmt};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(filter: &str) -> Vec<String> {
        let classes = [("Loud", LevelFilter::DEBUG), ("Quiet", LevelFilter::OFF)];
        let filter = ByClass {
            filter: EnvFilter::new(filter),
            classes: classes.map(|(name, level)| (name.to_owned(), level)).into(),
        };
        let sink = Sink::default();
        let written = sink.clone();
        let layer = fmt::layer()
            .without_time()
            .with_ansi(false)
            .with_target(false)
            .with_writer(move || sink.clone());
        let all = Registry::default().with(layer.with_filter(filter));
        tracing::subscriber::with_default(all, || {
            for class in ["Loud", "Quiet", "Other"] {
                tracing::info!(target: "gandy::run", class, "done");
                tracing::debug!(target: "gandy::run", class, "more");
            }
            tracing::info!(target: "gandy", "joined");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }

    #[test]
    fn a_class_has_as_many_lines_as_its_table_says() {
        let all = [
            r#"INFO done class="Loud""#,
            r#"DEBUG more class="Loud""#,
            r#"INFO done class="Other""#,
            "INFO joined",
        ];
        assert_eq!(lines("info"), all);
        assert_eq!(lines("warn"), all[..2]);
    }
}
