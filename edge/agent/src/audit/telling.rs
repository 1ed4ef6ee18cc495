//! The log as an audit record repository is told of it, and how far that has come: `audit/told`.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use barefoot_audit::{Forwarding, Log, Logged, Mark, Source, Standing};
use barefoot_trust::TlsIdentity;
use barefoot_trust::audit::read_hash;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::Audit;
use crate::at_rest;
use crate::error_chain::chain;

const FILE: &str = "told";

#[derive(Serialize, Deserialize)]
struct Kept {
    number: u64,
    hash: String,
}

/// Reads the log for the repository.
#[derive(Debug)]
struct Told {
    audit: Audit,
    file: PathBuf,
    /// As it is on the disk; the outer `None` before it was read.
    mark: Arc<Mutex<Option<Option<Mark>>>>,
}

impl Told {
    fn new(audit: Audit) -> Self {
        let file = audit.book().store.folder().join(FILE);
        Self {
            audit,
            file,
            mark: Arc::default(),
        }
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Audit) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let audit = self.audit.clone();
        let done = tokio::task::spawn_blocking(move || work(&audit)).await;
        done.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

impl Log for Told {
    type Error = io::Error;

    async fn behind(&self, number: u64, most: usize) -> io::Result<Vec<Logged>> {
        self.with(move |audit| audit.book().store.behind(number, most))
            .await
    }

    async fn newest(&self) -> io::Result<u64> {
        self.with(|audit| audit.book().store.newest()).await
    }

    async fn mark(&self) -> io::Result<Option<Mark>> {
        let known = *self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mark) = known {
            return Ok(mark);
        }
        let (file, mark) = (self.file.clone(), Arc::clone(&self.mark));
        self.with(move |audit| {
            let found = read(&file)?;
            let found = match found {
                Some(found) if !audit.book().store.holds(found)? => {
                    tracing::warn!(
                        "The audit log is another than the repository was told: it is told all of it."
                    );
                    None
                }
                found => found,
            };
            audit.book().store.told_until(found.map_or(0, |mark| mark.number));
            *mark.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
            Ok(found)
        })
        .await
    }

    async fn keep(&self, reached: Mark) -> io::Result<()> {
        let (file, mark) = (self.file.clone(), Arc::clone(&self.mark));
        self.with(move |audit| {
            let kept = Kept {
                number: reached.number,
                hash: reached.hash.iter().map(|byte| format!("{byte:02x}")).collect(),
            };
            at_rest::replace(&file, &serde_json::to_vec(&kept)?)?;
            audit.book().store.told_until(reached.number);
            *mark.lock().unwrap_or_else(PoisonError::into_inner) = Some(Some(reached));
            Ok(())
        })
        .await
    }
}

/// A mark that cannot be read is none: then all is told again.
fn read(file: &std::path::Path) -> io::Result<Option<Mark>> {
    let bytes = match at_rest::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let kept: Option<Kept> = serde_json::from_slice(&bytes).ok();
    Ok(kept.and_then(|kept| {
        Some(Mark {
            number: kept.number,
            hash: read_hash(&kept.hash)?,
        })
    }))
}

impl Audit {
    /// Tells a repository of the log until `shutdown`; where there is none, nothing. Settings that cannot be used stop no
    /// daemon: the page's status says so.
    pub(crate) async fn tell(
        self,
        to: Option<barefoot_audit::Config>,
        source: Source,
        identity: Arc<TlsIdentity>,
        standing: Standing,
        shutdown: CancellationToken,
    ) {
        if let Some(config) = to {
            // Until it is known how far the repository is nothing is removed.
            self.book().store.told_until(0);
            match Forwarding::new(Told::new(self), config, source, &identity, standing.clone()) {
                Ok(forwarding) => return forwarding.run(shutdown).await,
                Err(error) => {
                    let reason = chain(&error);
                    tracing::error!(reason, "The audit record repository cannot be told anything.");
                    standing.cannot(reason);
                }
            }
        }
        shutdown.cancelled().await;
    }
}
