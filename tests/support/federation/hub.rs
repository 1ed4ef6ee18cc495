use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use barefoot_domain::ClinicId;
use barefoot_edge::federated::{self, Learner, Participant, Policy, Settings, Trainable};
use barefoot_federation::chunk::ChunkId;
use barefoot_trust::{Role, TlsPaths};
use barefoot_wire::v1;
use barefoot_wire::v1::maintenance_client::MaintenanceClient;
use prost::Message;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use super::{Case, Error};
use crate::daemons::{self, Hub, Region};
use crate::line::Line;
use crate::wait::wait_for;

const MAINTAINER: &str = "mara";
const FINDING: &str = "pneumonia";
/// The registered set of cases the hub measures every round's global parameters on.
const VALIDATION: &str = "validation";
/// Clinics ask this often: nobody waits for a simulation.
const POLL: Duration = Duration::from_millis(4);
const RUN_ENDS_WITHIN: Duration = Duration::from_secs(600);
/// Bytes of a piece of a registered set.
const PIECE: usize = 256 * 1024;

/// A hub with a base model of zeros, and as many clinics as wanted.
#[derive(Debug)]
pub struct Federation {
    pub region: Region,
    pub hub: Hub,
    /// What clinics call; the hub behind it may be another process each time.
    pub line: Line,
    pub trainable: Trainable,
    maintainer: MaintenanceClient<Channel>,
    /// So that no clinic of one run finds the folder of another.
    folders: usize,
}

/// A clinic that takes part in this process.
#[derive(Debug)]
pub struct Member {
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Member {
    /// Ends it in order.
    pub async fn leave(self) {
        self.shutdown.cancel();
        let _ = self.task.await;
    }
}

impl Federation {
    /// Starts the hub and registers a head of zeros with the cases every round is measured on.
    ///
    /// # Errors
    /// When the hub does not start or refuses what is registered.
    pub async fn begin(trainable: Trainable, clinics: usize, validation: &[Case]) -> Result<Self, Error> {
        let region = Region::new()?;
        region.person(Role::Maintainer, MAINTAINER)?;
        for number in 0..clinics {
            region.clinic(&name_of(number))?;
        }
        let mut hub = region.learning_hub(None)?;
        hub.start().await?;
        let line = Line::start(hub.address("grpc")?).await?;
        let maintainer = MaintenanceClient::new(federated::channel(
            &line.address.to_string(),
            &region.tls_paths(MAINTAINER),
        )?);
        let mut federation = Self {
            region,
            hub,
            line,
            trainable,
            maintainer,
            folders: 0,
        };
        federation.register(validation).await?;
        Ok(federation)
    }

    async fn register(&mut self, validation: &[Case]) -> Result<(), Error> {
        let trainable = self.trainable.clone();
        let channels = trainable.channels;
        let content: Vec<u8> = vec![0; (channels + 1) * size_of::<f32>()];
        let request = v1::RegisterModelRequest {
            id: trainable.id.clone(),
            version: trainable.version.clone(),
            backbone: vec![trainable.backbone.clone()],
            finding: vec![v1::FindingSetting {
                code: FINDING.into(),
                temperature: 1.0,
                operating_point: 0.5,
            }],
            parameters: Some(v1::Parameters {
                tensors: tensors(channels),
                encoding: v1::Encoding::F32.into(),
                chunk: vec![ChunkId::of(&content).0.to_vec()],
            }),
            content: vec![content],
        };
        self.maintainer.register_model(request).await?;
        let set = v1::TestSet {
            name: VALIDATION.into(),
            purpose: "evaluation".into(),
            model_id: trainable.id,
            backbone: trainable.backbone,
            finding: vec![FINDING.into()],
            channels: u32::try_from(channels).unwrap_or(u32::MAX),
            case: validation
                .iter()
                .map(|case| v1::TestCase {
                    feature: case.features.clone(),
                    present: vec![case.present],
                    subgroup: Vec::new(),
                })
                .collect(),
            source: "patients of no clinic of the simulation".into(),
        };
        let pieces: Vec<v1::Chunk> = set
            .encode_to_vec()
            .chunks(PIECE)
            .map(|piece| v1::Chunk {
                content: piece.to_vec().into(),
            })
            .collect();
        self.maintainer
            .register_test_set(tokio_stream::iter(pieces))
            .await?;
        Ok(())
    }

