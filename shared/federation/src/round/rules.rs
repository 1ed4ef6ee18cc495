use std::ops::RangeInclusive;

use crate::strategy::{MAX_ROBUST_CLIENTS, Strategy, count};

/// Most clinics in a round without secure aggregation: what a hub's memory and a stage's time are made for.
pub const MOST_CLINICS: u32 = 10_000;
/// Most clinics in a round with secure aggregation.
pub const MOST_SECURE_CLINICS: u32 = 1000;
/// Shortest and longest stage, milliseconds: a tenth of a second for simulations, a week for rare lines.
const STAGE_MS: RangeInclusive<u64> = 100..=7 * 24 * 3600 * 1000;

/// What becomes of a reply that comes when its stage's time is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// It is refused, and a stage with too few replies fails at its deadline.
    Drop,
    /// It counts until the next stage has begun: a stage with too few replies at its deadline waits as long again,
    /// and ends the moment it has enough.
    AcceptUntilAggregation,
}

/// How a round is held, the same for all rounds of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Fewest clinics whose updates make a round. Under secure aggregation also its threshold.
    pub quorum: u32,
    /// A stage that everybody may join ends with this many; 0: only at its deadline.
    pub target: u32,
    /// Time of every stage that clinics must do something in, milliseconds.
    pub stage_ms: u64,
    pub late: Late,
    /// Updates are masked.
    pub secure: bool,
    /// Clinics measure the new global parameters at the end. Exact figures about single clinics undo what masks and
    /// noise protect, so only for rounds without either.
    pub evaluate: bool,
}

/// Which rule cannot be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    #[error("The quorum must be at least 1 and at most {MOST_CLINICS}.")]
    Quorum,
    #[error("The target must be 0 or at least the quorum, and at most {MOST_CLINICS}.")]
    Target,
    #[error("A stage takes a tenth of a second to a week.")]
    StageTime,
    #[error("With secure aggregation the target must be 3 to {MOST_SECURE_CLINICS}.")]
    SecureTarget,
    #[error("With secure aggregation the quorum must be above two thirds of the target and at least 3.")]
    SecureQuorum,
    #[error("The strategy compares single updates, which secure aggregation hides: choose one of the two.")]
    SecureStrategy,
    #[error("The strategy needs a quorum of at least {needed}.")]
    StrategyQuorum { needed: usize },
    #[error("The strategy takes at most {MAX_ROBUST_CLIENTS} updates; the target must not be above it.")]
    StrategyTarget,
    #[error("Evaluation by clinics would undo what masks or noise protect.")]
    Evaluation,
}

impl Rules {
    /// The rules themselves when they can be held, together with the strategy. A robust strategy without a target gets
    /// the most it takes as its target.
    ///
    /// # Errors
    /// [`RulesError`] names the first that cannot.
    pub fn checked(self, strategy: &Strategy) -> Result<Self, RulesError> {
        if self.quorum == 0 || MOST_CLINICS < self.quorum {
            return Err(RulesError::Quorum);
        }
        if MOST_CLINICS < self.target || (self.target != 0 && self.target < self.quorum) {
            return Err(RulesError::Target);
        }
        if !STAGE_MS.contains(&self.stage_ms) {
            return Err(RulesError::StageTime);
        }
        if self.secure {
            self.check_secure(strategy)?;
        }
        let needed = strategy.minimum_clients();
        if count(self.quorum) < needed {
            return Err(RulesError::StrategyQuorum { needed });
        }
        let Some(most) = strategy.maximum_clients() else {
            return Ok(self);
        };
        if most < count(self.quorum.max(self.target)) {
            return Err(RulesError::StrategyTarget);
        }
        let target = if self.target == 0 {
            u32::try_from(most).unwrap_or(MOST_CLINICS)
        } else {
            self.target
        };
        Ok(Self { target, ..self })
    }

    fn check_secure(&self, strategy: &Strategy) -> Result<(), RulesError> {
        if strategy.needs_plain_updates() {
            return Err(RulesError::SecureStrategy);
        }
        if !(3..=MOST_SECURE_CLINICS).contains(&self.target) {
            return Err(RulesError::SecureTarget);
        }
        // Of a sum over two, each of the two can subtract its own update. Why two thirds: see `secagg`.
        if self.quorum < 3 || self.quorum * 3 <= self.target * 2 {
            return Err(RulesError::SecureQuorum);
        }
        if self.evaluate {
            Err(RulesError::Evaluation)
        } else {
            Ok(())
        }
    }

    /// How many clinics end a stage that everybody may join.
    pub(super) fn enough(&self) -> usize {
        count(if self.target == 0 {
            MOST_CLINICS
        } else {
            self.target
        })
    }

    /// How many clinics a stage needs.
    pub(super) fn need(&self) -> usize {
        count(self.quorum)
    }
}
