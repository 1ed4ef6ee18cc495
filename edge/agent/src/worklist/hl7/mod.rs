//! HL7 version 2 order messages: general order (ORM^O01), general clinical order (OMG^O19), imaging order (OMI^O23).
//!
//! Bounded, and decoded before anything is taken apart: in GB 18030 the second byte of a character may look like a
//! separator.

mod message;
mod orders;
mod text;

#[cfg(test)]
use orders::Asked;
pub(super) use orders::{Action, orders};

/// Bytes of one message; orders have a few kilobytes.
pub(super) const MAX_BYTES: usize = 256 * 1024;

/// Why a message is not taken. Names the place, never a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    #[error("the message is longer than {MAX_BYTES} bytes")]
    TooLong,
    #[error(
        "MSH-18 names UTF-8, GB 18030 or ASCII and the bytes are something else, or it names another character set"
    )]
    CharacterSet,
    #[error("the message does not start with an MSH segment and its separators")]
    NoHeader,
    #[error("the file holds more than one message: drop one message a file")]
    SeveralMessages,
    #[error("the message has too many segments or fields")]
    TooMany,
    #[error("MSH-9 is none of ORM^O01, OMG^O19 and OMI^O23")]
    NotAnOrder,
    #[error("there is no ORC segment")]
    NoOrder,
    #[error("ORC-1 is none of NW, XO, CA and DC")]
    Control,
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0} cannot be used: it is too long, or no such value")]
    Unusable(&'static str),
}

#[cfg(test)]
pub(super) mod tests;