    /// The certificate of a clinic.
    #[must_use]
    pub fn tls(&self, number: usize) -> TlsPaths {
        self.region.tls_paths(&name_of(number))
    }

    /// A folder no clinic has used yet.
    pub fn new_folder(&mut self, number: usize) -> PathBuf {
        self.folders += 1;
        self.region
            .folder()
            .join(format!("{}-{}", name_of(number), self.folders))
    }

    /// A clinic takes part from now on.
    ///
    /// # Errors
    /// When its certificate, policy or folder cannot be used.
    pub fn join(
        &mut self,
        number: usize,
        learner: Arc<dyn Learner>,
        policy: Policy,
    ) -> Result<Member, Error> {
        let directory = self.new_folder(number);
        std::fs::create_dir_all(&directory)?;
        let settings = Settings {
            clinic: clinic_id(number)?,
            hub: self.line.address.to_string(),
            tls: self.tls(number),
            poll: POLL,
            directory,
            policy: Some(policy),
            learner,
        };
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(Participant::new(settings)?.run(shutdown.clone()));
        Ok(Member { shutdown, task })
    }

    /// # Errors
    /// When the hub does not take the settings.
    pub async fn start(&mut self, mut settings: v1::RunSettings) -> Result<String, Error> {
        settings.model_id.clone_from(&self.trainable.id);
        settings.base_version.clone_from(&self.trainable.version);
        Ok(self.maintainer.start_run(settings).await?.into_inner().run)
    }

    /// # Errors
    /// When the hub does not answer or does not know the run.
    pub async fn view(&mut self, run: &str) -> Result<v1::RunView, Error> {
        let list = self.maintainer.list_runs(v1::ListRunsRequest {}).await?;
        let mut runs = list.into_inner().run.into_iter();
        runs.find(|view| view.run == run).ok_or(Error::RunLost)
    }

    /// The run once it has ended, whichever way.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn ended(&mut self, run: &str) -> Result<v1::RunView, Error> {
        let view = wait_for("the run's end", RUN_ENDS_WITHIN, async || {
            let view = self.view(run).await.map_err(|error| error.to_string())?;
            if view.state == "running" {
                Err(format!("{:?}", view.round.last()))
            } else {
                Ok(view)
            }
        });
        Ok(view.await?)
    }

    /// The hub's process dies without warning and comes back on another port.
    ///
    /// # Errors
    /// When it does not start again.
    pub async fn kill_hub(&mut self) -> Result<(), Error> {
        self.hub.kill9();
        self.hub.start().await?;
        self.line.lead_to(self.hub.address("grpc")?);
        Ok(())
    }
}

/// The hub's measurement of the global parameters after each finished round.
#[must_use]
pub fn auc_by_round(view: &v1::RunView) -> Vec<f64> {
    let name = format!("auc/{VALIDATION}");
    view.round
        .iter()
        .filter(|round| round.stage == "finished")
        .filter_map(|round| round.metric.iter().find(|metric| metric.name == name))
        .map(|metric| metric.value)
        .collect()
}

/// The training recipe every run of the simulation uses: 30 passes a round, classes weighed alike.
#[must_use]
pub fn fit_settings() -> v1::FitSettings {
    v1::FitSettings {
        epochs: 30,
        learning_rate: 1.0,
        batch_size: 32,
        l2: 1e-3,
        class_weights: true,
        example_cap: 100_000,
        minimum_examples: 5,
        ..v1::FitSettings::default()
    }
}

pub(super) fn tensors(channels: usize) -> Vec<v1::TensorSpec> {
    let spec = |name: &str, shape: Vec<u64>| v1::TensorSpec {
        name: name.into(),
        shape,
    };
    vec![spec("weight", vec![1, channels as u64]), spec("bias", vec![1])]
}

pub(super) fn name_of(number: usize) -> String {
    format!("clinic-{:02}", number + 1)
}

pub(super) fn clinic_id(number: usize) -> Result<ClinicId, Error> {
    let id = name_of(number);
    ClinicId::new(id.as_str()).map_err(|source| Error::Daemon(daemons::Error::ClinicId { id, source }))
}
