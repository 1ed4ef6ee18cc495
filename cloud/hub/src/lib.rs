//! The regional hub of Barefoot.
//!
//! It takes the results of its clinics over MQTT 5 with mutual TLS, commits them, answers each with a receipt, and
//! shows them as they arrive. It never sees identity: a study is known here by its clinic's pseudonym only. It never
//! acknowledges what is not committed, and whatever a clinic sends twice is stored once.
//!
//! Modules in the order a result passes them: `mqtt` (who calls, on which topic) → `ingest` (is it acceptable; one
//! committer for all sessions) → `archive` (the database, the only module that knows it) → `results_page` (people
//! and programs read, served by `web`; `viewer_assets` is the image viewer inside the hub). `dispatch` carries what
//! experts correct back to the clinics. `presence` knows which clinics are connected, `changes` wakes the pages, `metrics`
//! says it all in numbers. `import_queue` takes what was carried here by hand where there is no line. `image_store` takes
//! the images of hard cases by HTTPS, `dicomweb` gives them to viewers and other systems. `worklist` brings hard cases to
//! the experts who read them in the `reading_room`.
//!
//! And in the order a better model passes them: `grpc` (boxes and maintainers call) → `federation` (rounds; parameters
//! lie in `chunks`) → `model_registry` (is the candidate proven) → `rollout` (signed releases, from the canary to the
//! fleet) → `models_page`.
//!
//! `revocation` knows whose certificates are not let in any more; every port that asks for one asks it.
//! `people` knows who works here and may do what, `audit` keeps who did what. `openapi` is the table of all addresses.

pub mod at_rest;
pub mod config;
mod shutdown;
mod state;

mod mqtt;

mod grpc;

mod ingest;

mod archive;
mod chunks;

mod audit;
mod people;

mod image_store;

mod dicomweb;

mod dispatch;
mod enrolment;

mod worklist;

mod reading_room;

mod model_registry;

mod federation;

mod rollout;

mod metrics;

pub mod backup;
pub mod console;
pub mod health;
pub mod import_queue;

#[doc(hidden)]
pub mod fuzzing;

mod box_starts;
mod changes;
mod clock;
mod own_certificates;
mod places;
mod seldom;

mod presence;
mod tls_port;

mod openapi;
mod web;

pub mod viewer_assets;

mod results_page;
mod revocation;

mod models_page;

mod run;

pub use config::Config;
pub use run::{Error, run};
pub use shutdown::Shutdown;
