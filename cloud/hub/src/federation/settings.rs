use barefoot_federation::encoding::Encoding;
use barefoot_federation::round::{Late, Rules, RunRules};
use barefoot_federation::strategy::Strategy;
use barefoot_wire::v1;

use super::Error;

const MOST_ROUNDS: u32 = 100_000;
const MOST_RETRIES: u32 = 100;
const MOST_EPOCHS: u32 = 1000;

/// Standard deviations by which the norm of pure noise may lie above its mean; one in a billion does.
const NOISE_NORM_REACH: f64 = 6.0;

/// What decoding a lossy update, and its clinic's rounding, may add to a clipped norm.
const CLIP_TOLERANCE: f64 = 1.01;

/// Root mean square of an update's values that no honest one reaches: weights of networks and heads are around one. It holds where
/// neither the operator nor clipping sets a limit, so that one of two clinics cannot carry the mean away before there are enough
/// updates to tell an outlier.
const UNHEARD_OF: f64 = 100.0;

/// A run's settings, checked.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    /// As asked for, with what the strategy decides filled in.
    pub(super) settings: v1::RunSettings,
    pub(super) strategy: Strategy,
    pub(super) rules: Rules,
    pub(super) run: RunRules,
    pub(super) privacy: v1::PrivacyTerms,
    pub(super) fit: v1::FitSettings,
    pub(super) encoding: Encoding,
}

impl Setup {
    /// # Errors
    /// [`Error::Settings`] says which setting cannot be used, and why.
    pub(super) fn new(mut settings: v1::RunSettings) -> Result<Self, Error> {
        let strategy = strategy(&settings)?;
        let privacy = settings.privacy.unwrap_or_default();
        let mut fit = settings
            .fit
            .ok_or_else(|| Error::settings("The settings of fit are missing."))?;
        check_privacy(&privacy, settings.delta)?;
        check_fit(&fit)?;
        if fit.proximal_mu == 0.0 {
            fit.proximal_mu = strategy.proximal_mu();
        }
        let encoding = encoding(&fit, privacy.secure_aggregation)?;
        if settings.rounds == 0 || MOST_ROUNDS < settings.rounds {
            return Err(Error::settings(format!("A run has 1 to {MOST_ROUNDS} rounds.")));
        }
        if MOST_RETRIES < settings.retries {
            return Err(Error::settings(format!(
                "A round is tried again at most {MOST_RETRIES} times."
            )));
        }
        if !settings.norm_limit.is_finite() || settings.norm_limit < 0.0 {
            return Err(Error::settings(
                "The norm limit is a positive number, or 0 for the hub's own.",
            ));
        }
        let rules = Rules {
            quorum: settings.quorum,
            target: settings.target,
            stage_ms: settings.stage_ms,
            late: match settings.late() {
                v1::LatePolicy::Drop => Late::Drop,
                v1::LatePolicy::AcceptUntilAggregation => Late::AcceptUntilAggregation,
                v1::LatePolicy::Unspecified => {
                    return Err(Error::settings("The policy for late replies is missing."));
                }
            },
            secure: privacy.secure_aggregation,
            evaluate: !privacy.secure_aggregation && privacy.noise_multiplier == 0.0,
        };
        let rules = rules.checked(&strategy).map_err(Error::settings)?;
        fit.encoding = super::wire::to_encoding(encoding).into();
        settings.fit = Some(fit);
        settings.privacy = Some(privacy);
        Ok(Self {
            strategy,
            rules,
            run: RunRules {
                rounds: settings.rounds,
                retries: settings.retries,
            },
            privacy,
            fit,
            encoding,
            settings,
        })
    }

    pub(super) fn noise(&self) -> bool {
        0.0 < self.privacy.noise_multiplier
    }

    /// Exact figures about a single clinic would undo what masks or noise protect.
    pub(super) fn hides_figures(&self) -> bool {
        self.rules.secure || self.noise()
    }

