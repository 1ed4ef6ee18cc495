use std::time::Duration;

use crate::Shutdown;
use crate::archive::Archive;
use crate::clock::now_ms;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// How often old ids are looked for. The first look waits too: a start has better things to do.
const PERIOD: Duration = Duration::from_secs(60 * 60);

/// Forgets the ids of duplicates `keep_days` after they came. A result and its own id stay as long as the archive, and so
/// does the rule that a version of a case has one content: whoever sends a forgotten duplicate again is still told that it
/// is here.
pub(crate) async fn forget_duplicates(archive: Archive, keep_days: u32, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = shutdown.triggered() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
        let before_ms = now_ms() - i64::from(keep_days) * DAY_MS;
        loop {
            match archive.forget_duplicates(before_ms).await {
                Ok(0) => break,
                Ok(forgotten) => tracing::debug!(forgotten, "Old ids of duplicates were forgotten."),
                Err(error) => {
                    tracing::warn!(%error, "Old ids of duplicates could not be forgotten; it is tried again.");
                    break;
                }
            }
        }
    }
}
