//! The hub's certificate as the hub last showed it: files that travel by hand are sealed to its key.

#[cfg(test)]
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use barefoot_trust::{Reader, SealError, TlsIdentity};
use time::OffsetDateTime;

use crate::durable;

/// Why there is no hub to seal for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the hub's certificate cannot be read from {path}")]
    Read { path: String, source: io::Error },
    #[error("this box does not know its hub's certificate yet: it learns it when it is connected once")]
    Unknown,
    #[error("what is kept as the hub's certificate is not the hub's any more")]
    NotTheHubs { source: SealError },
}

fn file(state: &Path) -> PathBuf {
    state.join("hub.certificate")
}

/// Keeps what the hub showed, if the authority says that it is the hub's. `true` when it is news. Waits for the disk.
///
/// # Errors
/// When it is not the hub's.
pub(crate) fn remember(state: &Path, identity: &TlsIdentity, certificate: &[u8]) -> Result<bool, SealError> {
    identity.hub_reader(certificate, OffsetDateTime::now_utc())?;
    let path = file(state);
    if durable::read(&path).ok().flatten().as_deref() == Some(certificate) {
        return Ok(false);
    }
    if let Err(error) = durable::replace(&path, certificate) {
        tracing::warn!(%error, "The hub's certificate could not be written down.");
    }
    Ok(true)
}

/// The hub as the reader of a sealed file.
///
/// # Errors
/// When it was never shown, or is not believed any more.
pub(crate) fn reader(state: &Path, identity: &TlsIdentity) -> Result<Reader, Error> {
    let path = file(state);
    let kept = durable::read(&path).map_err(|source| Error::Read {
        path: path.display().to_string(),
        source,
    })?;
    let certificate = kept.ok_or(Error::Unknown)?;
    identity
        .hub_reader(&certificate, OffsetDateTime::now_utc())
        .map_err(|source| Error::NotTheHubs { source })
}

/// Whether the hub has ever shown its certificate.
#[cfg(test)]
pub(crate) fn is_known(state: &Path) -> bool {
    fs::exists(file(state)).unwrap_or(false)
}
