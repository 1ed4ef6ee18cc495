//! What all rounds together have cost the clinic's privacy, on disk before anything leaves.
//!
//! One line for every noised update that left or may have left. The sum never shrinks: no entry is ever removed, a
//! damaged or missing file closes the budget, and a release is written down before it is sent.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use barefoot_federation::privacy::{Epsilon, Ledger};
use serde::{Deserialize, Serialize};

use super::Policy;
use crate::checked_lines;
use crate::study_folder::sync_directory;

const FILE: &str = "privacy.log";

/// One attempt of one round: what is released once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct ReleaseId {
    pub run: String,
    pub round: u32,
    pub attempt: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Release {
    #[serde(flatten)]
    id: ReleaseId,
    noise_multiplier: f64,
    at_ms: i64,
}

/// Why nothing noised may leave.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the record of privacy spent cannot be read or written")]
    Disk { source: io::Error },
    #[error(
        "the record of privacy spent has {lines} damaged lines: restore it from the backup, nobody knows what was spent"
    )]
    Damaged { lines: usize },
    #[error(
        "the record of privacy spent is missing: restore it from the backup, nobody knows what was spent"
    )]
    Missing,
    #[error("the record of privacy spent makes no sense")]
    Senseless {
        source: barefoot_federation::privacy::Error,
    },
    #[error("the release would cost more than the budget of epsilon that is left")]
    Exhausted,
}

/// The clinic's privacy account. One for the box; whoever holds it decides alone.
#[derive(Debug)]
pub(crate) struct Budget {
    path: PathBuf,
    releases: Vec<Release>,
    ledger: Ledger,
    limit: Option<Epsilon>,
    delta: f64,
}