    /// The largest norm of an update of `values` values: the operator's limit, and what clipping leaves; else the hub's own.
    pub(super) fn norm_limit(&self, values: usize) -> f64 {
        let (operator, clip) = (self.settings.norm_limit, self.privacy.clip_norm);
        if clip == 0.0 && operator == 0.0 {
            return UNHEARD_OF * (values as f64).sqrt();
        }
        let operator = if operator == 0.0 { f64::INFINITY } else { operator };
        if clip == 0.0 {
            return operator;
        }
        // A clinic whose update is not masked adds the whole noise to it.
        let deviation = self.privacy.noise_multiplier * clip;
        let noise = if self.noise() {
            deviation * ((values as f64).sqrt() + NOISE_NORM_REACH)
        } else {
            0.0
        };
        operator.min(CLIP_TOLERANCE * (clip + noise))
    }

    /// What a clinic counts in a mean. With noise all count the same: the noise is made for that.
    pub(super) fn weight(&self, examples: u32) -> f64 {
        if self.noise() {
            1.0
        } else {
            f64::from(examples.min(self.fit.example_cap.max(1)))
        }
    }
}

fn strategy(settings: &v1::RunSettings) -> Result<Strategy, Error> {
    let named = Strategy::named(&settings.strategy).map_err(Error::settings)?;
    settings
        .strategy_parameter
        .iter()
        .try_fold(named, |strategy, parameter| {
            strategy
                .with(&parameter.name, parameter.value)
                .map_err(|error| Error::settings(format!("Parameter {}: {error}", parameter.name)))
        })
}

fn check_privacy(privacy: &v1::PrivacyTerms, delta: f64) -> Result<(), Error> {
    let usable = |value: f64| value.is_finite() && 0.0 <= value;
    if !usable(privacy.clip_norm) || !usable(privacy.noise_multiplier) {
        return Err(Error::settings(
            "Clip norm and noise multiplier are 0 or positive numbers.",
        ));
    }
    if 0.0 < privacy.noise_multiplier && privacy.clip_norm == 0.0 {
        return Err(Error::settings(
            "Noise needs a clip norm: it is measured in clip norms.",
        ));
    }
    if 0.0 < privacy.noise_multiplier && !(0.0 < delta && delta < 1.0) {
        return Err(Error::settings(
            "Noise needs a delta between 0 and 1, for what it promises.",
        ));
    }
    if privacy.secure_aggregation && privacy.clip_norm == 0.0 {
        return Err(Error::settings(
            "Secure aggregation needs a clip norm: it bounds what is masked.",
        ));
    }
    Ok(())
}

fn check_fit(fit: &v1::FitSettings) -> Result<(), Error> {
    let usable = |value: f64| value.is_finite() && 0.0 <= value;
    if fit.epochs == 0 || MOST_EPOCHS < fit.epochs {
        return Err(Error::settings(format!("Fit has 1 to {MOST_EPOCHS} epochs.")));
    }
    if !(fit.learning_rate.is_finite() && 0.0 < fit.learning_rate) {
        return Err(Error::settings("The learning rate is a positive number."));
    }
    if !usable(fit.l2) || !usable(fit.proximal_mu) {
        return Err(Error::settings("l2 and proximal_mu are 0 or positive numbers."));
    }
    if !(0.0..1.0).contains(&fit.momentum) {
        return Err(Error::settings("The clients' momentum is 0 to below 1."));
    }
    if fit.batch_size == 0 || fit.example_cap == 0 {
        return Err(Error::settings("Batch size and example cap are at least 1."));
    }
    Ok(())
}

