//! Federated rounds as clinics and maintainers meet them.
//!
//! [`barefoot_federation::round`] decides; here it is asked, its word is journalled, and only then anybody hears of it.
//!
//! ```text
//! service    the clinic's calls: who may do what now, commit, answer
//! uploads    chunks on their way in and out, each clinic its own
//! checks     is a reply what it claims to be; the reasons for refusing one
//! run        one active run in memory: exactly what the journal says
//! ledger     applies an input to a run and journals what it changed, in one transaction
//! driver     time, and the hub's own work: aggregation, the candidate, removing what nobody needs
//! aggregation, secure   the arithmetic over chunk files, on a thread of its own
//! runs       what maintainers ask for; views
//! ```
//!
//! All state of active runs lies behind one lock, held over the transaction: the hub never shows what it could forget.
//! Checks and arithmetic over parameters run outside it.

mod aggregation;
mod checks;
mod driver;
mod error;
mod finishing;
mod ledger;
mod refusal;
mod replies;
mod resume;
mod run;
mod runs;
mod secure;
mod service;
mod settings;
mod tasks;
mod uploads;
mod view;
mod watch;
mod wire;
mod work;

pub(crate) use driver::Driver;
pub(crate) use error::Error;
pub(crate) use runs::Runs;
pub(crate) use service::FederationService;
