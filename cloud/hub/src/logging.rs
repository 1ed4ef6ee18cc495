//! Logs go to the systemd journal when it runs us, with their fields as journal fields, else to stderr.

use std::fmt;

use log::kv::{self, Key, Value, VisitSource};
use systemd_journal_logger::{JournalLog, connected_to_journal};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt as stderr_format};

/// `RUST_LOG` chooses what is logged; by default everything from INFO up.
pub(crate) fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let journal = connected_to_journal().then(JournalLog::new).and_then(Result::ok);
    let registry = tracing_subscriber::registry().with(filter);
    match journal {
        Some(journal) => registry.with(Journal(journal)).init(),
        None => registry
            .with(stderr_format::layer().with_writer(std::io::stderr))
            .init(),
    }
}

struct Journal(JournalLog);

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut entry = Entry::default();
        event.record(&mut entry);
        let metadata = event.metadata();
        let mut record = log::Record::builder();
        record
            .level(match *metadata.level() {
                Level::ERROR => log::Level::Error,
                Level::WARN => log::Level::Warn,
                Level::INFO => log::Level::Info,
                Level::DEBUG => log::Level::Debug,
                Level::TRACE => log::Level::Trace,
            })
            .target(metadata.target())
            .module_path(metadata.module_path())
            .file(metadata.file())
            .line(metadata.line())
            .key_values(&entry.fields);
        // There is nowhere left to say that the journal is gone.
        let _ = self
            .0
            .journal_send(&record.args(format_args!("{}", entry.message)).build());
    }
}

#[derive(Default)]
struct Entry {
    message: String,
    fields: Fields,
}

#[derive(Default)]
struct Fields(Vec<(&'static str, String)>);

impl Visit for Entry {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }
}

impl Entry {
    fn put(&mut self, field: &Field, value: String) {
        if field.name() == "message" {
            self.message = value;
        } else {
            self.fields.0.push((field.name(), value));
        }
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
