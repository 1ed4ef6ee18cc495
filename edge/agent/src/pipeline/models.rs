//! Which model answers: opened at start while scanners are served already, then kept up to date.

use std::path::PathBuf;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::ModelConfig;
use crate::finding_names::FindingNames;
use crate::model::{ModelHandle, OtherModel, ShadowStudy, open_model, open_others, shadow};
use crate::model_slot::{self, HubAccess, ModelSlot};
use crate::status::{ModelStatus, ReleaseStatus, Status};

/// What was chosen for which bundle, below the state directory.
const ENGINES: &str = "engines.json";

pub(super) struct Models {
    pub(super) site: ModelConfig,
    pub(super) others: Vec<OtherModel>,
    pub(super) releases: Option<model_slot::Config>,
    pub(super) access: Option<HubAccess>,
    pub(super) directory: PathBuf,
    pub(super) models: ModelHandle,
    pub(super) beside: mpsc::Receiver<ShadowStudy>,
    pub(super) names: FindingNames,
    pub(super) status: Status,
}

impl Models {
    /// Until `shutdown`.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        self.status.set_model(ModelStatus {
            opening: true,
            ..ModelStatus::default()
        });
        self.site.remember = Some(self.directory.join(ENGINES));
        let slot = self.open().await;
        self.open_others().await;
        self.models.set_opened();
        match slot {
            Some(slot) => {
                let beside = shadow::run(self.models, self.beside, shutdown.clone());
                tokio::join!(slot.run(shutdown), beside);
            }
            None => shutdown.cancelled().await,
        }
    }

    /// `None` where the site file's model is the only one.
    async fn open(&mut self) -> Option<ModelSlot> {
        let slot = match self.releases.take() {
            Some(releases) => self.open_slot(releases).await,
            None => None,
        };
        if slot.is_none() {
            let model = open_model(&self.site, &self.status).await;
            self.names
                .learn(model.iter().flat_map(|model| model.names.clone()));
            self.models.set_active(model);
        }
        slot
    }

    async fn open_others(&mut self) {
        let others = std::mem::take(&mut self.others);
        if others.is_empty() {
            return;
        }
        let site = self.site.clone();
        let opened = tokio::task::spawn_blocking(move || open_others(&others, &site)).await;
        let opened = opened.unwrap_or_else(|_| {
            tracing::error!("Opening the further models panicked; studies are assessed without them.");
            Vec::new()
        });
        self.names
            .learn(opened.iter().flat_map(|(_, model)| model.names.clone()));
        self.models.set_others(opened);
    }

    async fn open_slot(&mut self, releases: model_slot::Config) -> Option<ModelSlot> {
        let started = ModelSlot::start(
            releases,
            self.site.clone(),
            self.directory.clone(),
            self.models.clone(),
            self.names.clone(),
            self.status.clone(),
            self.access.take(),
        );
        match started.await {
            Ok(slot) => Some(slot),
            Err(error) => {
                tracing::error!(%error, "The folder of releases cannot be used; the site file's model answers, and no other comes.");
                self.status.set_releases(ReleaseStatus {
                    trouble: Some("state"),
                    ..ReleaseStatus::default()
                });
                None
            }
        }
    }
}
