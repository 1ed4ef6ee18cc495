use std::fmt;
use std::io;

/// What payloads are kept under, so that the disk tells nothing of them. The queue knows nothing of how.
pub trait Cover: fmt::Debug + Send + Sync {
    /// What is kept of a record's payload. It may be a few dozen bytes longer.
    ///
    /// # Errors
    /// When it cannot be made.
    fn cover(&self, id: &str, payload: &[u8]) -> io::Result<Vec<u8>>;

    /// The payload again; of a record that was stored without a cover as it is.
    ///
    /// # Errors
    /// When the bytes are not what was kept for this id.
    fn uncover(&self, id: &str, kept: Vec<u8>) -> io::Result<Vec<u8>>;
}
