//! The models at work in this box: the one that answers and the one that runs beside it, shared by all who need them.
//!
//! A study takes the model once and keeps it to its end, so a change of model drops no study and mixes none.

mod opening;

use std::sync::{Arc, PoisonError, RwLock};

use barefoot_domain::FindingCode;
use barefoot_inference::Model;

use crate::finding_names::FindingName;
use crate::status::ModelStatus;

pub(crate) use opening::{Unusable, open, open_model};

/// A model that answers, or runs beside the one that does.
#[derive(Debug)]
pub(crate) struct ActiveModel {
    pub(crate) model: Model,
    /// What its bundle calls its findings.
    pub(crate) names: Vec<(FindingCode, FindingName)>,
}

#[derive(Debug, Default)]
struct Slots {
    active: RwLock<Option<Arc<ActiveModel>>>,
    shadow: RwLock<Option<Arc<ActiveModel>>>,
}

/// Which models are at work. Cheap to clone; every clone sees the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct ModelHandle(Arc<Slots>);

impl ActiveModel {
    /// How it stands on the clinic page while it answers.
    pub(crate) fn status(&self) -> ModelStatus {
        let version = self.model.version();
        ModelStatus {
            model: Some(version.to_string()),
            demonstration: version.demonstration,
            engine: Some(self.model.engine().clone()),
            problem: None,
        }
    }
}

impl ModelHandle {
    /// The model that answers; `None` where none works: every study then goes to review.
    #[must_use]
    pub(crate) fn active(&self) -> Option<Arc<ActiveModel>> {
        read(&self.0.active)
    }

    /// The model that runs beside it and shows nothing.
    #[must_use]
    pub(crate) fn shadow(&self) -> Option<Arc<ActiveModel>> {
        read(&self.0.shadow)
    }

    /// Studies that have begun end with the model they began with.
    pub(crate) fn set_active(&self, model: Option<Arc<ActiveModel>>) {
        *self.0.active.write().unwrap_or_else(PoisonError::into_inner) = model;
    }

    pub(crate) fn set_shadow(&self, model: Option<Arc<ActiveModel>>) {
        *self.0.shadow.write().unwrap_or_else(PoisonError::into_inner) = model;
    }
}

fn read(slot: &RwLock<Option<Arc<ActiveModel>>>) -> Option<Arc<ActiveModel>> {
    slot.read().unwrap_or_else(PoisonError::into_inner).clone()
}
