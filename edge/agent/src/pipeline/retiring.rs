//! Makes room by the site's policy.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::archive::Archive;
use crate::audit::{Action, Actor, Audit, Entry};
use crate::case_book::CaseBook;
use crate::case_index::CaseIndex;
use crate::clock::now_ms;
use crate::error_chain::chain;
use crate::retention::{Config, Removal, may_go};
use crate::spool::Spool;
use crate::status::Space;
use crate::study_folder::StudyKey;

const PERIOD: Duration = Duration::from_secs(10 * 60);

/// Whether some other part of the box still needs a study's images.
pub(super) type Needed = Arc<dyn Fn(&StudyKey) -> bool + Send + Sync>;

pub(super) struct Retiring {
    pub(super) config: Config,
    pub(super) book: Arc<CaseBook>,
    pub(super) cases: CaseIndex,
    pub(super) audit: Audit,
    pub(super) spool: Spool,
    pub(super) archive: Archive,
    pub(super) needed: Needed,
}

impl Retiring {
    /// Until `shutdown`.
    pub(super) async fn run(self, shutdown: CancellationToken) {
        let this = Arc::new(self);
        loop {
            let round = Arc::clone(&this);
            let stop = shutdown.clone();
            let _ = tokio::task::spawn_blocking(move || round.round(&stop)).await;
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
    }

    fn round(&self, shutdown: &CancellationToken) {
        let now = now_ms();
        let mut old: Vec<_> = self.cases.all();
        old.retain(|case| may_go(&self.config, case, now) && !(self.needed)(&case.study));
        old.sort_by_key(|case| case.received_at_ms);
        let mut gone = 0;
        for case in old {
            let room = self.config.remove == Removal::LowSpace && self.spool.space() == Space::Enough;
            if room || shutdown.is_cancelled() {
                break;
            }
            // A round takes a while: something may have come for the study since it began.
            let current = self.cases.get(&case.study);
            if !current.is_some_and(|case| may_go(&self.config, &case, now)) || (self.needed)(&case.study) {
                continue;
            }
            match self.book.remove_images(&case.study, now) {
                Ok(false) => {}
                Ok(true) => {
                    self.archive.note(&case.study);
                    let removed = Entry::new(Actor::Daemon("retention"), Action::ImagesRemoved);
                    self.audit.record(removed.of_case(Some(case.case.clone())));
                    gone += 1;
                }
                Err(error) => {
                    tracing::error!(study = %case.study, error = chain(&error), "A study's images could not be removed.");
                }
            }
        }
        if 0 < gone {
            tracing::info!(
                studies = gone,
                "Images were removed by the site's policy; the results stay."
            );
        }
    }
}
