//! Logs go to the systemd journal where it is, else to standard error; the last lines also stay in memory.

use std::io::IsTerminal;

use systemd_journal_logger::JournalLog;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::recent_log::{Beside, RecentLayer};

/// Once, from `main`. `BAREFOOT_LOG` filters (`info` by default), in the syntax of `tracing`'s filters.
///
/// # Errors
/// When a logger is installed already.
pub fn start() -> anyhow::Result<()> {
    if std::env::var_os("JOURNAL_STREAM").is_some() && journal().is_ok() {
        return Ok(());
    }
    let filter = EnvFilter::try_from_env("BAREFOOT_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,sled=warn,tract=warn"));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .with(RecentLayer)
        .try_init()
        .map_err(|error| anyhow::anyhow!(error))
}

/// `tracing` events reach the journal through its `log` feature.
fn journal() -> anyhow::Result<()> {
    let journal = JournalLog::new()?.with_syslog_identifier("barefoot-edge".to_owned());
    log::set_boxed_logger(Box::new(Beside(journal)))?;
    log::set_max_level(log::LevelFilter::Info);
    Ok(())
}