impl Budget {
    /// Makes an empty account in a folder of training that is new. Also where no policy wants one yet: later, an account
    /// that is not there counts as lost.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn begin(directory: &Path) -> io::Result<()> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(directory.join(FILE))?;
        file.sync_all()?;
        sync_directory(directory)
    }

    /// Opens the account below the folder of training.
    ///
    /// # Errors
    /// When the account is missing, damaged or unreadable; learning then stays closed.
    pub(crate) fn open(directory: &Path, policy: &Policy) -> Result<Self, Error> {
        let path = directory.join(FILE);
        let disk = |source| Error::Disk { source };
        if !fs::exists(&path).map_err(disk)? {
            return Err(Error::Missing);
        }
        let read = checked_lines::replay::<Release>(&path).map_err(disk)?;
        if 0 < read.damaged {
            return Err(Error::Damaged { lines: read.damaged });
        }
        let mut releases: Vec<Release> = Vec::new();
        for release in read.entries {
            // An entry whose first writing seemed to fail may stand there twice.
            if !releases.iter().any(|known| known.id == release.id) {
                releases.push(release);
            }
        }
        let senseless = |source| Error::Senseless { source };
        let spent = releases.iter().map(|release| (release.noise_multiplier, 1));
        let limit = policy.epsilon_budget.map(Epsilon::new).transpose();
        Ok(Self {
            ledger: Ledger::from_releases(spent).map_err(senseless)?,
            releases,
            path,
            limit: limit.map_err(senseless)?,
            delta: policy.delta,
        })
    }

    /// Whether this release was written down: it left, or may have left.
    #[must_use]
    pub(crate) fn knows(&self, id: &ReleaseId) -> bool {
        self.releases.iter().any(|release| release.id == *id)
    }

    /// Epsilon of everything written down; at the policy's delta.
    #[must_use]
    pub(crate) fn spent(&self) -> f64 {
        self.ledger
            .epsilon(self.delta)
            .map_or(f64::INFINITY, Epsilon::value)
    }

    /// # Errors
    /// When one more release with this noise does not fit.
    pub(crate) fn check(&self, noise_multiplier: f64) -> Result<(), Error> {
        let senseless = |source| Error::Senseless { source };
        let after = self.ledger.with(noise_multiplier, 1).map_err(senseless)?;
        let cost = after.epsilon(self.delta).map_err(senseless)?;
        match self.limit {
            Some(limit) if limit < cost => Err(Error::Exhausted),
            _ => Ok(()),
        }
    }

    /// Writes a release down; only after `Ok` may it leave. Again for the same release it changes nothing.
    ///
    /// # Errors
    /// When it does not fit, or the disk fails.
    pub(crate) fn spend(&mut self, id: &ReleaseId, noise_multiplier: f64, now_ms: i64) -> Result<(), Error> {
        if self.knows(id) {
            return Ok(());
        }
        self.check(noise_multiplier)?;
        let release = Release {
            id: id.clone(),
            noise_multiplier,
            at_ms: now_ms,
        };
        checked_lines::append(&self.path, std::slice::from_ref(&release))
            .map_err(|source| Error::Disk { source })?;
        self.ledger = self
            .ledger
            .with(noise_multiplier, 1)
            .map_err(|source| Error::Senseless { source })?;
        self.releases.push(release);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Consent, SecureAggregation};
    use super::*;

    fn policy(epsilon: f64) -> Policy {
        Policy {
            consent: Consent::OptOut,
            minimum_cohort: 3,
            clip_norm: 1.0,
            noise_multiplier: 1.0,
            secure_aggregation: SecureAggregation::Allowed,
            epsilon_budget: Some(epsilon),
            delta: 1e-5,
            minimum_examples: 1,
            daily_hours: None,
            rounds: true,
            follow_site: true,
            models: None,
        }
    }

    fn id(round: u32, attempt: u32) -> ReleaseId {
        ReleaseId {
            run: "run".into(),
            round,
            attempt,
        }
    }

    #[test]
    fn the_budget_holds_over_restarts_and_every_attempt_counts() {
        let dir = tempfile::tempdir().unwrap();
        let policy = policy(8.0);
        // z = 1: one release costs 4.377 at delta 1e-5, two 6.6, three 8.4.
        Budget::begin(dir.path()).unwrap();
        let mut budget = Budget::open(dir.path(), &policy).unwrap();
        assert_eq!(budget.spent(), 0.0);
        budget.spend(&id(1, 1), 1.0, 1).unwrap();
        assert!((budget.spent() - 4.377).abs() < 0.01);
        budget.spend(&id(1, 1), 1.0, 2).unwrap();
        assert!((budget.spent() - 4.377).abs() < 0.01);
        drop(budget);
        let mut budget = Budget::open(dir.path(), &policy).unwrap();
        assert!(budget.knows(&id(1, 1)) && !budget.knows(&id(1, 2)));
        budget.spend(&id(1, 2), 1.0, 3).unwrap();
        let spent = budget.spent();
        assert!(matches!(budget.spend(&id(2, 1), 1.0, 4), Err(Error::Exhausted)));
        assert_eq!(budget.spent(), spent);
        drop(budget);
        let budget = Budget::open(dir.path(), &policy).unwrap();
        assert_eq!(budget.spent(), spent);
        assert!(matches!(budget.check(1.0), Err(Error::Exhausted)));
        budget.check(50.0).unwrap();
    }

    #[test]
    fn a_damaged_or_missing_account_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let policy = policy(100.0);
        Budget::begin(dir.path()).unwrap();
        let mut budget = Budget::open(dir.path(), &policy).unwrap();
        for round in 1..4 {
            budget.spend(&id(round, 1), 1.0, 1).unwrap();
        }
        drop(budget);
        let path = dir.path().join(FILE);
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[20] ^= 1;
        fs::write(&path, &flipped).unwrap();
        assert!(matches!(
            Budget::open(dir.path(), &policy),
            Err(Error::Damaged { lines: 1 })
        ));
        // A torn tail was never synced, so its release never left.
        fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        let budget = Budget::open(dir.path(), &policy).unwrap();
        assert!(budget.knows(&id(2, 1)) && !budget.knows(&id(3, 1)));
        fs::remove_file(&path).unwrap();
        assert!(matches!(Budget::open(dir.path(), &policy), Err(Error::Missing)));
    }

    #[test]
    fn an_append_that_was_cut_short_does_not_close_the_account() {
        let dir = tempfile::tempdir().unwrap();
        let policy = policy(100.0);
        Budget::begin(dir.path()).unwrap();
        let mut budget = Budget::open(dir.path(), &policy).unwrap();
        budget.spend(&id(1, 1), 1.0, 1).unwrap();
        let path = dir.path().join(FILE);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, [&whole[..], &whole[..whole.len() / 2]].concat()).unwrap();
        budget.spend(&id(2, 1), 1.0, 1).unwrap();
        let budget = Budget::open(dir.path(), &policy).unwrap();
        assert!(budget.knows(&id(1, 1)) && budget.knows(&id(2, 1)));
    }

    #[test]
    fn a_release_without_noise_cannot_be_accounted_for() {
        let dir = tempfile::tempdir().unwrap();
        Budget::begin(dir.path()).unwrap();
        let mut budget = Budget::open(dir.path(), &policy(8.0)).unwrap();
        for z in [0.0, -1.0, f64::NAN] {
            assert!(matches!(
                budget.spend(&id(1, 1), z, 1),
                Err(Error::Senseless { .. })
            ));
        }
        assert_eq!(budget.spent(), 0.0);
    }
}
