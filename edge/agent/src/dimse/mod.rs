//! DICOM messages (PS3.7) over associations: command sets, sessions, and the shape of a service.

mod command;
mod service;
mod session;

pub(crate) use command::{Command, element, field};
pub(crate) use service::{Answering, Call, Caller, Service};
pub(crate) use session::{Message, SendError, Session};

/// Statuses of several services (PS3.7 annex C).
pub(crate) mod status {
    pub(crate) const SUCCESS: u16 = 0x0000;
    pub(crate) const PROCESSING_FAILURE: u16 = 0x0110;
    /// Of C-FIND, C-MOVE and C-GET (PS3.4 annexes C and K): unable to process, cannot understand.
    pub(crate) const CANNOT_UNDERSTAND: u16 = 0xC000;
    pub(crate) const UNRECOGNIZED_OPERATION: u16 = 0x0211;
}

/// Transfer syntaxes of messages without pixel data.
pub(crate) const MESSAGE_SYNTAXES: &[&str] = &["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"];
