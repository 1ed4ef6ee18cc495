//! Where workitems come from. The hub's own list is one such place, the workitems that clients made another: to a client
//! they are one worklist.

use std::fmt;

use super::attributes::Attributes;
use super::requirements::{CLASS, INSTANCE, MODIFIED, STATE, TRANSACTION};
use super::search::Search;
use super::state::{Refusal, State, Warning};
use crate::dicomweb::access::{Caller, Later};
use crate::dicomweb::moment::date_time;

/// Unified Procedure Step - Push: of any instance (PS3.4 section CC.3.1).
pub(super) const PUSH: &str = "1.2.840.10008.5.1.4.34.6.1";

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Workitem {
    pub(crate) uid: String,
    pub(crate) state: State,
    /// Without the Transaction UID, which only its owner knows.
    pub(crate) attributes: Attributes,
    pub(crate) created_at_ms: i64,
    pub(crate) changed_at_ms: i64,
}

impl Workitem {
    /// As it is told to anybody.
    pub(crate) fn shown(&self) -> Attributes {
        let mut shown = self.attributes.clone();
        shown.remove(TRANSACTION);
        shown.put(CLASS, "UI", PUSH);
        shown.put(INSTANCE, "UI", &self.uid);
        shown.put(STATE, "CS", self.state.name());
        shown.put(MODIFIED, "DT", &date_time(self.changed_at_ms));
        shown
    }
}

/// What a client asks of a workitem.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Request {
    Update {
        transaction: Option<String>,
        changes: Attributes,
    },
    Change {
        to: State,
        transaction: Option<String>,
    },
    /// By who does not have it.
    Cancel {
        /// Reason, contact: may be empty.
        about: Attributes,
    },
}

/// It was done, or was so already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) warning: Option<Warning>,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("there is no such workitem")]
    NotFound,
    #[error("the workitem was there and is removed")]
    Gone,
    #[error("a workitem of this UID is there already")]
    Exists,
    #[error("{0}")]
    Invalid(String),
    #[error("{}", .0.why())]
    Refused(Refusal),
    /// What it stands for does not allow it now.
    #[error("{0}")]
    Conflict(String),
    /// A final state's needs, by name.
    #[error("{0} is missing")]
    Lacking(&'static str),
    #[error("the workitems cannot be read or written")]
    Failed {
        #[source]
        source: crate::archive::Error,
    },
}

/// A place of workitems. Every change is decided by `state::decide` and told to `Events`.
pub(crate) trait Workitems: fmt::Debug + Send + Sync {
    /// `NotFound` where it is not of this place.
    fn get<'a>(&'a self, uid: &'a str) -> Later<'a, Result<Workitem, Fault>>;

    /// All that match, the oldest first, without regard to its page.
    fn search<'a>(&'a self, search: &'a Search) -> Later<'a, Result<Vec<Workitem>, Fault>>;

    /// `NotFound` where it is not of this place.
    fn act<'a>(&'a self, uid: &'a str, request: Request, who: &'a Caller) -> Later<'a, Result<Done, Fault>>;
}
