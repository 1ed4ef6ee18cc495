//! What scanners and workstations ask of the box beside keeping their images: search and retrieve, worklist, performed
//! steps.

use std::io;
use std::sync::Arc;

use barefoot_domain::StudyUid;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::archive::{self, Archive};
use crate::clinic_page::OrdersDesk;
use crate::clock::now_ms;
use crate::config::Config;
use crate::dimse::Service;
use crate::error_chain::chain;
use crate::handoff::StudyInput;
use crate::mpps::{MppsScp, Performed, StepState, Steps};
use crate::nodes::FindRoute;
use crate::orders::OrderState;
use crate::query_retrieve::QueryRetrieve;
use crate::study_folder::{StateDirectory, StudyKey, instance_stem};
use crate::worklist::{DropFolder, Worklist, WorklistScp};

pub(super) struct ClinicServices {
    archive: Archive,
    worklist: Worklist,
    drop_folder: DropFolder,
    services: Vec<Arc<dyn Service>>,
}

impl ClinicServices {
    /// # Errors
    /// When a folder below the state directory cannot be used.
    pub(super) fn open(
        config: &Config,
        state: &StateDirectory,
        studies: mpsc::Sender<StudyInput>,
        find: FindRoute,
    ) -> io::Result<Self> {
        let archive = Archive::open(state.clone())?;
        let worklist = Worklist::open(state.worklist())?;
        let steps = Steps::open(state.mpps())?;
        let query_retrieve = QueryRetrieve::new(
            archive.clone(),
            config.dicom.ae_title.clone(),
            config.dicom.max_pdu_bytes,
            find,
        );
        let orders = worklist.clone();
        let heard = Arc::new(move |step: Performed| {
            carried_out(&orders, &step);
            announce(&studies, &step);
        });
        Ok(Self {
            drop_folder: DropFolder::new(&config.worklist, worklist.clone()),
            worklist: worklist.clone(),
            services: vec![
                Arc::new(query_retrieve),
                Arc::new(WorklistScp::new(worklist)),
                Arc::new(MppsScp::new(steps, heard)),
            ],
            archive,
        })
    }

    /// What the clinic's page does with orders.
    pub(super) fn orders(&self) -> OrdersDesk {
        let [listed, add, take_back] = [(); 3].map(|()| self.worklist.clone());
        let written = |outcome: Result<(), crate::worklist::Error>| {
            if let Err(error) = &outcome {
                tracing::error!(reason = %chain(error), "An order cannot be written down.");
            }
            outcome.is_ok()
        };
        OrdersDesk::new(
            move || listed.listed(),
            move |order| written(add.add(order)),
            move |id| written(take_back.take_back_id(id, now_ms()).map(drop)),
        )
    }

    pub(super) fn archive(&self) -> Archive {
        self.archive.clone()
    }

    /// All services of the door, `first` those that are asked most.
    pub(super) fn answering(&self, first: [Arc<dyn Service>; 2]) -> Vec<Arc<dyn Service>> {
        let mut all = first.to_vec();
        all.extend(self.services.iter().cloned());
        all
    }

    pub(super) fn spawn(self, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
        tasks.spawn(archive::run(self.archive, shutdown.clone()));
        tasks.spawn(self.drop_folder.run(shutdown.clone()));
    }
}

/// A hint only: where the study stage is behind, it waits out the quiet period.
fn announce(studies: &mpsc::Sender<StudyInput>, step: &Performed) {
    if step.state != StepState::Completed {
        return;
    }
    let file = |uid: &String| format!("{}.dcm", instance_stem(uid));
    for study in step.studies.iter().filter_map(|uid| StudyUid::new(uid).ok()) {
        let _ = studies.try_send(StudyInput::Announced {
            study: StudyKey::of(&study),
            files: step.images.iter().map(file).collect(),
        });
    }
}

/// An order that was carried out leaves the worklist; one that was broken off is there again.
fn carried_out(worklist: &Worklist, step: &Performed) {
    let state = match step.state {
        StepState::InProgress => OrderState::Started,
        StepState::Completed => OrderState::Done,
        StepState::Discontinued => OrderState::Scheduled,
    };
    for study in &step.studies {
        if let Err(error) = worklist.performed(study, state, now_ms()) {
            tracing::warn!(%error, "The worklist does not know that a step was carried out.");
        }
    }
}
