//! Federated rounds as clinics and maintainers meet them.
//!
//! [`barefoot_federation::round`] decides; here it is asked, its word is journalled, and only then anybody hears of it.
//!
//! ```text
//! service       the clinic's calls
//! tasks         what a clinic is told to do next
//! uploads       chunks on their way in and out, each clinic its own
//! replies       what clinics submit: admitted, checked (`take`, `checks`), journalled, answered
//! run           one active run in memory: exactly what the journal says
//! ledger        applies an input to a run and journals what it changed, in one transaction
//! driver, work  time, and the hub's own work: the aggregate (`aggregation`, `secure`), the candidate (`finishing`,
//!               `judging`)
//! resume        from the journal back to memory
//! runs          what maintainers ask for; `view` and `watch` are how they see it
//! ```
//!
//! All state of active runs lies behind one lock, held over the transaction: the hub never shows what it could forget.
//! Checks and arithmetic over parameters run outside it.

mod aggregation;
mod checks;
mod driver;
mod error;
mod finishing;
mod judging;
mod ledger;
mod refusal;
mod replies;
mod resume;
mod run;
mod runs;
mod secure;
mod service;
mod settings;
mod take;
mod tasks;
mod uploads;
mod view;
mod watch;
mod wire;
mod work;

#[cfg(test)]
mod tests;

pub(crate) use driver::Driver;
pub(crate) use error::Error;
pub(crate) use runs::Runs;
pub(crate) use service::FederationService;
