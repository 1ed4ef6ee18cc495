//! Learning from the clinic's own labelled studies, within the site's policy.
//!
//! The site's policy (`site_policy`) says what is allowed, `keeper` turns labels into features (never pictures) and forgets them when a patient
//! says no, `site_fit` says how sure the model's calls are here, `learner` trains and measures the head, `budget` counts what all rounds together reveal. Talking to the hub
//! is `federation`'s.

pub use crate::site_policy::{Consent, DailyHours, Policy, SecureAggregation};

mod examples;
pub use examples::{Dataset, Examples, LabelledFeatures, Trainable};

mod trainer;

mod evaluation;

mod learner;
pub use learner::{Evaluated, FitOrder, Fitted, GoOn, HeadLearner, LearnError, Learner};

mod wanted;

mod features;

mod site_fit;

mod keeper;
pub(crate) use keeper::{Keeper, Parts as KeeperParts};

mod budget;
pub(crate) use budget::{Budget, Error as BudgetError, ReleaseId};
