//! What may leave this clinic, to whom, and what is learnt: one typed file, `policy.toml` in the state directory.
//!
//! ```text
//! model      the policy and its rules; without a file the one of care alone, with a damaged one nothing but results
//! learning   its part on learning and rounds
//! keeping    the file, sealed with the box's key; who holds a handle sees a change at once
//! changes    what differs between two, in words, and whether more may leave
//! consent    what a patient, or a guardian, has said, and what follows from it
//! names      the clinic's names by recipient
//! command    `barefoot-edge policy show` and `set`
//! ```
//! The box changes it on its page (by a manager with a PIN) and by the command; the hub never does. Each start and each change
//! puts its hash into the audit log: a file that somebody else put there is noticed.

mod changes;
mod command;
pub(crate) mod consent;
mod keeping;
pub mod learning;
mod model;
mod names;

pub(crate) use changes::{Change, changes};
pub use command::{set, show};
pub(crate) use keeping::{Origin, PolicyHandle, read};
pub use learning::{Consent, DailyHours, Policy, SecureAggregation};
pub(crate) use model::{
    DatesWord, Minors, NodeGets, Recipient, ResearchDates, ResearchNames, SitePolicy, UnknownAge, UrgencyWord,
};
pub(crate) use names::Names;
