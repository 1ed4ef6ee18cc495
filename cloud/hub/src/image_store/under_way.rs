//! Commits under way. A large case takes longer than a box waits: each runs in a task of its own, and a box that asks again
//! joins it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use barefoot_domain::{CaseId, ClinicId};
use barefoot_wire::images::{ImageSet, ImageSetResult, encode_image_set};
use ring::digest::{SHA256, digest};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Error, ImageStore};

/// Of one clinic at once; a box asks for one at a time.
const MOST_PER_CLINIC: usize = 8;

/// A version that is refused altogether stands in no table and its objects are gone. Its answer waits so long for a box
/// that hung up before it, or everything would be sent again.
const REMEMBERED: Duration = Duration::from_secs(15 * 60);

/// What a commit came to; see [`ImageStore::commit`].
pub(super) type Outcome = Result<Option<ImageSetResult>, Error>;

type Key = (ClinicId, CaseId, u32);
type Waiting = watch::Receiver<Option<Arc<Outcome>>>;

#[derive(Debug, Clone, Default)]
pub(super) struct UnderWay(Arc<Mutex<HashMap<Key, Commit>>>);

#[derive(Debug)]
struct Commit {
    /// Hash of the set that was asked for.
    set: Vec<u8>,
    outcome: Waiting,
    /// Since when this is over and only remembered.
    refused: Option<Instant>,
}

enum Joined {
    New(Running),
    /// The same set is under way or remembered.
    Same(Waiting),
    /// Another set of the same version is under way; it comes first.
    Other(Waiting),
    Full,
}

/// A commit's task has it. Dropped, also by a panic, it makes room for another attempt.
struct Running {
    key: Key,
    outcome: watch::Sender<Option<Arc<Outcome>>>,
    under_way: UnderWay,
}

impl ImageStore {
    /// Commits all images of a version, once: asked again, it answers what it answered. Whether anybody waits for it or not,
    /// it runs to its end. `None`: they are too large.
    pub(super) async fn commit(
        &self,
        clinic: &ClinicId,
        case: &CaseId,
        version: u32,
        set: ImageSet,
    ) -> Arc<Outcome> {
        let key = (clinic.clone(), case.clone(), version);
        let hash = digest(&SHA256, &encode_image_set(&set));
        let set = Arc::new(set);
        loop {
            let (mut outcome, is_ours) = match self.0.under_way.join(&key, hash.as_ref()) {
                Joined::New(running) => (self.start(running, Arc::clone(&set)), true),
                Joined::Same(outcome) => (outcome, true),
                Joined::Other(outcome) => (outcome, false),
                Joined::Full => return Arc::new(Err(Error::Busy)),
            };
            let done = outcome.wait_for(Option::is_some).await;
            if is_ours {
                let done = done.ok().and_then(|done| done.clone());
                return done.unwrap_or_else(|| Arc::new(Err(Error::Cut)));
            }
        }
    }

    fn start(&self, running: Running, set: Arc<ImageSet>) -> Waiting {
        let outcome = running.outcome.subscribe();
        let store = self.clone();
        tokio::spawn(async move {
            let (clinic, case, version) = &running.key;
            let done = store.commit_now(clinic, case, *version, &set).await;
            if let Err(error) = &done {
                let cause = std::error::Error::source(error).map(ToString::to_string);
                tracing::error!(%clinic, %case, version, %error, cause, "A case's images could not be committed; its clinic tries again.");
            }
            running.finish(done);
        });
        outcome
    }
}

impl UnderWay {
    fn join(&self, key: &Key, set: &[u8]) -> Joined {
        let mut commits = self.lock();
        commits.retain(|_, commit| commit.refused.is_none_or(|since| since.elapsed() < REMEMBERED));
        match commits.get(key) {
            Some(commit) if commit.set == set => return Joined::Same(commit.outcome.clone()),
            Some(commit) if commit.refused.is_none() => return Joined::Other(commit.outcome.clone()),
            _ => {}
        }
        let of_clinic = |(other, commit): &(&Key, &Commit)| other.0 == key.0 && commit.refused.is_none();
        if MOST_PER_CLINIC <= commits.iter().filter(of_clinic).count() {
            return Joined::Full;
        }
        let (sender, outcome) = watch::channel(None);
        let commit = Commit {
            set: set.to_vec(),
            outcome,
            refused: None,
        };
        commits.insert(key.clone(), commit);
        Joined::New(Running {
            key: key.clone(),
            outcome: sender,
            under_way: self.clone(),
        })
    }

    /// Whole after any panic: nothing between two changes can.
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Commit>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn finish(self, outcome: Outcome) {
        let refused =
            matches!(&outcome, Ok(Some(result)) if result.referenced.is_empty() && !result.failed.is_empty());
        if refused {
            let mut commits = self.under_way.lock();
            // The last one of a clinic is enough: a box asks for one at a time.
            commits.retain(|key, commit| key.0 != self.key.0 || commit.refused.is_none());
            if let Some(commit) = commits.get_mut(&self.key) {
                commit.refused = Some(Instant::now());
            }
        }
        self.remove();
        self.outcome.send_replace(Some(Arc::new(outcome)));
    }

    fn remove(&self) {
        let mut commits = self.under_way.lock();
        if commits
            .get(&self.key)
            .is_some_and(|commit| commit.refused.is_none())
        {
            commits.remove(&self.key);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.remove();
    }
}
