//! Log lines as entries of systemd's journal.
//!
//! An event's message becomes `MESSAGE`, with the fields after it as text, its level `PRIORITY`, each of its fields a journal field of that name in capitals
//! (`study` → `STUDY`), its target `TARGET`, its place `CODE_FILE` and `CODE_LINE`. So `journalctl STUDY=…` finds what became of
//! one study. Nothing here decides what may be logged: who writes an event does.

#![forbid(unsafe_code)]

use std::fmt;
use std::io;

use log::kv::{self, Key, Value, VisitSource};
use systemd_journal_logger::{JournalLog, connected_to_journal};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Gives every event to the journal.
pub struct Journal(JournalLog);

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Journal")
    }
}

impl Journal {
    /// `None` where this process was not started with its standard error in the journal, or the journal cannot be reached: lines
    /// go to standard error then. `identifier` is what `journalctl -t` asks for.
    #[must_use]
    pub fn connect(identifier: &str) -> Option<Self> {
        connected_to_journal()
            .then(|| Self::open(identifier))
            .and_then(Result::ok)
    }

    fn open(identifier: &str) -> io::Result<Self> {
        Ok(Self(
            JournalLog::empty()?.with_syslog_identifier(identifier.to_owned()),
        ))
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let entry = Entry::of(event);
        let metadata = event.metadata();
        let mut record = log::Record::builder();
        record
            .level(level(*metadata.level()))
            .target(metadata.target())
            .module_path(metadata.module_path())
            .file(metadata.file())
            .line(metadata.line())
            .key_values(&entry.fields);
        // There is nowhere left to say that the journal is gone.
        let _ = self
            .0
            .journal_send(&record.args(format_args!("{}", entry.line())).build());
    }
}

fn level(level: Level) -> log::Level {
    match level {
        Level::ERROR => log::Level::Error,
        Level::WARN => log::Level::Warn,
        Level::INFO => log::Level::Info,
        Level::DEBUG => log::Level::Debug,
        Level::TRACE => log::Level::Trace,
    }
}

#[derive(Default)]
struct Entry {
    message: String,
    fields: Fields,
}

#[derive(Default)]
struct Fields(Vec<(&'static str, String)>);

impl Entry {
    fn of(event: &Event<'_>) -> Self {
        let mut entry = Self::default();
        event.record(&mut entry);
        entry
    }

    /// For who reads the journal as text, where fields are not shown: the message, and the fields after it.
    fn line(&self) -> String {
        let fields = self.fields.0.iter();
        fields.fold(self.message.clone(), |line, (name, value)| {
            format!("{line} {name}={value}")
        })
    }

    fn put(&mut self, field: &Field, value: String) {
        if field.name() == "message" {
            self.message = value;
        } else {
            self.fields.0.push((field.name(), value));
        }
    }
}

impl Visit for Entry {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }
}

impl kv::Source for Fields {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), kv::Error> {
        for (name, value) in &self.0 {
            visitor.visit_pair(Key::from_str(name), Value::from(value.as_str()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// Its message, its whole line, its fields.
    type Line = (String, String, Vec<(&'static str, String)>);

    /// What entries would be sent.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<Line>>>);

    impl<S: Subscriber> Layer<S> for Kept {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let entry = Entry::of(event);
            let line = entry.line();
            self.0.lock().unwrap().push((entry.message, line, entry.fields.0));
        }
    }

    #[test]
    fn a_message_is_apart_from_its_fields() {
        let kept = Kept::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(kept.clone()), || {
            tracing::warn!(study = "ab12", images = 3, error = %"no line", "Not sent.");
        });
        let entries = kept.0.lock().unwrap();
        let fields = vec![
            ("study", "ab12".to_owned()),
            ("images", "3".to_owned()),
            ("error", "no line".to_owned()),
        ];
        let line = "Not sent. study=ab12 images=3 error=no line".to_owned();
        assert_eq!(*entries, [("Not sent.".to_owned(), line, fields)]);
    }

    #[test]
    fn outside_of_a_service_there_is_no_journal() {
        // A test's standard error is a terminal, a file or a pipe, never the journal's own socket.
        assert!(Journal::connect("barefoot-test").is_none());
    }
}
