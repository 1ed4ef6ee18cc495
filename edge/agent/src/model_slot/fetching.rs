//! From a source to a bundle on the shelf: the signed list first, then only the files whose bytes are not here yet.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;

use barefoot_trust::release::{Release, ReleaseError, Targets, TrustedState, verify_repository};
use time::OffsetDateTime;

use super::ledger::Name;
use super::shelf::{Known, Shelf};
use super::source::Source;

/// A file that arrives with another content than was signed is fetched anew this often.
const ATTEMPTS: u32 = 2;

/// Why a release is not on the shelf.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Release { source: ReleaseError },
    #[error("the root metadata {path} cannot be read: put it where [releases] root says")]
    Root { path: String, source: std::io::Error },
    #[error("the disk has too little space left for the release")]
    NoRoom,
    #[error("the files that are here cannot be looked through")]
    Shelf { source: std::io::Error },
    #[error("the place the release comes from is not in the site file any more")]
    NoSource,
    #[error("the work panicked")]
    Panicked,
}

impl Error {
    /// Stable, for the hub and the page.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Release { source } => source.code(),
            Self::Root { .. } => "root",
            Self::NoRoom => "no_room",
            Self::Shelf { .. } => "shelf",
            Self::NoSource => "no_source",
            Self::Panicked => "panicked",
        }
    }

    /// The line or the disk, which mend; everything else is a refusal of what was offered.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Release { source } => matches!(
                source,
                ReleaseError::Read { .. } | ReleaseError::State { .. } | ReleaseError::Write { .. }
            ),
            Self::NoRoom | Self::Shelf { .. } | Self::NoSource | Self::Panicked => true,
            Self::Root { .. } => false,
        }
    }
}

impl From<ReleaseError> for Error {
    fn from(source: ReleaseError) -> Self {
        Self::Release { source }
    }
}

/// What the repository offers, as far as it is signed, newer than what was known, and whole.
///
/// # Errors
/// When anything about it is wrong.
pub(crate) async fn consult(shelf: &Shelf, root: PathBuf, source: &Source) -> Result<Targets, Error> {
    let (trusted, source) = (shelf.trusted(), source.metadata());
    let work = move || {
        let given = fs::read(&root).map_err(|source| Error::Root {
            path: root.display().to_string(),
            source,
        })?;
        let mut state = TrustedState::open(&trusted, &given)?;
        Ok(verify_repository(
            &mut state,
            source.as_ref(),
            OffsetDateTime::now_utc(),
        )?)
    };
    blocking(work).await
}

/// Brings `release` onto the shelf; goes on where an earlier attempt ended. Bytes fetched over the line.
///
/// # Errors
/// When a file cannot be had as it was signed, or the disk fails.
pub(crate) async fn obtain(shelf: Shelf, source: Source, release: Arc<Release>) -> Result<u64, Error> {
    let name = Name {
        id: release.details.model.clone(),
        version: release.details.version.clone(),
    };
    let looking = (shelf.clone(), Arc::clone(&release));
    let known = blocking(move || {
        let (shelf, release) = looking;
        let asked = |source| Error::Shelf { source };
        if !shelf.has_room_for(&release).map_err(asked)? {
            return Err(Error::NoRoom);
        }
        shelf.known().map_err(asked)
    })
    .await?;
    let known = Arc::new(known);
    let mut fetched = 0;
    for file in release.files.iter().filter(|file| known.get(file).is_none()) {
        fetch_one(&shelf, &source, file).await?;
        fetched += file.length;
    }
    let shelved = (shelf, Arc::clone(&release), Arc::clone(&known));
    blocking(move || {
        let (shelf, release, known): (Shelf, Arc<Release>, Arc<Known>) = shelved;
        Ok(shelf.assemble(&name, &release, &known)?)
    })
    .await?;
    Ok(fetched)
}

async fn fetch_one(
    shelf: &Shelf,
    source: &Source,
    file: &barefoot_trust::release::ReleaseFile,
) -> Result<(), Error> {
    let part = shelf.part(file);
    let mut attempt = 1;
    loop {
        source.fetch(file, &part).await?;
        let (checked, path) = (file.clone(), part.clone());
        let right = blocking(move || {
            let opened = File::open(&path).map_err(|source| ReleaseError::Read {
                file: checked.path.clone(),
                source,
            })?;
            let right = checked.verify(opened);
            if right.is_err() {
                // Its beginning may be what is wrong: nothing of it is of use.
                let _ = fs::remove_file(&path);
            }
            Ok(right?)
        })
        .await;
        match right {
            Err(Error::Release {
                source: ReleaseError::WrongTarget { .. },
            }) if attempt < ATTEMPTS => attempt += 1,
            right => return right,
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or(Err(Error::Panicked))
}
