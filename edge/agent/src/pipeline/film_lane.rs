//! Versions with films wait here for their decoding, one after the other, while the other studies are assessed.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::assess::{Assessor, HeldFilms};
use crate::handoff::SettledStudy;
use crate::study_folder::StudyKey;

/// Versions that wait. When full, the next one is assessed without its films: it goes to review.
const WAITING: usize = 64;

/// A version whose films are decoded, as long as they are held.
pub(super) struct Ready {
    pub(super) version: SettledStudy,
    pub(super) films: HeldFilms,
}

pub(super) struct FilmLane {
    waiting: mpsc::Sender<SettledStudy>,
    ready: mpsc::Receiver<Ready>,
    inside: HashSet<StudyKey>,
}

impl FilmLane {
    pub(super) fn start(assessor: Arc<Assessor>, shutdown: CancellationToken) -> Self {
        let (waiting, versions) = mpsc::channel(WAITING);
        let (ready_in, ready) = mpsc::channel(1);
        tokio::spawn(decode(assessor, versions, ready_in, shutdown));
        Self {
            waiting,
            ready,
            inside: HashSet::new(),
        }
    }

    /// # Errors
    /// Gives the version back where too many wait.
    pub(super) fn take(&mut self, version: SettledStudy) -> Result<(), Box<SettledStudy>> {
        let study = version.study.clone();
        self.waiting
            .try_send(version)
            .map_err(|refused| Box::new(refused.into_inner()))?;
        self.inside.insert(study);
        Ok(())
    }

    /// Whether a version of the study is on its way: its next one must not overtake it.
    pub(super) fn holds(&self, study: &StudyKey) -> bool {
        self.inside.contains(study)
    }

    /// The next version that is to be assessed.
    pub(super) async fn ready(&mut self) -> Ready {
        match self.ready.recv().await {
            Some(ready) => {
                self.inside.remove(&ready.version.study);
                ready
            }
            // The daemon is ending.
            None => std::future::pending().await,
        }
    }
}

async fn decode(
    assessor: Arc<Assessor>,
    mut versions: mpsc::Receiver<SettledStudy>,
    ready: mpsc::Sender<Ready>,
    shutdown: CancellationToken,
) {
    loop {
        let version = tokio::select! {
            () = shutdown.cancelled() => return,
            version = versions.recv() => match version {
                Some(version) => version,
                None => return,
            },
        };
        let (deciding, decoded) = (Arc::clone(&assessor), version.clone());
        let films = tokio::task::spawn_blocking(move || deciding.decode_films(&decoded)).await;
        // What was ended in the middle says nothing of the film: the next start begins it anew.
        if shutdown.is_cancelled() {
            return;
        }
        let films = films.unwrap_or_else(|_| {
            tracing::error!(study = %version.study, "Decoding films stopped; the study goes to review.");
            assessor.leave_films_out(&version)
        });
        if ready.send(Ready { version, films }).await.is_err() {
            return;
        }
    }
}
