//! Releases from a hub or a stick to the model that answers, with real bundles, real signatures and a real assessor.

mod bundles;
mod from_hub;
mod from_stick;
mod hostile;
mod hub;
mod keeping;
mod shipped;
mod starts;
pub(crate) mod studies;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use barefoot_inference::{EngineWish, PrecisionWish};
use barefoot_queue::Queue;
use barefoot_wire::v1::{BoxReport, SlotState};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::keeper::{self, AtWork, Work};
use super::ledger::{Ledger, Name, Origin};
use super::life::{Event, Life, Problem};
use super::shelf::Shelf;
use super::source::Source;
use super::{Config, HubAccess, ModelSlot, fetching};
use crate::assess::{Assessor, Config as DecisionConfig};
use crate::config::ModelConfig;
use crate::films::Films;
use crate::finding_names::FindingNames;
use crate::model::{ModelHandle, StudyCount, shadow};
use crate::picture_quality::PictureQuality;
use crate::quality::Grader;
use crate::stage_times::StageTimes;
use crate::status::Status;
use crate::study_folder::StateDirectory;
use bundles::Maintainers;
use hub::Hub;

const MODEL: &str = "tiny";
const DEADLINE: Duration = Duration::from_secs(60);

/// A box of which only the models run.
struct Clinic {
    dir: TempDir,
    hub: Option<Hub>,
    maintainers: Arc<Maintainers>,
    models: ModelHandle,
    status: Status,
    assessor: Arc<Assessor>,
    running: Option<(CancellationToken, Vec<JoinHandle<()>>)>,
}

impl Clinic {
    /// The site file's bundle is 0.0.1; the hub, where there is one, serves what the maintainers published.
    async fn open(with_hub: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let maintainers = Arc::new(Maintainers::new(&dir.path().join("maintainers")));
        let hub = if with_hub {
            Some(Hub::serve(maintainers.repository()).await)
        } else {
            None
        };
        let mut clinic = Self {
            hub,
            models: ModelHandle::new().0,
            status: Self::status(dir.path()),
            assessor: Self::assessor(dir.path(), ModelHandle::new().0),
            maintainers,
            dir,
            running: None,
        };
        clinic.start().await;
        clinic
    }

    fn status(dir: &std::path::Path) -> Status {
        let queue = Queue::open(&dir.join("queue"), barefoot_queue::Config::default()).unwrap();
        Status::new(queue)
    }

    fn assessor(dir: &std::path::Path, models: ModelHandle) -> Arc<Assessor> {
        let state = StateDirectory::open(&dir.join("pictures")).unwrap();
        let grader = Grader::new(
            PictureQuality::open(&state).unwrap(),
            Films::default(),
            time::UtcOffset::UTC,
        );
        Arc::new(Assessor::new(
            &DecisionConfig::default(),
            models,
            Arc::new(grader),
            StageTimes::default(),
        ))
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn stick(&self) -> PathBuf {
        self.dir.path().join("stick")
    }

    fn slot_config(&self) -> Config {
        Config {
            root: self.maintainers.root(),
            usb: Some(self.stick()),
            usb_ms: 50,
            shadow_studies: 1,
            trial_studies: 1,
        }
    }

    fn model_config() -> ModelConfig {
        ModelConfig {
            engine: EngineWish::Tract,
            precision: PrecisionWish::F32,
            ..ModelConfig::new(bundles::tiny())
        }
    }

    /// The box's own start, up to where studies are taken.
    async fn start(&mut self) {
        std::fs::create_dir_all(self.state()).unwrap();
        let (models, studies) = ModelHandle::new();
        let access = self.hub.as_ref().map(|hub| HubAccess {
            channel: hub.channel(),
            poll: Duration::from_millis(50),
        });
        let slot = ModelSlot::start(
            self.slot_config(),
            Self::model_config(),
            self.state(),
            models.clone(),
            FindingNames::default(),
            self.status.clone(),
            access,
        );
        let slot = slot.await.unwrap();
        let shutdown = CancellationToken::new();
        let tasks = vec![
            tokio::spawn(slot.run(shutdown.clone())),
            tokio::spawn(shadow::run(models.clone(), studies, shutdown.clone())),
        ];
        self.assessor = Self::assessor(self.dir.path(), models.clone());
        self.models = models;
        self.running = Some((shutdown, tasks));
    }

    async fn stop(&mut self) {
        if let Some((shutdown, tasks)) = self.running.take() {
            shutdown.cancel();
            for task in tasks {
                task.await.unwrap();
            }
        }
    }

    async fn restart(&mut self) {
        self.stop().await;
        self.start().await;
    }

    fn hub(&self) -> &Hub {
        self.hub.as_ref().unwrap()
    }

    /// The version that answers; empty when none does.
    fn answering(&self) -> String {
        let active = self.models.active();
        active.map_or_else(String::new, |it| it.model.version().version.clone())
    }

    /// The version marked good on the disk; empty for the site file's.
    fn good(&self) -> String {
        let ledger = Ledger::load(&self.state().join("models")).unwrap();
        let good = ledger.and_then(|ledger| ledger.good);
        good.map_or_else(String::new, |good| good.name.version)
    }

    /// Assesses a study as the pipeline does; the version that answered.
    async fn assess(&self) -> String {
        let (assessor, study) = (Arc::clone(&self.assessor), studies::write(self.dir.path()));
        let pictures = self.dir.path().join("pictures");
        let assessed = tokio::task::spawn_blocking(move || assessor.assess(&study, &pictures))
            .await
            .unwrap();
        let model = assessed.assessment.model.expect("a model answered");
        model.version
    }

    /// Assesses studies until `done`.
    async fn assess_until(&self, done: impl Fn(&Self) -> bool) {
        let assessing = async {
            while !done(self) {
                self.assess().await;
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, assessing).await.unwrap();
    }

    async fn until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !done(self) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(DEADLINE, waiting).await;
        assert!(waited.is_ok(), "{what}: {:?}", self.status.releases());
    }

    /// As if the model that answers had failed on studies.
    fn fail(&self, studies: usize) {
        let active = self.models.active().unwrap();
        for _ in 0..studies {
            active.count(&StudyCount {
                failed: true,
                ..StudyCount::default()
            });
        }
        self.models.announce();
    }

    /// Through shadow and trial until it is good.
    async fn prove(&self, version: &str) {
        let done = |report: &BoxReport| {
            report.active_version == version && report.candidate_state() == SlotState::Good
        };
        let proven = self.hub().report_where(done);
        let assessing = async {
            loop {
                self.assess().await;
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = proven => {}
            () = assessing => {}
        }
    }
}
