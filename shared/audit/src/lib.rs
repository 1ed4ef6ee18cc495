//! What the audit logs of box and hub tell others.
//!
//! ```text
//! message     an entry of a log as a DICOM audit message (PS3.15 annex A.5); pure
//! syslog      the message as a line of syslog (RFC 5424), framed for TLS (RFC 5425, PS3.15 annex A.6); pure
//! repository  the way there: from where the last one ended, over mutual TLS, again and again until it arrived
//! ```
//! The log itself, its chain and its signatures are in `barefoot_trust::audit`; who writes which entry is the daemons' own
//! matter. Nothing here holds a name of a patient: an entry has none.

mod message;
mod repository;
mod syslog;

pub use message::{Source, SourceKind, is_known, message};
pub use repository::{Config, Forwarding, Log, Logged, Mark, Standing, View};

use barefoot_trust::audit::{AuditEntry, Hash};

/// The first line of a file of messages.
pub const FILE_BEGIN: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<AuditMessages>\n";
/// Its last.
pub const FILE_END: &str = "</AuditMessages>\n";

/// One message as a line of such a file.
#[must_use]
pub fn file_line(entry: &AuditEntry, hash: &Hash, source: &Source) -> String {
    let mut line = message(entry, hash, source);
    line.push('\n');
    line
}
