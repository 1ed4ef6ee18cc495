//! The secrets of secure aggregation do not outlive their use, and what they were used for is remembered.
//!
//! While an attempt lasts its secrets lie on disk in the clear, readable by the daemon alone: whoever reads them there reads
//! the clinic's examples beside them. What protects earlier rounds is that they are gone. An attempt is over when this
//! clinic has answered its last question and the hub asks something else, when its run has gone on to another attempt, or
//! when the hub has been silent about it for too long.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::folder::{Attempt, ROUNDS, Reply, SECAGG, Store, UNMASKED, run_name};
use crate::durable;
use crate::local_training::ReleaseId;

const END: &str = "end";

impl Store {
    /// Removes the secrets of attempts that are over; `current` is the one the hub asks about.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn forget_old_secrets(&self, current: Option<&ReleaseId>, now_ms: i64) -> io::Result<()> {
        let asked = current.map(|id| (self.attempt(id).directory, run_name(&id.run)));
        for entry in fs::read_dir(self.root.join(ROUNDS))? {
            let (name, path) = {
                let entry = entry?;
                (entry.file_name(), entry.path())
            };
            let of_run = |run: &String| name.to_str().is_some_and(|name| name.starts_with(run.as_str()));
            let moved_on = match &asked {
                Some((directory, _)) if *directory == path => continue,
                Some((_, run)) => of_run(run),
                None => false,
            };
            let secrets = path.join(SECAGG);
            if fs::exists(&secrets)? && (moved_on || is_over(&path, now_ms)?) {
                durable::destroy(&secrets)?;
            }
        }
        Ok(())
    }

    /// Writes down that this clinic helps to unmask a sum of the round; only after `Ok` may it.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn keep_unmasked(&self, id: &ReleaseId) -> io::Result<()> {
        if self.was_unmasked(id)? {
            return Ok(());
        }
        durable::replace(&self.unmasked(id), &id.round.to_le_bytes())
    }

    /// Whether this clinic helped to unmask a sum of the round, in whichever attempt, or of a later one of the run.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn was_unmasked(&self, id: &ReleaseId) -> io::Result<bool> {
        let path = self.unmasked(id);
        let Some(newest) = durable::read(&path)? else {
            // One that is damaged says of no round that it was not.
            return fs::exists(&path);
        };
        let newest = newest.as_slice().try_into().ok().map(u32::from_le_bytes);
        Ok(newest.is_none_or(|newest| id.round <= newest))
    }

    fn unmasked(&self, id: &ReleaseId) -> PathBuf {
        self.root.join(UNMASKED).join(run_name(&id.run))
    }
}

impl Attempt {
    /// From this moment on, Unix milliseconds, the attempt is over if the hub has not asked again.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn keep_end(&self, end_ms: i64) -> io::Result<()> {
        durable::replace(&self.directory.join(END), &end_ms.to_le_bytes())
    }
}

fn is_over(attempt: &Path, now_ms: i64) -> io::Result<bool> {
    if fs::exists(attempt.join(Reply::Unmask.file()))? {
        return Ok(true);
    }
    let end = durable::read(&attempt.join(END))?;
    let end = end.and_then(|end| end.as_slice().try_into().ok().map(i64::from_le_bytes));
    Ok(end.is_none_or(|end| end <= now_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(run: &str, round: u32, attempt: u32) -> ReleaseId {
        ReleaseId {
            run: run.to_owned(),
            round,
            attempt,
        }
    }

    fn with_secrets(store: &Store, id: &ReleaseId) -> Attempt {
        let attempt = store.enter(id).unwrap();
        attempt.keep_secagg(b"secret").unwrap();
        attempt.keep_end(1000).unwrap();
        attempt
    }

    fn has_secrets(attempt: &Attempt) -> bool {
        attempt.secagg().unwrap().is_some()
    }

    #[test]
    fn secrets_go_when_their_attempt_is_over_and_not_before() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let (one, other) = (id("one", 1, 1), id("other", 1, 1));
        let attempt = with_secrets(&store, &one);
        for current in [None, Some(&one), Some(&other)] {
            store.forget_old_secrets(current, 999).unwrap();
            assert!(has_secrets(&attempt), "{current:?}");
        }
        // However late, while the hub asks about it.
        store.forget_old_secrets(Some(&one), 5000).unwrap();
        assert!(has_secrets(&attempt));
        store.forget_old_secrets(None, 1000).unwrap();
        assert!(!has_secrets(&attempt));
        // The run has gone on without this clinic.
        let attempt = with_secrets(&store, &one);
        store.forget_old_secrets(Some(&id("one", 1, 2)), 0).unwrap();
        assert!(!has_secrets(&attempt));
        // The last question was answered; the hub asks something else.
        let attempt = with_secrets(&store, &one);
        let reply = barefoot_wire::v1::UnmaskReply::default();
        attempt.keep_reply(Reply::Unmask, &reply).unwrap();
        store.forget_old_secrets(Some(&one), 0).unwrap();
        assert!(has_secrets(&attempt));
        store.forget_old_secrets(None, 0).unwrap();
        assert!(!has_secrets(&attempt));
    }

    #[test]
    fn what_was_unmasked_is_known_over_attempts_and_restarts() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        assert!(!store.was_unmasked(&id("run", 2, 1)).unwrap());
        store.keep_unmasked(&id("run", 2, 1)).unwrap();
        store.keep_unmasked(&id("run", 1, 1)).unwrap();
        let store = Store::open(root.path()).unwrap();
        let found = [(1, 1), (2, 1), (2, 7), (3, 1)]
            .map(|(round, attempt)| store.was_unmasked(&id("run", round, attempt)).unwrap());
        assert_eq!(found, [true, true, true, false]);
        assert!(!store.was_unmasked(&id("other", 1, 1)).unwrap());
        let file = store.unmasked(&id("run", 1, 1));
        fs::write(file, b"damaged").unwrap();
        assert!(store.was_unmasked(&id("run", 9, 1)).unwrap());
    }
}
