//! The hub as clinics and people meet it: real sockets, real TLS, a client library that is not ours.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's broken assumption must stop it"
)]

mod support;

mod abuse;
mod alarms;
mod batches;
mod broker;
mod corrections;
mod federation;
mod images;
mod page;
mod people;
mod program;
mod provider;
mod releases;
mod results_arrive;
mod revocation;
