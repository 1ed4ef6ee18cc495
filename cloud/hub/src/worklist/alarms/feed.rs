use bytes::Bytes;
use tokio::sync::watch;

use super::body;
use crate::archive::{Alarm, Archive, Error};
use crate::changes::Changes;

/// Read at once.
const MOST: u32 = 64;

/// What a listener hears first reaches so far back, whether another took it or not: whoever was cut off for a while has
/// missed nothing.
const RECENT_MS: i64 = 60 * 60 * 1000;

/// Alarms for whoever listens by MQTT: each until somebody has taken it, so once or, after a crash in between, twice; its
/// number tells. A handle; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct AlarmFeed {
    archive: Archive,
    changes: Changes,
}

/// An alarm as it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) number: i64,
    pub(crate) payload: Bytes,
}

impl AlarmFeed {
    pub(crate) fn new(archive: Archive, changes: Changes) -> Self {
        Self { archive, changes }
    }

    /// Fires when there may be another one.
    pub(crate) fn changed(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// What nobody has taken yet, the oldest first.
    pub(crate) async fn untaken(&self) -> Result<Vec<Published>, Error> {
        Ok(published(&self.archive.unpublished_alarms(MOST).await?))
    }

    /// The next ones after `heard` for a listener who began at `began_ms`, the oldest first, at most `most` of them.
    pub(crate) async fn after(
        &self,
        heard: i64,
        began_ms: i64,
        most: usize,
    ) -> Result<Vec<Published>, Error> {
        let most = u32::try_from(most).unwrap_or(MOST).min(MOST);
        let since_ms = began_ms.saturating_sub(RECENT_MS);
        Ok(published(
            &self.archive.alarms_after(heard, since_ms, most).await?,
        ))
    }

    /// Somebody has it.
    pub(crate) async fn taken(&self, number: i64) -> Result<(), Error> {
        self.archive.alarm_published(number).await
    }
}

fn published(alarms: &[Alarm]) -> Vec<Published> {
    let one = |alarm: &Alarm| Published {
        number: alarm.number,
        payload: body(alarm).into(),
    };
    alarms.iter().map(one).collect()
}
