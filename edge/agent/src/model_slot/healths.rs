//! How the models at work have done, across restarts: `health.json`. Losing it costs counts, nothing else, so it is
//! replaced after every study and never synced.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::ledger::Name;
use crate::model::{ActiveModel, Health, ModelHandle};

const FILE: &str = "health.json";

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Healths {
    answering: Option<(Name, Health)>,
    beside: Option<(Name, Health)>,
}

impl Healths {
    /// Empty where none was kept, or it cannot be read any more.
    pub(crate) fn load(directory: &Path) -> Self {
        let bytes = fs::read(directory.join(FILE)).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    pub(crate) fn of(models: &ModelHandle) -> Self {
        let kept = |model: &ActiveModel| (Name::of(model.model.version()), model.health());
        Self {
            answering: models.active().as_deref().map(kept),
            beside: models.shadow().as_deref().map(kept),
        }
    }

    /// # Errors
    /// When the disk does not take it.
    pub(crate) fn save(&self, directory: &Path) -> io::Result<()> {
        let draft = directory.join("health.json.new");
        fs::write(&draft, serde_json::to_vec(self)?)?;
        fs::rename(&draft, directory.join(FILE))
    }

    /// What was counted while it answered.
    pub(crate) fn answering(&self, name: &Name) -> Health {
        kept(self.answering.as_ref(), name)
    }

    /// What was counted beside another.
    pub(crate) fn beside(&self, name: &Name) -> Health {
        kept(self.beside.as_ref(), name)
    }
}

fn kept(health: Option<&(Name, Health)>, name: &Name) -> Health {
    health
        .filter(|(kept, _)| kept == name)
        .map(|(_, health)| health.clone())
        .unwrap_or_default()
}
