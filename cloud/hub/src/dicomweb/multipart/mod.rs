//! `multipart/related` (RFC 2387), written and read as streams: an answer of a thousand images, or a request of as many, is
//! never in memory. The kept crates for multipart know forms only, and hold a part's header without a bound.

mod read;
mod write;

pub(super) use read::{Reader, boundary_of};
pub(super) use write::{Part, Pieces, related, whole};
