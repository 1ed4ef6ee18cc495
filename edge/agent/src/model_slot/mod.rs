//! New models on this box: fetched, checked, run beside the active one, let to answer, kept or sent back.
//!
//! Two sources, the hub and a stick; neither is believed, only signatures are (`barefoot_trust::release`). What a
//! release goes through is [`Life`](life::Life); what is known survives a power cut in `ledger`; `keeper` decides what to
//! do next, `judge` whether a model does well; `shelf` is where bundles lie, `fetching` and `source` bring them there;
//! `start` chooses the model at a start; `hub_line` and `report` talk to the hub. The loop in `slot` has the work done,
//! one piece at a time (`working`), changes models (`changing`), and never stands in a study's way.

mod config;

mod life;

mod ledger;

mod keeper;

mod judge;

mod shelf;

mod source;

mod fetching;

mod healths;

mod start;

mod report;

mod hub_line;

mod slot;

mod working;

mod changing;

pub(crate) use config::Config;
pub(crate) use slot::{HubAccess, ModelSlot};

#[cfg(test)]
pub(crate) mod tests;
