//! Which scanners may send: the site file's list, and those the clinic allowed with one click.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::self_test::TestIntake;

use crate::study_folder::sync_directory;

/// The most unknown callers remembered for the page; further ones push out the oldest.
const MAX_STRANGERS: usize = 32;

/// A caller that was turned away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stranger {
    pub ae_title: String,
    pub address: IpAddr,
    pub last_seen_ms: i64,
    pub attempts: u32,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct AllowedFile {
    allowed: BTreeSet<String>,
}

#[derive(Debug)]
struct Inner {
    accept_all: bool,
    configured: BTreeSet<String>,
    allowed: BTreeSet<String>,
    strangers: BTreeMap<String, Stranger>,
}

/// The scanner policy; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Scanners {
    inner: Arc<Mutex<Inner>>,
    file: PathBuf,
    revision: watch::Sender<u64>,
    /// The box's own tests call too.
    tests: TestIntake,
}

impl Scanners {
    /// `file` keeps the scanners allowed by click.
    ///
    /// # Errors
    /// When the file is there but cannot be read as what it is.
    pub(crate) fn open(
        file: PathBuf,
        configured: impl IntoIterator<Item = String>,
        accept_all: bool,
    ) -> io::Result<Self> {
        let allowed = match fs::read(&file) {
            Ok(bytes) => {
                serde_json::from_slice::<AllowedFile>(&bytes)
                    .map_err(io::Error::other)?
                    .allowed
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeSet::new(),
            Err(error) => return Err(error),
        };
        let inner = Inner {
            accept_all,
            configured: configured.into_iter().collect(),
            allowed,
            strangers: BTreeMap::new(),
        };
        Ok(Self {
            inner: Arc::new(Mutex::new(inner)),
            file,
            revision: watch::Sender::new(0),
            tests: TestIntake::default(),
        })
    }

    /// A test of the box itself may send while it runs.
    pub(crate) fn with_tests(self, tests: TestIntake) -> Self {
        Self { tests, ..self }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this caller may send. One that may not is remembered, so that the clinic can allow it.
    #[must_use]
    pub(crate) fn admit(&self, ae_title: &str, address: IpAddr, now_ms: i64) -> bool {
        if self.tests.knows(ae_title) {
            return true;
        }
        let mut inner = self.lock();
        if inner.accept_all || inner.configured.contains(ae_title) || inner.allowed.contains(ae_title) {
            return true;
        }
        let known = inner.strangers.contains_key(ae_title);
        if !known && MAX_STRANGERS <= inner.strangers.len() {
            let oldest = inner
                .strangers
                .values()
                .min_by_key(|s| s.last_seen_ms)
                .map(|s| s.ae_title.clone());
            if let Some(oldest) = oldest {
                inner.strangers.remove(&oldest);
            }
        }
        let stranger = inner
            .strangers
            .entry(ae_title.to_owned())
            .or_insert_with(|| Stranger {
                ae_title: ae_title.to_owned(),
                address,
                last_seen_ms: now_ms,
                attempts: 0,
            });
        stranger.attempts = stranger.attempts.saturating_add(1);
        stranger.last_seen_ms = now_ms;
        stranger.address = address;
        drop(inner);
        self.revision.send_modify(|revision| *revision += 1);
        false
    }

    /// Callers turned away, the latest first.
    #[must_use]
    pub(crate) fn strangers(&self) -> Vec<Stranger> {
        let mut all: Vec<_> = self.lock().strangers.values().cloned().collect();
        all.sort_by_key(|stranger| std::cmp::Reverse(stranger.last_seen_ms));
        all
    }

    /// Lets a caller that was turned away in from now on. `false` when nobody of that title has called.
    ///
    /// # Errors
    /// When the decision cannot be written down; nothing is changed then.
    pub(crate) fn allow(&self, ae_title: &str) -> io::Result<bool> {
        let mut inner = self.lock();
        if !inner.strangers.contains_key(ae_title) {
            return Ok(false);
        }
        let mut allowed = inner.allowed.clone();
        allowed.insert(ae_title.to_owned());
        write_durably(
            &self.file,
            &AllowedFile {
                allowed: allowed.clone(),
            },
        )?;
        inner.allowed = allowed;
        inner.strangers.remove(ae_title);
        drop(inner);
        self.revision.send_modify(|revision| *revision += 1);
        Ok(true)
    }

    /// Changes when a stranger calls or is let in.
    #[must_use]
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }
}

fn write_durably(path: &Path, content: &AllowedFile) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let bytes = serde_json::to_vec_pretty(content).map_err(io::Error::other)?;
    let mut file = fs::File::create(&temporary)?;
    io::Write::write_all(&mut file, &bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn a_stranger_is_refused_until_allowed_and_stays_allowed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("scanners.json");
        let open = || Scanners::open(file.clone(), ["KNOWN".to_owned()], false).unwrap();
        let scanners = open();
        assert!(scanners.admit("KNOWN", HERE, 1));
        assert!(!scanners.admit("NEW", HERE, 2));
        assert!(!scanners.admit("NEW", HERE, 3));
        assert_eq!(scanners.strangers().len(), 1);
        assert_eq!(scanners.strangers()[0].attempts, 2);
        assert!(!scanners.allow("NEVER_CALLED").unwrap());
        assert!(scanners.allow("NEW").unwrap());
        assert!(scanners.admit("NEW", HERE, 4));
        assert!(scanners.strangers().is_empty());
        assert!(open().admit("NEW", HERE, 5), "the decision survives a restart");
    }

    #[test]
    fn many_strangers_do_not_grow_without_bound() {
        let dir = tempfile::tempdir().unwrap();
        let scanners = Scanners::open(dir.path().join("s.json"), [], false).unwrap();
        for n in 0..1000 {
            assert!(!scanners.admit(&format!("AE{n}"), HERE, n));
        }
        assert_eq!(scanners.strangers().len(), MAX_STRANGERS);
        assert_eq!(scanners.strangers()[0].ae_title, "AE999");
    }
}
