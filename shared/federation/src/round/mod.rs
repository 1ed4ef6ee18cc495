//! The life of one attempt of one round, as a hub decides it. Inputs and time in, decisions out.
//!
//! ```text
//! plain    Fitting ─────────────────────────────────▶ Aggregating ─▶ Evaluating ─▶ Finished
//! secure   Keys ─▶ Shares ─▶ Fitting ─▶ Unmasking ─▶ Aggregating ─▶ Finished
//! any      ─▶ Failed, when a stage's time is up, or nobody is left to wait for, with fewer clinics than it needs
//! ```
//!
//! | stage | ends early when | needs |
//! |---|---|---|
//! | Keys | `target` clinics sent keys | quorum |
//! | Shares | everybody of the roster sent shares or left | quorum |
//! | Fitting | plain: `target` updates came; secure: everybody sent or left | quorum |
//! | Unmasking | everybody whose update came has helped or left | quorum |
//! | Aggregating | the aggregate is there | quorum, after updates were excluded |
//! | Evaluating | everybody whose update came has replied or left | nobody |
//!
//! Every stage has a deadline, and [`Round::apply`] with [`Input::Tick`] acts on it. A round therefore always ends:
//! however few clinics speak, each stage lasts at most twice `stage_ms` (see [`Late`]).
//!
//! Under secure aggregation the quorum is the threshold of [`crate::secagg`].

mod evaluation;
mod rules;
mod run;
mod secure;
mod stage;
mod transition;

pub use evaluation::weighted_metrics;
pub use rules::{Late, MOST_CLINICS, MOST_SECURE_CLINICS, Rules, RulesError};
pub use run::{RunRules, RunStep};
pub use secure::{SecureTerms, SecureTermsError};
pub use stage::{Failure, Stage};
pub use transition::{Duty, Input, Left, Member, Progress, Refused, Round};

#[cfg(test)]
mod tests;
