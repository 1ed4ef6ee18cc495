//! A run's settings as a maintainer writes them.

use std::collections::BTreeMap;

use barefoot_wire::v1;
use serde::Deserialize;

/// The file. `provisioning/runs/example.toml` explains every key.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// Id of a registered model.
    model: String,
    /// The version the run starts from.
    base: String,
    /// Start from zero instead of the base's parameters. Default false.
    #[serde(default)]
    from_zero: bool,
    rounds: u32,
    /// Name of a registered plan; without one the candidate can never be released.
    #[serde(default)]
    plan: Option<String>,
    cohort: Cohort,
    strategy: Strategy,
    fit: Fit,
    privacy: Privacy,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cohort {
    /// Fewest clinics whose updates make a round.
    quorum: u32,
    /// Clinics with which a stage ends before its deadline; 0: only at the deadline. Default 0.
    #[serde(default)]
    target: u32,
    /// A stage's time limit, milliseconds.
    stage_ms: u64,
    late: Late,
    /// A failed round is tried again this often. Default 3.
    #[serde(default = "default_retries")]
    retries: u32,
    /// Largest L2 norm of an update; 0 for what clipping leaves, and without clipping a hundred times the square root of the
    /// number of values. Default 0.
    #[serde(default)]
    norm_limit: f64,
}

fn default_retries() -> u32 {
    3
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Late {
    Drop,
    AcceptUntilAggregation,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Strategy {
    /// Flower's name.
    name: String,
    #[serde(default)]
    parameters: BTreeMap<String, f64>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fit {
    epochs: u32,
    batch_size: u32,
    learning_rate: f64,
    /// Default 0.
    #[serde(default)]
    momentum: f64,
    /// Default 0.
    #[serde(default)]
    l2: f64,
    /// FedProx's mu; with the strategy FedProx 0 means the strategy's own. Default 0.
    #[serde(default)]
    proximal_mu: f64,
    /// Default true.
    #[serde(default = "default_class_weights")]
    class_weights: bool,
    /// How an update travels. Default f32.
    #[serde(default)]
    encoding: Encoding,
    /// Fewer labelled examples: the clinic declines. Default 20.
    #[serde(default = "default_minimum_examples")]
    minimum_examples: u32,
    /// Claims above it count as this many. Default 10000.
    #[serde(default = "default_example_cap")]
    example_cap: u32,
}

fn default_class_weights() -> bool {
    true
}

fn default_minimum_examples() -> u32 {
    20
}

fn default_example_cap() -> u32 {
    10_000
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Encoding {
    #[default]
    F32,
    F16,
    Int8,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Privacy {
    /// L2 norm every update is clipped to; 0 for none.
    clip_norm: f64,
    /// Standard deviation of the noise on the sum, in clip norms; 0 for none: then nothing is promised.
    noise_multiplier: f64,
    /// The hub sees the sum alone.
    secure_aggregation: bool,
    /// Default 1e-5.
    #[serde(default = "default_delta")]
    delta: f64,
}

fn default_delta() -> f64 {
    1e-5
}

/// What a command line says instead of the file.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Overrides {
    #[arg(long)]
    model: Option<String>,
    /// The version to start from.
    #[arg(long)]
    base: Option<String>,
    #[arg(long)]
    rounds: Option<u32>,
    /// Fewest clinics whose updates make a round.
    #[arg(long)]
    quorum: Option<u32>,
    /// Name of a registered plan.
    #[arg(long)]
    plan: Option<String>,
}

impl Settings {
    pub(super) fn parse(toml: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(toml)
    }

    pub(super) fn with(mut self, overrides: Overrides) -> Self {
        self.model = overrides.model.unwrap_or(self.model);
        self.base = overrides.base.unwrap_or(self.base);
        self.rounds = overrides.rounds.unwrap_or(self.rounds);
        self.cohort.quorum = overrides.quorum.unwrap_or(self.cohort.quorum);
        self.plan = overrides.plan.or(self.plan);
        self
    }

    pub(super) fn to_wire(&self) -> v1::RunSettings {
        let Self { cohort, fit, .. } = self;
        let parameters = self.strategy.parameters.iter();
        v1::RunSettings {
            model_id: self.model.clone(),
            base_version: self.base.clone(),
            rounds: self.rounds,
            strategy: self.strategy.name.clone(),
            strategy_parameter: parameters
                .map(|(name, value)| v1::Metric {
                    name: name.clone(),
                    value: *value,
                })
                .collect(),
            quorum: cohort.quorum,
            target: cohort.target,
            stage_ms: cohort.stage_ms,
            late: match cohort.late {
                Late::Drop => v1::LatePolicy::Drop,
                Late::AcceptUntilAggregation => v1::LatePolicy::AcceptUntilAggregation,
            }
            .into(),
            privacy: Some(v1::PrivacyTerms {
                clip_norm: self.privacy.clip_norm,
                noise_multiplier: self.privacy.noise_multiplier,
                secure_aggregation: self.privacy.secure_aggregation,
            }),
            delta: self.privacy.delta,
            fit: Some(v1::FitSettings {
                epochs: fit.epochs,
                learning_rate: fit.learning_rate,
                l2: fit.l2,
                proximal_mu: fit.proximal_mu,
                class_weights: fit.class_weights,
                encoding: match fit.encoding {
                    Encoding::F32 => v1::Encoding::F32,
                    Encoding::F16 => v1::Encoding::F16,
                    Encoding::Int8 => v1::Encoding::Int8,
                }
                .into(),
                minimum_examples: fit.minimum_examples,
                example_cap: fit.example_cap,
                batch_size: fit.batch_size,
                momentum: fit.momentum,
            }),
            norm_limit: cohort.norm_limit,
            plan: self.plan.clone().unwrap_or_default(),
            retries: cohort.retries,
            from_zero: self.from_zero,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../runs/example.toml");

    #[test]
    fn the_example_says_what_it_explains() {
        let wire = Settings::parse(EXAMPLE).unwrap().to_wire();
        assert_eq!((wire.model_id.as_str(), wire.rounds), ("cxr-pneumonia", 10));
        assert_eq!(wire.late(), v1::LatePolicy::Drop);
        assert_eq!(wire.fit.unwrap().encoding(), v1::Encoding::F32);
        // What the example shows behind a `#` is the default.
        let shown: String = EXAMPLE
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(rest)
                    if rest.split_once(" = ").is_some_and(|(key, _)| {
                        key.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric())
                    }) =>
                {
                    format!("{rest}\n")
                }
                _ => format!("{line}\n"),
            })
            .collect();
        assert_ne!(shown, EXAMPLE);
        assert_eq!(
            Settings::parse(&shown).unwrap(),
            Settings::parse(EXAMPLE).unwrap()
        );
    }

    #[test]
    fn a_flag_comes_before_the_file() {
        let settings = Settings::parse(EXAMPLE).unwrap().with(Overrides {
            rounds: Some(3),
            plan: Some("other".into()),
            ..Overrides::default()
        });
        let wire = settings.to_wire();
        assert_eq!((wire.rounds, wire.plan.as_str()), (3, "other"));
        assert_eq!(wire.base_version, "0.1.0");
    }

    #[test]
    fn an_unknown_key_is_a_mistake() {
        let text = EXAMPLE.replace("rounds = 10", "rounds = 10\nround = 1");
        assert!(
            Settings::parse(&text)
                .unwrap_err()
                .to_string()
                .contains("unknown field")
        );
    }
}
