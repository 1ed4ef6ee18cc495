//! What a site allows to be learnt from its patients: the `[learning]` table of its policy.

use serde::{Deserialize, Serialize};

/// Two clinics in a sum each learn the other's update from it.
const LEAST_SECURE_COHORT: u32 = 3;

/// The `[learning]` table of the policy. Without it no example is kept and no round joined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// `opt_out`: a labelled study is learnt from unless its patient said no. `opt_in`: only when its patient said yes.
    /// Required.
    pub consent: Consent,
    /// Whether federated rounds are joined. Default true.
    #[serde(default = "yes")]
    pub rounds: bool,
    /// Whether the models' confidence follows this clinic's confirmed cases (30 with and 30 without a finding). Scores and calls
    /// stay the model's. Default true.
    #[serde(default = "yes")]
    pub follow_site: bool,
    /// Ids of the models that may learn here. Default all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// Fewest clinics whose updates must make a round, at least 2; 3 with secure aggregation. Required.
    pub minimum_cohort: u32,
    /// The largest clip norm (l2, in the units of the head's weights) accepted in a round's terms; `inf` accepts rounds
    /// that do not clip. Required.
    pub clip_norm: f64,
    /// The smallest noise multiplier (standard deviation of the noise on the sum, in clip norms) accepted in a round's
    /// terms. 0: noise is not demanded, and no bound holds for what an update reveals. Required.
    pub noise_multiplier: f64,
    /// `required`, `allowed` or `refused`: whether the hub may or must see nothing but sums. Required.
    pub secure_aggregation: SecureAggregation,
    /// The privacy loss epsilon all rounds together may cost. Required unless `noise_multiplier` is 0, and only then
    /// absent: rounds without noise cannot be counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epsilon_budget: Option<f64>,
    /// The probability delta with which epsilon may be exceeded, above 0 and below 1. Default 1e-5.
    #[serde(default = "default_delta")]
    pub delta: f64,
    /// Fewest examples to train on. Default 20.
    #[serde(default = "default_minimum_examples")]
    pub minimum_examples: u32,
    /// When training may run. Default: always, while no study waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily_hours: Option<DailyHours>,
}

/// What silence of the patient means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consent {
    /// Silence allows.
    OptOut,
    /// Silence forbids.
    OptIn,
}

/// Whether the hub may see single updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecureAggregation {
    /// Never.
    Required,
    /// Where the round says so.
    Allowed,
    /// Only rounds in which it does.
    Refused,
}

/// Hours of the day, from the first to before the second, over midnight where the first is later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DailyHours {
    /// 0 to 23. Required.
    pub from: u8,
    /// 0 to 23, not `from`. Required.
    pub to: u8,
    /// Minutes the clinic's time is ahead of UTC, -720 to 840; 480 in China. Required.
    pub utc_offset_minutes: i16,
}

fn yes() -> bool {
    true
}

fn default_delta() -> f64 {
    1e-5
}

fn default_minimum_examples() -> u32 {
    20
}

impl Policy {
    /// # Errors
    /// A sentence naming the key and what to do.
    pub fn check(&self) -> Result<(), String> {
        let demands_noise = 0.0 < self.noise_multiplier;
        let least = match self.secure_aggregation {
            SecureAggregation::Required => LEAST_SECURE_COHORT,
            SecureAggregation::Allowed | SecureAggregation::Refused => 2,
        };
        let rules = [
            (
                least <= self.minimum_cohort,
                "minimum_cohort must be at least 2, and at least 3 with secure aggregation",
            ),
            (0.0 < self.clip_norm, "clip_norm must be above 0"),
            (
                self.noise_multiplier.is_finite() && 0.0 <= self.noise_multiplier,
                "noise_multiplier must be 0 or above",
            ),
            (
                !demands_noise || self.clip_norm.is_finite(),
                "clip_norm must be a number where noise is demanded: noise without a clip norm hides nothing",
            ),
            (
                demands_noise == self.epsilon_budget.is_some(),
                "epsilon_budget must be set exactly when noise_multiplier is above 0",
            ),
            (
                self.epsilon_budget
                    .is_none_or(|budget| budget.is_finite() && 0.0 < budget),
                "epsilon_budget must be above 0",
            ),
            (
                0.0 < self.delta && self.delta < 1.0,
                "delta must be above 0 and below 1",
            ),
            (
                self.models.as_ref().is_none_or(|models| {
                    !models.is_empty() && models.iter().all(|model| !model.trim().is_empty())
                }),
                "models names at least one model; leave it out for all, and the table out for none",
            ),
            (0 < self.minimum_examples, "minimum_examples must not be 0"),
            (
                self.daily_hours.is_none_or(DailyHours::is_possible),
                "daily_hours: from and to are different hours from 0 to 23, utc_offset_minutes from -720 to 840",
            ),
        ];
        match rules.iter().find(|(kept, _)| !kept) {
            None => Ok(()),
            Some((_, rule)) => Err(format!("[learning] {rule}")),
        }
    }

