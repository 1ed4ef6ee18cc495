//! What somebody in the clinic says to the hub of a case, and whether it is fit to be sent.

use barefoot_domain::Subject;
use barefoot_wire::MAX_MESSAGE_CHARS;

use crate::case_index::CaseView;
use crate::identity_check::{self, Names};

/// Something the clinic says to the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Speech {
    Message {
        /// Made once by whoever shows the form: the same form sent twice is one message.
        id: String,
        subject: Subject,
        text: String,
        /// The writer's post as the expert sees it, never a patient's name.
        post: String,
    },
    Read {
        report: String,
    },
}

/// Why something said is not written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotKept {
    NoSuchCase,
    NoSuchVersion,
    NoSuchReport,
    Empty,
    TooLong,
    TooMany,
    /// The site's policy lets no text leave.
    NotByPolicy,
    /// It names the patient: what to take out.
    Names(Vec<Names>),
}

/// What makes a text of the clinic's unfit to be sent.
pub(crate) fn unfit(text: &str, case: &CaseView) -> Option<NotKept> {
    if text.trim().is_empty() {
        return Some(NotKept::Empty);
    }
    if MAX_MESSAGE_CHARS < text.chars().count() {
        return Some(NotKept::TooLong);
    }
    let names = identity_check::names(text, &case.patient);
    (!names.is_empty()).then_some(NotKept::Names(names))
}
