//! Bundles and models as the agent uses them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test's broken assumption must stop it"
)]

mod bundles;
mod models;
mod opaque;
mod parity;
mod shipped;
mod third_party;
mod tiny;
