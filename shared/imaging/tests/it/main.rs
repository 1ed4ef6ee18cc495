//! Files as others write them, through the whole crate.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test's broken assumption must stop it"
)]

mod corpus;
mod damage;
mod decoding;
mod deidentification;
mod evidence;
mod files;
mod films;
mod headers;
#[path = "../../examples/patient/made_up.rs"]
mod made_up;
mod pictures;
mod presented;
mod quality;
mod reports;
mod transcoding;
mod wide_samples;
