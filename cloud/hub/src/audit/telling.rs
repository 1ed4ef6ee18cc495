//! The log as an audit record repository is told of it.

use std::sync::Arc;

use barefoot_audit::{Config, Forwarding, Log, Logged, Mark, Source, Standing};
use barefoot_trust::TlsIdentity;

use super::Audit;
use crate::Shutdown;
use crate::archive::{self, Archive};

#[derive(Debug)]
struct Told(Archive);

impl Log for Told {
    type Error = archive::Error;

    async fn behind(&self, number: u64, most: usize) -> Result<Vec<Logged>, archive::Error> {
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let stored = self
            .0
            .audit_from(number.saturating_add(1), u64::MAX, most)
            .await?;
        let logged = stored.into_iter().map(|stored| Logged {
            entry: stored.entry,
            hash: stored.hash,
        });
        Ok(logged.collect())
    }

    async fn newest(&self) -> Result<u64, archive::Error> {
        self.0.newest_audit().await
    }

    async fn mark(&self) -> Result<Option<Mark>, archive::Error> {
        let Some((number, hash)) = self.0.audit_told().await? else {
            return Ok(None);
        };
        // A database that was put back from a backup may have gone on with other entries.
        let found = self.0.audit_from(number, number, 1).await?;
        let holds = found.first().is_some_and(|stored| stored.hash == hash);
        Ok(holds.then_some(Mark { number, hash }))
    }

    async fn keep(&self, mark: Mark) -> Result<(), archive::Error> {
        self.0.put_audit_told(mark.number, mark.hash).await
    }
}

/// Tells a repository of the hub's log until the shutdown; where there is none, nothing. Settings that cannot be used stop no
/// hub: the auditor's page and the metrics say so.
pub(crate) async fn tell(
    audit: Audit,
    to: Option<Config>,
    identity: Arc<TlsIdentity>,
    standing: Standing,
    shutdown: Shutdown,
) {
    if let Some(config) = to {
        match Forwarding::new(
            Told(audit.archive),
            config,
            Source::of_hub(),
            &identity,
            standing.clone(),
        ) {
            Ok(forwarding) => return forwarding.run(shutdown.token()).await,
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "The audit record repository cannot be told anything.");
                standing.cannot(error.to_string());
            }
        }
    }
    shutdown.triggered().await;
}
