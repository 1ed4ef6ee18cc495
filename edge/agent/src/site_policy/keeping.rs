use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use ring::digest;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Minors, Policy, SitePolicy, UnknownAge};
use crate::audit::{Action, Actor, Audit, Entry};
use crate::durable;
use crate::study_folder::hex;

const FILE: &str = "policy.toml";
/// How often it is looked whether the command has changed the file.
const LOOK: Duration = Duration::from_secs(2);
/// Stands in the audit log for a box without a file.
const NO_FILE: &str = "none";

/// Where the policy that holds comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// There is no file, and never was.
    Absent,
    Kept,
    /// The file cannot be read, or is gone though there was one.
    Lost,
}

/// The policy that holds; cheap to clone, all clones see a change at once.
#[derive(Debug, Clone)]
pub(crate) struct PolicyHandle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: Option<PathBuf>,
    known: RwLock<Known>,
    writing: Mutex<()>,
    revision: watch::Sender<u64>,
}

#[derive(Debug, Clone)]
struct Known {
    policy: Arc<SitePolicy>,
    /// The beginning of its file's SHA-256.
    fingerprint: String,
    origin: Origin,
    stamp: Option<(u64, i64)>,
}

impl PolicyHandle {
    /// One that does not change, for tests and simulations.
    #[must_use]
    pub(crate) fn fixed(policy: SitePolicy) -> Self {
        let known = Known {
            policy: Arc::new(policy),
            fingerprint: NO_FILE.to_owned(),
            origin: Origin::Kept,
            stamp: None,
        };
        Self::with(None, known)
    }

    /// What is learnt alone, of adults: for rounds without the rest of the box.
    #[must_use]
    pub(crate) fn of_learning(learning: Option<Policy>) -> Self {
        Self::fixed(SitePolicy {
            learning,
            minors: Minors {
                unknown_age: UnknownAge::Adult,
                ..Minors::default()
            },
            ..SitePolicy::care_only()
        })
    }

    fn with(path: Option<PathBuf>, known: Known) -> Self {
        Self(Arc::new(Inner {
            path,
            known: RwLock::new(known),
            writing: Mutex::new(()),
            revision: watch::Sender::new(0),
        }))
    }

    /// The one in this state directory, whose keys are unlocked. One that cannot be read lets nothing but results leave, and
    /// is no error: images come first.
    #[must_use]
    pub(crate) fn open(state: &Path) -> Self {
        let path = state.join(FILE);
        let known = look(&path);
        Self::with(Some(path), known)
    }

    #[must_use]
    pub(crate) fn get(&self) -> Arc<SitePolicy> {
        Arc::clone(&self.known().policy)
    }

    #[must_use]
    pub(crate) fn origin(&self) -> Origin {
        self.known().origin
    }

    /// Tells two policies apart, in the audit log and between two looks of a page.
    #[must_use]
    pub(crate) fn fingerprint(&self) -> String {
        self.known().fingerprint
    }

