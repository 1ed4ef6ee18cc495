//! The daemon in the clinic.
//!
//! One image's way, which is also the order of the modules: a scanner's association (`front_door`), its
//! images (`storage_scp`), durable on disk
//! (`spool`), complete (`study`), graded (`quality`), assessed (`assess`), in the clinic's book (`case_book`), queued,
//! and over the line to the hub (`link`) and to the clinic's own nodes (`deliver`). `commitment` promises senders that images
//! are kept; `import` takes them from a stick; `image_upload` sends those of hard cases to the hub, without identity. `pipeline` is the one screen that wires them; no stage knows another.
//!
//! What the stages share: `handoff` (what one gives the next), `hub_clock` (the hub's time), `study_folder` and `case_log` (the truth on disk),
//! `case_index` (what the clinic sees), `picture_quality` (how good its pictures are), `scanners`, `status`.

pub mod audit;
pub mod config;
pub mod console_command;
pub mod enrol_command;
pub mod identify;
pub mod import_command;
pub mod logging;
pub mod page_client;
pub mod pipeline;
pub mod self_test_command;
pub mod status_command;
pub mod stick_commands;
pub mod store_check;

#[doc(hidden)]
pub mod fuzzing;

mod front_door;

mod storage_scp;

pub mod at_rest;

mod spool;

mod study;

mod priors;
mod quality;

mod assess;

mod case_book;

mod link;

mod deliver;

mod commitment;

mod import;

mod image_upload;

mod clinic_page;

mod query_retrieve;

mod worklist;

mod mpps;

mod hub_services;

mod membership;

mod local_training;

pub mod federated;
mod federation;

mod model_slot;

mod addresses;
mod archive;
mod backoff;
mod carrying;
mod case_index;
mod case_log;
mod character_sets;
mod checked_lines;
mod clock;
mod dicom_tls;
mod dimse;
mod durable;
mod error_chain;
mod fault_report;
mod films;
mod finding_names;
mod handoff;
mod heat_layer;
mod hub_certificate;
mod hub_clock;
mod identity_check;
mod idle;
mod import_desk;
mod labels;
mod learning_status;
mod mask_layers;
mod metrics;
mod model;
mod node_status;
mod nodes;
mod open_pictures;
mod orders;
mod own_addresses;
mod paper;
mod picture_quality;
mod reading;
mod recent_log;
mod report_check;
mod reports_aside;
pub mod research;
mod results;
mod retention;
mod scanners;
mod self_test;
mod set_up;
pub mod site_policy;
mod site_redaction;
mod speech;
mod stage_times;
mod status;
mod study_folder;
mod upper_layer;
pub mod users;

#[cfg(test)]
mod test_instances;

#[cfg(test)]
mod conformance;
