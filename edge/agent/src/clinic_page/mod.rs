//! The clinic's page: what came from the scanners, what the box makes of it, and how far it got, in big type.
//!
//! Plain HTML made here; it works without script by loading itself again. It reads the index of cases and never
//! changes one; what people say on it (a scanner may send, a finding is there, the box may learn) it hands on. Nothing is fetched from elsewhere, and a patient's
//! identity stands in page bodies only, never in an address, a header or a log line.
//!
//! How a request passes: `guard` (is it for us, is it from us) → `sign_in` (whose is it, may they) → `routes` → `card` and `top_bar` (sources to words)
//! → `templates/`. How a change reaches the tablet: `changes` → `/events` → the page asks for its fragment again.

mod config;
pub(crate) use config::{Config, Language};

mod sources;
pub(crate) use sources::{
    DicomAddress, HubNames, NoPaper, NodesDesk, OrdersDesk, Paper, PaperWish, PolicyDesk, Say, SelfTestDesk,
    Sources, Taken, Word,
};

mod server;
pub(crate) use server::ClinicPage;

mod first_boot;
pub(crate) use first_boot::FirstBootPage;

mod routes;

mod guard;

mod sign_in;

mod people;

mod acts;
mod priors;

mod request_language;

mod pages;

mod card;

mod learning;

mod saying;

mod expert;

mod talk;

mod marks;

mod print;

mod aside;

mod policy;

mod days;

mod wall;

mod fault;

mod exchange;

mod carried;

mod orders;
mod own_certificate;

mod quality;

mod scanner_card;

mod self_test;

mod top_bar;

mod releases;

mod wording;

mod moment;

mod texts;

mod pictures;

mod assets;

mod changes;

mod api;

#[cfg(test)]
mod tests;