/// Under secure aggregation every update is masked; nothing else could be asked for.
fn encoding(fit: &v1::FitSettings, secure: bool) -> Result<Encoding, Error> {
    match (fit.encoding(), secure) {
        (v1::Encoding::Unspecified | v1::Encoding::F32 | v1::Encoding::Masked, true) => Ok(Encoding::Masked),
        (_, true) => Err(Error::settings(
            "Under secure aggregation updates cannot be compressed.",
        )),
        (v1::Encoding::Unspecified | v1::Encoding::F32, false) => Ok(Encoding::F32),
        (v1::Encoding::F16, false) => Ok(Encoding::F16),
        (v1::Encoding::Int8, false) => Ok(Encoding::Int8),
        (v1::Encoding::Masked, false) => Err(Error::settings(
            "Masked updates need secure aggregation in the privacy terms.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> v1::RunSettings {
        v1::RunSettings {
            rounds: 3,
            strategy: "FedProx".into(),
            quorum: 3,
            target: 4,
            stage_ms: 1000,
            late: v1::LatePolicy::Drop.into(),
            delta: 1e-5,
            fit: Some(v1::FitSettings {
                epochs: 1,
                learning_rate: 0.1,
                batch_size: 8,
                example_cap: 200,
                ..v1::FitSettings::default()
            }),
            ..v1::RunSettings::default()
        }
    }

    fn terms(clip_norm: f64, noise_multiplier: f64, secure_aggregation: bool) -> v1::PrivacyTerms {
        v1::PrivacyTerms {
            clip_norm,
            noise_multiplier,
            secure_aggregation,
        }
    }

    fn with(change: impl FnOnce(&mut v1::RunSettings)) -> Result<Setup, Error> {
        let mut settings = asked();
        change(&mut settings);
        Setup::new(settings)
    }

    #[test]
    fn the_strategy_and_the_masks_decide_what_clinics_are_told() {
        let plain = with(|_| {}).unwrap();
        assert_eq!(
            (plain.fit.proximal_mu, plain.encoding, plain.rules.evaluate),
            (0.01, Encoding::F32, true)
        );
        assert_eq!(plain.settings.fit.unwrap().encoding(), v1::Encoding::F32);
        assert_eq!((plain.weight(50), plain.weight(999)), (50.0, 200.0));
        let secure = with(|settings| settings.privacy = Some(terms(1.0, 0.0, true))).unwrap();
        assert_eq!(
            (secure.encoding, secure.rules.evaluate),
            (Encoding::Masked, false)
        );
        let noised = with(|settings| settings.privacy = Some(terms(1.0, 1.0, false))).unwrap();
        assert_eq!((noised.weight(50), noised.rules.evaluate), (1.0, false));
    }

    #[test]
    fn an_update_may_be_as_long_as_clipping_and_noise_leave_it() {
        let limit = |terms: Option<v1::PrivacyTerms>, norm_limit: f64| {
            let setup = with(|settings| {
                settings.privacy = terms;
                settings.norm_limit = norm_limit;
            });
            setup.unwrap().norm_limit(10_000)
        };
        assert_eq!(limit(None, 0.0), 100.0 * 100.0);
        assert_eq!(limit(None, 5.0), 5.0);
        assert!((limit(Some(terms(2.0, 0.0, false)), 0.0) - 2.02).abs() < 1e-9);
        assert!((limit(Some(terms(2.0, 1.5, false)), 0.0) - 1.01 * (2.0 + 3.0 * 106.0)).abs() < 1e-9);
        assert_eq!(limit(Some(terms(2.0, 1.5, false)), 7.0), 7.0);
    }

    #[test]
    fn settings_that_cannot_work_say_why() {
        type Change = fn(&mut v1::RunSettings);
        let changes: [(&str, Change); 15] = [
            ("rounds", |settings| settings.rounds = 0),
            ("name", |settings| settings.strategy = "FedBest".into()),
            ("no parameter", |settings| {
                settings.strategy_parameter = vec![v1::Metric::default()];
            }),
            ("late", |settings| settings.late = 0),
            ("epochs", |settings| settings.fit.as_mut().unwrap().epochs = 0),
            ("learning rate", |settings| {
                settings.fit.as_mut().unwrap().learning_rate = f64::NAN
            }),
            ("momentum", |settings| {
                settings.fit.as_mut().unwrap().momentum = 1.0
            }),
            ("Batch size", |settings| {
                settings.fit.as_mut().unwrap().batch_size = 0
            }),
            ("norm limit", |settings| settings.norm_limit = -1.0),
            ("clip norm", |settings| {
                settings.privacy = Some(terms(0.0, 1.0, false))
            }),
            ("clip norm", |settings| {
                settings.privacy = Some(terms(0.0, 0.0, true))
            }),
            ("compressed", |settings| {
                settings.privacy = Some(terms(1.0, 0.0, true));
                settings.fit.as_mut().unwrap().encoding = v1::Encoding::Int8.into();
            }),
            ("secure aggregation", |settings| {
                settings.fit.as_mut().unwrap().encoding = v1::Encoding::Masked.into();
            }),
            ("two thirds of the target", |settings| {
                settings.privacy = Some(terms(1.0, 0.0, true));
                (settings.quorum, settings.target) = (5, 8);
            }),
            ("retries", |settings| settings.retries = 101),
        ];
        for (word, change) in changes {
            let error = with(change).unwrap_err().to_string();
            assert!(error.contains(word) || word == "retries", "{word}: {error}");
        }
    }
}
