//! Models the site runs beside the one that answers: further readers of the same finding, models for other studies, and
//! those that stand in where no other answers.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use super::{ActiveModel, open};
use crate::config::ModelConfig;
use crate::error_chain::chain;

/// A panel is the model that answers and at most two more.
const MOST_ON_PANEL: usize = 2;
/// Each lies in memory.
const MOST: usize = 8;

/// A further model of the site.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherModel {
    /// The bundle's directory.
    pub directory: PathBuf,
    pub role: Role,
}

/// What a further model is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Answers the same findings; what several say is put together by the panel's policy.
    Panel,
    /// Answers what the panel does not: other findings, other kinds of study.
    Also,
    /// Answers only where no model of the panel does.
    Fallback,
}

/// # Errors
/// A sentence naming the key and what to do.
pub(crate) fn check(others: &[OtherModel]) -> Result<(), String> {
    let on_panel = others.iter().filter(|other| other.role == Role::Panel).count();
    if MOST_ON_PANEL < on_panel {
        return Err(format!(
            "[[other_model]]: at most {MOST_ON_PANEL} with role \"panel\" beside the one in [model]"
        ));
    }
    if MOST < others.len() {
        return Err(format!("[[other_model]]: at most {MOST} of them"));
    }
    Ok(())
}

/// Those that work. One that does not is named in the log and costs only itself. Blocking, for seconds.
pub(crate) fn open_others(others: &[OtherModel], config: &ModelConfig) -> Vec<(Role, Arc<ActiveModel>)> {
    let opened = others.iter().filter_map(|other| {
        match open(&other.directory, config) {
            Ok(model) => Some((other.role, Arc::new(model))),
            Err(error) => {
                tracing::error!(directory = %other.directory.display(), problem = chain(&error), "A further model does not work; studies are assessed without it until that is mended.");
                None
            }
        }
    });
    opened.collect()
}
