//! Logs go to the systemd journal where it is, with their fields as journal fields, else to standard error; the last lines also
//! stay in memory.

use std::io::IsTerminal;

use barefoot_journal::Journal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::recent_log::RecentLayer;

/// Once, from `main`. `BAREFOOT_LOG` filters (`info` by default), in the syntax of `tracing`'s filters.
///
/// # Errors
/// When a logger is installed already.
pub fn start() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_env("BAREFOOT_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,sled=warn,tract=warn"));
    let journal = Journal::connect("barefoot-edge");
    let lines = journal.is_none().then(|| {
        tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
    });
    tracing_subscriber::registry()
        .with(filter)
        .with(journal)
        .with(lines)
        .with(RecentLayer)
        .try_init()
        .map_err(|error| anyhow::anyhow!(error))
}