    /// Changes with each change.
    #[must_use]
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.0.revision.subscribe()
    }

    /// Writes the policy anew; after `Ok` it survives a power cut and holds. `None`: it was changed since `before`, and
    /// nothing was done. Blocking.
    ///
    /// # Errors
    /// When the disk fails: the old one holds.
    pub(crate) fn change(&self, before: &str, policy: SitePolicy) -> io::Result<Option<String>> {
        let _alone = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(path) = &self.0.path else {
            return Err(io::Error::other("this policy is nobody's file"));
        };
        // The command may have been faster than the next look.
        if stamp(path) != self.known().stamp {
            self.hold(look(path));
        }
        if self.fingerprint() != before {
            return Ok(None);
        }
        let known = write(path, policy)?;
        let fingerprint = known.fingerprint.clone();
        self.hold(known);
        Ok(Some(fingerprint))
    }

    /// As [`Self::change`], for who has not looked before.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn replace(&self, policy: SitePolicy) -> io::Result<String> {
        let changed = self.change(&self.fingerprint(), policy)?;
        changed.ok_or_else(|| io::Error::other("it was changed meanwhile"))
    }

    /// What [`Self::fingerprint`] will say of it.
    #[must_use]
    pub(crate) fn fingerprint_of(policy: &SitePolicy) -> String {
        toml::to_string(policy).map_or_else(|_| String::new(), |text| fingerprint(text.as_bytes()))
    }

    fn known(&self) -> Known {
        self.0
            .known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn hold(&self, known: Known) {
        *self.0.known.write().unwrap_or_else(PoisonError::into_inner) = known;
        self.0.revision.send_modify(|revision| *revision += 1);
    }

    /// The daemon begins: what holds is written into the audit log, and what is not as the log left it is told.
    pub(crate) fn begin(&self, audit: &Audit) {
        let last = audit.last_subject(&[Action::PolicyHolds, Action::PolicyChanged]);
        let known = self.known();
        let there_was = last.as_deref().is_some_and(|last| last != NO_FILE);
        if known.origin == Origin::Absent && there_was {
            tracing::error!(
                "The policy's file is gone: nothing but results leaves until a manager has saved one."
            );
            self.hold(lost(known.stamp));
        }
        let details = match last {
            Some(last) if last != known.fingerprint => format!("not as the log left it: {last}"),
            _ => String::new(),
        };
        if !details.is_empty() && there_was {
            tracing::error!(
                policy = known.fingerprint,
                "The policy is another than the one that was saved last: a manager must look."
            );
        }
        self.tell(audit, &details);
    }

    fn tell(&self, audit: &Audit, details: &str) {
        let entry = Entry::new(Actor::Daemon("policy"), Action::PolicyHolds);
        audit.record(entry.subject(&self.fingerprint()).details(details));
    }

    /// Takes up what the command writes, until `shutdown`.
    pub(crate) async fn run(self, audit: Audit, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            let (this, audit) = (self.clone(), audit.clone());
            let _ = tokio::task::spawn_blocking(move || this.look_again(&audit)).await;
        }
    }

    fn look_again(&self, audit: &Audit) {
        let _alone = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(path) = &self.0.path else { return };
        let known = self.known();
        if stamp(path) == known.stamp {
            return;
        }
        let mut now = look(path);
        if now.origin == Origin::Absent {
            now = lost(now.stamp);
        }
        if now.origin == Origin::Lost {
            tracing::error!(
                "The policy cannot be read any more: nothing but results leaves until a manager has saved one."
            );
        }
        let is_another = now.fingerprint != known.fingerprint;
        self.hold(now);
        if is_another {
            tracing::info!(policy = self.fingerprint(), "Another policy holds.");
            self.tell(audit, "changed beside the page");
        }
    }
}

fn stamp(path: &Path) -> Option<(u64, i64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.mtime_nsec()))
}

fn lost(stamp: Option<(u64, i64)>) -> Known {
    Known {
        policy: Arc::new(SitePolicy::results_only()),
        fingerprint: "lost".to_owned(),
        origin: Origin::Lost,
        stamp,
    }
}

fn look(path: &Path) -> Known {
    let stamp = stamp(path);
    if stamp.is_none() && !path.exists() {
        return Known {
            policy: Arc::new(SitePolicy::care_only()),
            fingerprint: NO_FILE.to_owned(),
            origin: Origin::Absent,
            stamp: None,
        };
    }
    let kept = || -> Option<Known> {
        // Only what was sealed by this box is a policy: a plain file is somebody else's.
        if crate::at_rest::of(path).is_some() && crate::at_rest::is_plain(path).ok()? {
            return None;
        }
        let bytes = durable::read(path).ok().flatten()?;
        Some(Known {
            policy: Arc::new(read(&bytes)?),
            fingerprint: fingerprint(&bytes),
            origin: Origin::Kept,
            stamp,
        })
    };
    kept().unwrap_or_else(|| lost(stamp))
}

/// What a file says that can hold.
pub(crate) fn read(file: &[u8]) -> Option<SitePolicy> {
    let policy: SitePolicy = toml::from_str(std::str::from_utf8(file).ok()?).ok()?;
    policy.check().ok()?;
    Some(policy)
}

fn write(path: &Path, policy: SitePolicy) -> io::Result<Known> {
    policy.check().map_err(io::Error::other)?;
    let text = toml::to_string(&policy).map_err(io::Error::other)?;
    durable::replace(path, text.as_bytes())?;
    Ok(Known {
        policy: Arc::new(policy),
        fingerprint: fingerprint(text.as_bytes()),
        origin: Origin::Kept,
        stamp: stamp(path),
    })
}

fn fingerprint(bytes: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, bytes);
    hex(digest.as_ref().iter().take(8))
}

#[cfg(test)]
mod tests;
