use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use time::{Duration, OffsetDateTime};

use super::ReleaseError;
use super::metadata::{Listing, Parsed, RoleName, Root, Signed, TargetList, moment, parse};
use super::targets::Targets;
use crate::files;

const CLOCK_FILE: &str = "clock";
/// Clocks are corrected by a little now and then. The later time counts meanwhile.
const CLOCK_TOLERANCE: Duration = Duration::hours(1);
/// A flash disk is not written more often for the time alone.
const CLOCK_STEP: Duration = Duration::minutes(10);

/// What a machine knows of a repository already: it never goes back behind that.
///
/// One folder. Each file is replaced whole and synced before it counts, so a power cut at any point leaves a state that
/// was true. A file of it that is damaged is as one that was never written, except that the root given at
/// [`TrustedState::open`] always stands.
#[derive(Debug)]
pub struct TrustedState {
    /// `None`: kept in memory only.
    directory: Option<PathBuf>,
    pub(super) root: Parsed<Root>,
    pub(super) timestamp: Option<Parsed<Listing>>,
    pub(super) snapshot: Option<Parsed<Listing>>,
    pub(super) targets: Option<Parsed<TargetList>>,
    latest_known: Option<OffsetDateTime>,
}

impl TrustedState {
    /// Opens the folder, or makes it. `root` is the root metadata the machine was given by its operator; what the folder
    /// holds counts unless the operator's is newer.
    ///
    /// # Errors
    /// When `root` is not a well-signed root, or the folder cannot be made or read.
    pub fn open(directory: &Path, root: &[u8]) -> Result<Self, ReleaseError> {
        let failed = |source| ReleaseError::State {
            file: directory.display().to_string(),
            source,
        };
        fs::create_dir_all(directory).map_err(failed)?;
        let mut state = Self::in_memory(root)?;
        state.directory = Some(directory.to_owned());
        if let Some(kept) = state.load::<Root>(RoleName::Root)?
            && state.root.version() <= kept.version()
            && kept.verify(&kept.content).is_ok()
        {
            state.root = kept;
        }
        state.timestamp = state.load_signed(RoleName::Timestamp)?;
        state.snapshot = state.load_signed(RoleName::Snapshot)?;
        state.targets = state.load_signed(RoleName::Targets)?;
        let clock = state.read(CLOCK_FILE)?;
        state.latest_known = clock
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .and_then(|text| moment::parse(text.trim()));
        Ok(state)
    }

    /// For a look at a repository that leaves no trace: remembers nothing.
    ///
    /// # Errors
    /// When `root` is not a well-signed root.
    pub fn in_memory(root: &[u8]) -> Result<Self, ReleaseError> {
        let root: Parsed<Root> = parse(RoleName::Root, root.to_vec())?;
        root.verify(&root.content)?;
        Ok(Self {
            directory: None,
            root,
            timestamp: None,
            snapshot: None,
            targets: None,
            latest_known: None,
        })
    }

    /// The same knowledge for a look that leaves no trace: nothing it finds is written down.
    #[must_use]
    pub fn without_trace(self) -> Self {
        Self {
            directory: None,
            ..self
        }
    }

    #[must_use]
    pub fn root_version(&self) -> u64 {
        self.root.version()
    }

    /// The trusted root metadata, as it was signed.
    #[must_use]
    pub fn root_bytes(&self) -> &[u8] {
        &self.root.bytes
    }

    /// The release list verified last, without asking any source; `None` before the first.
    ///
    /// # Errors
    /// When it has expired since.
    pub fn last_targets(&self, now: OffsetDateTime) -> Result<Option<Targets>, ReleaseError> {
        let Some(targets) = &self.targets else {
            return Ok(None);
        };
        targets.check_expiry(now)?;
        Targets::of(&targets.content).map(Some)
    }

    /// The time to judge by: never behind what was known.
    pub(super) fn effective(&self, now: OffsetDateTime) -> Result<OffsetDateTime, ReleaseError> {
        match self.latest_known {
            Some(known) if now + CLOCK_TOLERANCE < known => Err(ReleaseError::ClockWentBack { now, known }),
            Some(known) => Ok(known.max(now)),
            None => Ok(now),
        }
    }

    /// Only after the whole repository was found right: a clock that runs years ahead finds everything expired, and so
    /// cannot shut the machine out once it is set right.
    pub(super) fn learn_time(&mut self, now: OffsetDateTime) -> Result<(), ReleaseError> {
        if self.latest_known.is_none_or(|known| known + CLOCK_STEP <= now) {
            self.write(CLOCK_FILE, moment::text(now).unwrap_or_default().as_bytes())?;
            self.latest_known = Some(now);
        }
        Ok(())
    }

    pub(super) fn accept_root(&mut self, root: Parsed<Root>) -> Result<(), ReleaseError> {
        let rotated = |role| self.root.content.trust_in(role) != root.content.trust_in(role);
        // A compromised key may have signed a version beyond all; with new keys, counting starts anew.
        let forget = rotated(RoleName::Timestamp) || rotated(RoleName::Snapshot);
        if forget {
            self.remove(RoleName::Timestamp)?;
            self.remove(RoleName::Snapshot)?;
            self.remove(RoleName::Targets)?;
            (self.timestamp, self.snapshot, self.targets) = (None, None, None);
        }
        self.keep(&root)?;
        self.root = root;
        Ok(())
    }

    pub(super) fn keep<T: Signed>(&self, metadata: &Parsed<T>) -> Result<(), ReleaseError> {
        self.write(&file(metadata.role), &metadata.bytes)
    }

    /// What was kept and is still signed by keys that count.
    fn load_signed<T: Signed>(&self, role: RoleName) -> Result<Option<Parsed<T>>, ReleaseError> {
        let kept = self.load::<T>(role)?;
        Ok(kept.filter(|kept| kept.verify(&self.root.content).is_ok()))
    }

    fn load<T: Signed>(&self, role: RoleName) -> Result<Option<Parsed<T>>, ReleaseError> {
        let bytes = self.read(&file(role))?;
        Ok(bytes.and_then(|bytes| parse(role, bytes).ok()))
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, ReleaseError> {
        let Some(directory) = &self.directory else {
            return Ok(None);
        };
        match fs::read(directory.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed(name, source)),
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), ReleaseError> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        files::replace(&directory.join(name), bytes).map_err(|source| failed(name, source))
    }

    fn remove(&self, role: RoleName) -> Result<(), ReleaseError> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        let name = file(role);
        match fs::remove_file(directory.join(&name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&name, error)),
            _ => files::sync_directory(directory).map_err(|source| failed(&name, source)),
        }
    }
}

fn file(role: RoleName) -> String {
    format!("{role}.json")
}

fn failed(name: &str, source: io::Error) -> ReleaseError {
    ReleaseError::State {
        file: name.to_owned(),
        source,
    }
}