    /// Whether this model may learn here.
    #[must_use]
    pub(crate) fn takes_model(&self, id: &str) -> bool {
        self.models
            .as_ref()
            .is_none_or(|models| models.iter().any(|model| model == id))
    }

    /// Whether a study may be learnt from, given its patient's word.
    #[must_use]
    pub(crate) fn consents(&self, word: Option<bool>) -> bool {
        word.unwrap_or(self.consent == Consent::OptOut)
    }

    /// Whether training may run at this time, Unix milliseconds.
    #[must_use]
    pub(crate) fn is_open_at(&self, now_ms: i64) -> bool {
        self.daily_hours.is_none_or(|hours| hours.contain(now_ms))
    }
}

impl DailyHours {
    fn is_possible(self) -> bool {
        self.from < 24
            && self.to < 24
            && self.from != self.to
            && (-720..=840).contains(&self.utc_offset_minutes)
    }

    fn contain(self, now_ms: i64) -> bool {
        let minutes = now_ms.div_euclid(60_000) + i64::from(self.utc_offset_minutes);
        let hour = minutes.div_euclid(60).rem_euclid(24);
        let (from, to) = (i64::from(self.from), i64::from(self.to));
        if from < to {
            (from..to).contains(&hour)
        } else {
            from <= hour || hour < to
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        consent = "opt_out"
        minimum_cohort = 3
        clip_norm = 0.5
        noise_multiplier = 1.0
        secure_aggregation = "required"
        epsilon_budget = 8.0
    "#;

    fn parse(text: &str) -> Result<Policy, String> {
        let policy: Policy = toml::from_str(text).map_err(|error| error.to_string())?;
        policy.check()?;
        Ok(policy)
    }

    #[test]
    fn a_whole_policy_is_read_and_a_lacking_one_refused() {
        let policy = parse(GOOD).unwrap();
        assert_eq!((policy.delta, policy.minimum_examples), (1e-5, 20));
        for key in [
            "consent",
            "minimum_cohort",
            "clip_norm",
            "noise_multiplier",
            "secure_aggregation",
            "epsilon_budget",
        ] {
            let lacking: String = GOOD
                .lines()
                .filter(|line| !line.trim().starts_with(key))
                .map(|line| format!("{line}\n"))
                .collect();
            let error = parse(&lacking).unwrap_err();
            assert!(error.contains(key), "{error}");
        }
    }

    #[test]
    fn values_that_cannot_be_are_named() {
        for (good, bad, expected) in [
            ("minimum_cohort = 3", "minimum_cohort = 2", "minimum_cohort"),
            ("clip_norm = 0.5", "clip_norm = 0.0", "clip_norm"),
            ("clip_norm = 0.5", "clip_norm = inf", "clip_norm"),
            ("clip_norm = 0.5", "clip_norm = nan", "clip_norm"),
            (
                "noise_multiplier = 1.0",
                "noise_multiplier = nan",
                "noise_multiplier",
            ),
            (
                "noise_multiplier = 1.0",
                "noise_multiplier = 0.0",
                "epsilon_budget",
            ),
            ("epsilon_budget = 8.0", "epsilon_budget = inf", "epsilon_budget"),
            ("\"required\"", "\"maybe\"", "maybe"),
            ("\"opt_out\"", "\"opt_out\"\ntypo = 1", "typo"),
            ("\"opt_out\"", "\"opt_out\"\nmodels = []", "models"),
            ("\"opt_out\"", "\"opt_out\"\ndelta = 1.0", "delta"),
        ] {
            assert!(GOOD.contains(good));
            let error = parse(&GOOD.replace(good, bad)).unwrap_err();
            assert!(error.contains(expected), "{bad}: {error}");
        }
        let plain = GOOD
            .replace("noise_multiplier = 1.0", "noise_multiplier = 0")
            .replace("epsilon_budget = 8.0", "")
            .replace("clip_norm = 0.5", "clip_norm = inf");
        assert_eq!(parse(&plain).unwrap().epsilon_budget, None);
    }

    #[test]
    fn silence_means_what_the_site_says_and_the_patients_word_stands() {
        let out = parse(GOOD).unwrap();
        let opt_in = parse(&GOOD.replace("opt_out", "opt_in")).unwrap();
        assert!(out.consents(None) && !opt_in.consents(None));
        for policy in [out, opt_in] {
            assert!(policy.consents(Some(true)) && !policy.consents(Some(false)));
        }
    }

    #[test]
    fn hours_are_the_clinics_and_pass_midnight() {
        let night = DailyHours {
            from: 20,
            to: 6,
            utc_offset_minutes: 480,
        };
        let utc = |hour: i64| hour * 3_600_000;
        for (hour, open) in [
            (11, false),
            (12, true),
            (16, true),
            (21, true),
            (22, false),
            (-3, true),
        ] {
            assert_eq!(night.contain(utc(hour)), open, "{hour}");
        }
    }
}
