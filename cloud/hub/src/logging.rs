//! Logs go to the systemd journal when it runs us, with their fields as journal fields, else to stderr.

use barefoot_journal::Journal;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt as stderr_format};

/// `RUST_LOG` chooses what is logged; by default everything from INFO up.
pub(crate) fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    match Journal::connect("barefoot-hub") {
        Some(journal) => registry.with(journal).init(),
        None => registry
            .with(stderr_format::layer().with_writer(std::io::stderr))
            .init(),
    }
}
