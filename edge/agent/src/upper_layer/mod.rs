//! The DICOM upper layer (PS3.8): associations over TCP or TLS, as acceptor and as requestor.
//!
//! ```text
//! state        the standard's table, pure
//! negotiation  what of a request is accepted, pure
//! inbox        bytes
//! connection   PDUs, presentation data as a stream of pieces
//! acceptor     connection → association somebody asked for
//! requestor    connection → association we ask for
//! ```
//!
//! dicom-ul takes PDUs apart and puts them together; the flow is ours, because an image must never be in memory whole,
//! and because the library's reader has no limits.

mod acceptor;
mod connection;
mod inbox;
mod negotiation;
mod requestor;
mod state;

pub(crate) use acceptor::{Asked, Refusal, await_request};
pub(crate) use connection::{Connection, Ended, Piece, Received, Stream};
pub(crate) use dicom_ul::pdu::AbortRQServiceProviderReason as AbortReason;
pub(crate) use negotiation::{Context, Contexts, Offered, Offers, Roles};
pub(crate) use requestor::{ConnectError, Proposal, Proposed, request};

/// PS3.7 annex A.2.1.
const APPLICATION_CONTEXT: &str = "1.2.840.10008.3.1.1.1";

/// Names the program in the negotiation (PS3.7 annex D.3.3.2): a UUID-derived UID of ours.
pub(crate) const IMPLEMENTATION_CLASS_UID: &str = "2.25.4653291329967564828560827053873516160";
pub(crate) const IMPLEMENTATION_VERSION: &str = concat!("BAREFOOT_", env!("CARGO_PKG_VERSION"));

/// PS3.5 table 6.2-1: 1 to 16 characters, no backslash, no control characters.
#[must_use]
pub(crate) fn is_ae_title(text: &str) -> bool {
    (1..=16).contains(&text.len()) && text.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'\\')
}

#[cfg(test)]
mod tests;
