//! Which versions of which models there are, what each was proven on, and which may go on.
//!
//! A maintainer registers the base (what boxes run), locked test sets and a plan of allowed changes. A run turns the
//! base into a candidate; the `gate` measures it beside its base on the test sets and holds it against the plan.
//! Only a candidate within all bounds can be fetched for signing. Life: [`ModelState`].
//!
//! `head` and `gate` decide and touch nothing; [`Registry`] fetches, asks them and writes down.

mod error;
mod state;

mod model;
mod provenance;
mod record;
mod version;

mod plan;
mod test_set;

mod head;

mod gate;

mod report;

mod candidate;
mod maintenance;
mod overview;
mod plans;
mod progress;
mod proof;
mod registry;
mod test_sets;

pub(crate) use error::Error;
#[cfg(test)]
pub(crate) use gate::Quantity;
pub(crate) use gate::{Check, Limit};
pub(crate) use model::{BaseModel, FindingSetting};
#[cfg(test)]
pub(crate) use overview::FigureSummary;
pub(crate) use overview::{GateSummary, VersionOverview};
pub(crate) use proof::Proof;
pub(crate) use provenance::{PlanPin, Provenance, RoundTaken};
pub(crate) use registry::Registry;
pub(crate) use report::quantity_label;
pub(crate) use state::{ModelEvent, ModelState};

#[cfg(test)]
mod tests;
