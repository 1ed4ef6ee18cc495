//! Opens the model at start. A bundle that does not work never stops the daemon: studies then go to review.

use barefoot_inference::{Bundle, BundleError, EngineChoice, Model, OpenError, Outcome, Selection};

use crate::config::ModelConfig;
use crate::error_chain::chain;
use crate::status::{ModelStatus, Status};

#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("the model bundle cannot be used")]
    Bundle { source: BundleError },
    #[error("the model cannot be trusted on this box")]
    Engine { source: OpenError },
}

/// The model, where one works, and its bundle. What came of it stands in `status` and in the log.
pub(crate) async fn open_model(config: &ModelConfig, status: &Status) -> Option<(Model, Bundle)> {
    let config = config.clone();
    let opened = tokio::task::spawn_blocking(move || open(&config)).await;
    let problem = match opened {
        Ok(Ok((model, bundle, selection))) => {
            log_selection(&selection);
            let version = model.version();
            status.set_model(ModelStatus {
                model: Some(version.to_string()),
                demonstration: version.demonstration,
                engine: Some(model.engine().clone()),
                problem: None,
            });
            return Some((model, bundle));
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

fn open(config: &ModelConfig) -> Result<(Model, Bundle, Selection), Unusable> {
    let bundle = Bundle::load(&config.bundle).map_err(|source| Unusable::Bundle { source })?;
    let choice = EngineChoice {
        engine: config.engine,
        precision: config.precision,
        onnxruntime: config.onnxruntime.clone(),
        ..EngineChoice::default()
    };
    let (model, selection) = Model::open(&bundle, &choice).map_err(|source| Unusable::Engine { source })?;
    Ok((model, bundle, selection))
}

fn log_selection(selection: &Selection) {
    for candidate in &selection.considered {
        let (engine, precision) = (&candidate.engine, &candidate.precision);
        match &candidate.outcome {
            Outcome::Passed {
                median_ms,
                worst_difference,
            } => {
                tracing::info!(%engine, %precision, median_ms, worst_difference, "An engine passed the golden test.");
            }
            Outcome::Refused { reason } => {
                tracing::warn!(%engine, %precision, reason, "An engine is not used.");
            }
        }
    }
    tracing::info!(
        engine = selection.chosen.engine,
        precision = selection.chosen.precision,
        "The model is ready."
    );
}
