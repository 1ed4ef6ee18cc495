//! Worklist service (UPS-RS, PS3.18 chapter 11).
//!
//! ```text
//! state          what may be done with a workitem and what comes of it: PS3.4 table CC.1.1-2 as one function
//! attributes     a workitem's content, DICOM JSON model
//! requirements   what must stand in it when it is made and when it ends; that no identity stands in it
//! search         matching keys against it
//! workitems      where workitems come from: a trait; one such place is the hub's list (`worklist::workitems`)
//! made           the other one: workitems that clients make, in the database
//! places         all of them as one worklist
//! events         what is told of a change
//! subscriptions  who wants to hear of which
//! service        requests and answers; `following` those of who wants to hear, `socket` where they hear
//! ```

mod attributes;
mod events;
mod following;
mod made;
mod places;
mod requirements;
mod search;
mod service;
mod socket;
mod state;
mod subscriptions;
mod workitems;

pub(crate) use attributes::Attributes;
pub(crate) use events::{Event, EventKind, Events};
pub(crate) use following::following;
pub(crate) use made::MadeWorkitems;
pub(crate) use places::Ups;
pub(crate) use requirements::{PROGRESS, updated};
pub(crate) use search::Search;
pub(crate) use service::{doing, seeing};
pub(crate) use state::{Action, Outcome, Refusal, State, Transaction, decide};
pub(crate) use workitems::{Done, Fault, Request, Workitem, Workitems};
