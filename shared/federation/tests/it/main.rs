//! The crate's promises as tests: reference vectors, properties, and bytes nobody vouches for.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test whose assumption breaks must stop"
)]

mod aggregation;
mod encodings;
mod hygiene;
mod layouts;
mod means;
mod noise;
mod strategies;
mod support;
mod vectors;
