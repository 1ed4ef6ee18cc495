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
use crate::clock::now_ms;
use crate::durable;
use crate::study_folder::hex;

const FILE: &str = "policy.toml";
/// How often it is looked whether the command has changed the file.
const LOOK: Duration = Duration::from_secs(2);
/// Stands in the audit log for a box without a file.
const NO_FILE: &str = "none";
/// The first line of the file, a comment to TOML: rises with each change.
const REVISION: &str = "# Revision ";

/// Where the policy that holds comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// There is no file, and never was.
    Absent,
    Kept,
    /// The file cannot be read, or is gone though there was one.
    Lost,
    /// The file is one from before the last change.
    Older,
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
    /// Its revision, and the beginning of its file's SHA-256.
    fingerprint: String,
    /// The highest that is known; 0 for files of older versions.
    revision: u64,
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
            revision: 0,
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
            self.hold(look_after(path, &self.known()));
        }
        if self.fingerprint() != before {
            return Ok(None);
        }
        let known = self.next(policy)?.write(path)?;
        let fingerprint = known.fingerprint.clone();
        self.hold(known);
        Ok(Some(fingerprint))
    }

    /// What the file would be with this policy.
    ///
    /// # Errors
    /// When the policy cannot be.
    pub(super) fn next(&self, policy: SitePolicy) -> io::Result<Next> {
        Next::of(policy, self.known().revision)
    }

    /// Puts it in the place of the one that holds. Blocking.
    ///
    /// # Errors
    /// When the disk fails: the old one holds.
    pub(super) fn put(&self, next: Next) -> io::Result<()> {
        let _alone = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(path) = &self.0.path else {
            return Err(io::Error::other("this policy is nobody's file"));
        };
        self.hold(next.write(path)?);
        Ok(())
    }

    /// Tells what a policy says from what others say, before it is a file.
    #[must_use]
    pub(crate) fn fingerprint_of(policy: &SitePolicy) -> String {
        toml::to_string(policy).map_or_else(|_| String::new(), |text| fingerprint(0, text.as_bytes()))
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

    /// The daemon begins: what holds is written into the audit log, and what is not as the log left it is told. A policy from
    /// before the last one that the log knows does not hold.
    pub(crate) fn begin(&self, audit: &Audit) {
        let last = audit.last_subject(&[Action::PolicyHolds, Action::PolicyChanged]);
        let known = self.known();
        let there_was = last.as_deref().is_some_and(|last| last != NO_FILE);
        let newest = last.as_deref().map_or(0, revision_of);
        if known.origin == Origin::Absent && there_was {
            tracing::error!(
                "The policy's file is gone: nothing but results leaves until a manager has saved one."
            );
            self.hold(nothing(Origin::Lost, newest, known.stamp));
        } else if known.revision < newest {
            let origin = match known.origin {
                Origin::Lost => Origin::Lost,
                Origin::Absent | Origin::Kept | Origin::Older => Origin::Older,
            };
            self.hold(nothing(origin, newest, known.stamp));
        }
        let fingerprint = self.fingerprint();
        let details = match last {
            Some(last) if last != fingerprint => format!("not as the log left it: {last}"),
            _ => String::new(),
        };
        if !details.is_empty() && there_was {
            tracing::error!(
                policy = fingerprint,
                "The policy is another than the one that was saved last: a manager must look. An older one does not hold."
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
        let now = look_after(path, &known);
        match now.origin {
            Origin::Absent | Origin::Kept => {}
            Origin::Lost => tracing::error!(
                "The policy cannot be read any more: nothing but results leaves until a manager has saved one."
            ),
            Origin::Older => tracing::error!(
                "An older policy was put back: nothing but results leaves until a manager has saved one."
            ),
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

/// What holds where no policy can be believed, or only an older one than `revision` is there.
fn nothing(origin: Origin, revision: u64, stamp: Option<(u64, i64)>) -> Known {
    let word = match origin {
        Origin::Older => "older",
        Origin::Absent | Origin::Kept | Origin::Lost => "lost",
    };
    Known {
        policy: Arc::new(SitePolicy::results_only()),
        fingerprint: with_revision(revision, word),
        revision,
        origin,
        stamp,
    }
}

/// What the file says now that it is another than `before`.
fn look_after(path: &Path, before: &Known) -> Known {
    let now = look(path);
    match now.origin {
        Origin::Kept if before.revision <= now.revision => now,
        Origin::Kept | Origin::Older => nothing(Origin::Older, before.revision, now.stamp),
        Origin::Absent if before.origin == Origin::Absent => now,
        Origin::Absent | Origin::Lost => nothing(Origin::Lost, before.revision, now.stamp),
    }
}

fn look(path: &Path) -> Known {
    let stamp = stamp(path);
    if stamp.is_none() && !path.exists() {
        return Known {
            policy: Arc::new(SitePolicy::care_only()),
            fingerprint: NO_FILE.to_owned(),
            revision: 0,
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
        let revision = revision_in(&bytes);
        Some(Known {
            policy: Arc::new(read(&bytes)?),
            fingerprint: fingerprint(revision, &bytes),
            revision,
            origin: Origin::Kept,
            stamp,
        })
    };
    kept().unwrap_or_else(|| nothing(Origin::Lost, 0, stamp))
}

/// What a file says that can hold.
pub(crate) fn read(file: &[u8]) -> Option<SitePolicy> {
    let policy: SitePolicy = toml::from_str(std::str::from_utf8(file).ok()?).ok()?;
    policy.check().ok()?;
    Some(policy)
}

/// A policy on its way into the file.
pub(super) struct Next {
    policy: SitePolicy,
    text: String,
    revision: u64,
}

impl Next {
    /// Its revision is above `after`, and above every other one that was ever written here as long as the clock goes on: who
    /// writes need not know what the log does.
    fn of(policy: SitePolicy, after: u64) -> io::Result<Self> {
        policy.check().map_err(io::Error::other)?;
        let revision = u64::try_from(now_ms())
            .unwrap_or_default()
            .max(after.saturating_add(1));
        let text = toml::to_string(&policy).map_err(io::Error::other)?;
        Ok(Self {
            policy,
            text: format!("{REVISION}{revision}\n{text}"),
            revision,
        })
    }

    /// What [`PolicyHandle::fingerprint`] will say of it.
    pub(super) fn fingerprint(&self) -> String {
        fingerprint(self.revision, self.text.as_bytes())
    }

    fn write(self, path: &Path) -> io::Result<Known> {
        durable::replace(path, self.text.as_bytes())?;
        Ok(Known {
            fingerprint: self.fingerprint(),
            policy: Arc::new(self.policy),
            revision: self.revision,
            origin: Origin::Kept,
            stamp: stamp(path),
        })
    }
}

fn fingerprint(revision: u64, bytes: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, bytes);
    with_revision(revision, &hex(digest.as_ref().iter().take(8)))
}

fn with_revision(revision: u64, word: &str) -> String {
    match revision {
        0 => word.to_owned(),
        _ => format!("{revision}-{word}"),
    }
}

/// Of a fingerprint, as the log has it.
fn revision_of(fingerprint: &str) -> u64 {
    let before = fingerprint.split_once('-').map(|(revision, _)| revision);
    before.and_then(|revision| revision.parse().ok()).unwrap_or(0)
}

/// Of a file.
fn revision_in(file: &[u8]) -> u64 {
    let said = std::str::from_utf8(file)
        .ok()
        .and_then(|text| text.strip_prefix(REVISION)?.lines().next());
    said.and_then(|revision| revision.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
