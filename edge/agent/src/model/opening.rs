//! Opens bundles. One that does not work never stops the daemon: studies then go to review.

use std::path::Path;
use std::sync::Arc;

use barefoot_inference::{Bundle, BundleError, EngineChoice, Model, OpenError, Outcome, Selection};

use super::ActiveModel;
use crate::config::ModelConfig;
use crate::error_chain::chain;
use crate::finding_names::FindingName;
use crate::status::{ModelStatus, Status};

/// Why a bundle gives no model.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("the model bundle cannot be used")]
    Bundle { source: BundleError },
    #[error("the model cannot be trusted on this box")]
    Engine { source: OpenError },
}

/// The site file's model, where it works. What came of it stands in `status` and in the log.
pub(crate) async fn open_model(config: &ModelConfig, status: &Status) -> Option<Arc<ActiveModel>> {
    let config = config.clone();
    let opened = tokio::task::spawn_blocking(move || open(&config.bundle, &config)).await;
    let problem = match opened {
        Ok(Ok(model)) => {
            status.set_model(model.status());
            return Some(Arc::new(model));
        }
        Ok(Err(error)) => chain(&error),
        Err(_) => "opening the model panicked".to_owned(),
    };
    tracing::error!(
        problem,
        "No model works; every study goes to review until that is mended."
    );
    status.set_model(ModelStatus {
        problem: Some(problem),
        ..ModelStatus::default()
    });
    None
}

/// Reads a bundle, tries its golden cases on the engines the site allows and keeps the best. Blocking, for seconds.
///
/// # Errors
/// When the bundle is damaged, or no engine gives its golden answers.
pub(crate) fn open(directory: &Path, config: &ModelConfig) -> Result<ActiveModel, Unusable> {
    let bundle = Bundle::load(directory).map_err(|source| Unusable::Bundle { source })?;
    let choice = EngineChoice {
        engine: config.engine,
        precision: config.precision,
        onnxruntime: config.onnxruntime.clone(),
        providers: config.providers.clone(),
        threads: config.threads,
        remember: config.remember.clone(),
    };
    let (model, selection) = Model::open(&bundle, &choice).map_err(|source| Unusable::Engine { source })?;
    log_selection(&selection);
    let names = bundle.finding_names().map(|(code, en, zh)| {
        let name = FindingName {
            en: en.to_owned(),
            zh: zh.to_owned(),
        };
        (code.clone(), name)
    });
    Ok(ActiveModel::new(model, names.collect()))
}

fn log_selection(selection: &Selection) {
    for candidate in &selection.considered {
        let (engine, precision, form) = (&candidate.engine, &candidate.precision, candidate.form);
        match &candidate.outcome {
            Outcome::Passed {
                median_ms,
                worst_difference,
            } => {
                tracing::info!(%engine, %precision, form, median_ms, worst_difference, "An engine passed the golden test.");
            }
            Outcome::Slower { first_ms } => {
                tracing::info!(%engine, %precision, form, first_ms, "Another way to run it is far faster.");
            }
            Outcome::Refused { reason } => {
                tracing::warn!(%engine, %precision, form, reason, "An engine is not used.");
            }
        }
    }
    if selection.fallback {
        tracing::warn!(
            engine = selection.chosen.engine,
            "The engine the site file wishes for cannot be used; another one answers."
        );
    }
    tracing::info!(
        engine = selection.chosen.engine,
        precision = selection.chosen.precision,
        form = selection.form,
        remembered = selection.remembered,
        "The model is ready."
    );
}
