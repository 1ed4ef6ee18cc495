//! The model beside the one that answers: it sees the same pictures, later and only while no study waits, and what it
//! says is counted and shown to nobody.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use barefoot_domain::FindingResult;
use barefoot_imaging::pixels::GrayImage;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{ActiveModel, ModelHandle, StudyCount};

/// Pictures of a study that are shown to the model beside; they stay in memory until it has seen them.
pub(crate) const PICTURES: usize = 2;

/// Studies waiting for the model beside. When full, the next study is not shown to it.
const STUDIES: usize = 1;

/// A study waits this long for a quiet moment, then it is not shown.
const PATIENCE: Duration = Duration::from_secs(60);

/// A study as the active model answered it.
#[derive(Debug)]
pub(crate) struct ShadowStudy {
    /// Pictures with the active model's findings.
    pub(crate) pictures: Vec<(Arc<GrayImage>, Vec<FindingResult>)>,
}

pub(super) fn channel() -> (mpsc::Sender<ShadowStudy>, mpsc::Receiver<ShadowStudy>) {
    mpsc::channel(STUDIES)
}

/// Shows studies to the model beside until `shutdown`.
pub(crate) async fn run(
    models: ModelHandle,
    mut studies: mpsc::Receiver<ShadowStudy>,
    shutdown: CancellationToken,
) {
    let work = async {
        while let Some(study) = studies.recv().await {
            if tokio::time::timeout(PATIENCE, models.quiet()).await.is_err() {
                continue;
            }
            let Some(beside) = models.shadow() else { continue };
            let counted = tokio::task::spawn_blocking(move || {
                let count = watch(&beside, &study);
                beside.count_beside(&count);
            });
            // It cannot panic; were it to, nothing was counted.
            let _ = counted.await;
            models.announce();
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = work => {}
    }
}

/// What the model beside makes of a study. It may err or panic as it likes.
fn watch(beside: &ActiveModel, study: &ShadowStudy) -> StudyCount {
    let mut count = StudyCount::default();
    let mut highest: Vec<FindingResult> = Vec::new();
    for (picture, answered) in &study.pictures {
        let _at_work = beside.at_work();
        let begun = Instant::now();
        let said = catch_unwind(AssertUnwindSafe(|| beside.model.assess(picture)));
        let Ok(Ok(said)) = said else {
            count.failed = true;
            continue;
        };
        count.times_ms.push(begun.elapsed().as_secs_f32() * 1000.0);
        // A finding only one of the two knows is no disagreement about this picture.
        count.disagreed |= said.findings.iter().any(|finding| {
            let other = answered.iter().find(|other| other.code == finding.code);
            other.is_some_and(|other| other.call != finding.call)
        });
        for finding in said.findings {
            match highest.iter_mut().find(|known| known.code == finding.code) {
                Some(known) if known.score < finding.score => *known = finding,
                Some(_) => {}
                None => highest.push(finding),
            }
        }
    }
    count.positive = highest
        .iter()
        .any(|finding| finding.call == barefoot_domain::Call::Positive);
    count.scores = highest.iter().map(|finding| finding.score.value()).collect();
    count
}
