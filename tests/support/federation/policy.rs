use barefoot_edge::federated::{Consent, Policy, SecureAggregation};

/// A site that takes part in rounds without protection.
#[must_use]
pub fn open_policy() -> Policy {
    Policy {
        consent: Consent::OptOut,
        minimum_cohort: 3,
        clip_norm: f64::INFINITY,
        noise_multiplier: 0.0,
        secure_aggregation: SecureAggregation::Allowed,
        epsilon_budget: None,
        delta: 1e-5,
        minimum_examples: 5,
        daily_hours: None,
        rounds: true,
        follow_site: true,
        models: None,
    }
}

/// A site that demands secure sums, this clip norm and at least this noise, and stops when the budget is spent.
#[must_use]
pub fn private_policy(clip_norm: f64, noise_multiplier: f64, epsilon_budget: f64) -> Policy {
    Policy {
        clip_norm,
        noise_multiplier,
        secure_aggregation: SecureAggregation::Required,
        epsilon_budget: (0.0 < noise_multiplier).then_some(epsilon_budget),
        ..open_policy()
    }
}
