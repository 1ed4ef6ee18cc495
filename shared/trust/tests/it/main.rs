//! What `trust` promises, seen from outside.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test whose assumption breaks must stop"
)]

mod attacks;
mod repository;
mod sealed_files;
mod signing_together;
mod trusted_state;
