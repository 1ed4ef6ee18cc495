//! What a clinic keeps on disk of the rounds it takes part in, so that after a kill the same bytes are sent again.
//!
//! ```text
//! training/                 0700
//!   lock                    held by the one participant that works here
//!   privacy.log             what was spent (local_training::budget)
//!   features/…              examples (local_training::keeper)
//!   global/<sha256>         chunks of the newest global parameters; fetched again when missing
//!   residuals/<run>         what lossy encodings of a run still owe
//!   unmasked/<run>          newest round a sum of which this clinic helped to unmask (`secrets`)
//!   rounds/<run>-<r>-<a>/   one attempt of one round
//!     terms                 fingerprint of the terms it was entered under
//!     secagg                this clinic's side of secure aggregation: secret, in the clear, 0600, soon gone (`secrets`)
//!     end                   when the attempt is over if the hub is silent (`secrets`)
//!     keys, shares, fit, unmask, evaluate   replies as they are sent
//!     chunks/<sha256>       the sealed update
//!     residual              becomes residuals/<run> once the update is in
//! ```
//! A run's name is never part of a path: its hash is.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use barefoot_federation::chunk::ChunkId;
use prost::Message;

use crate::at_rest;
use crate::durable;
use crate::local_training::ReleaseId;
use crate::study_folder::sync_directory;

/// Attempts kept, of all runs; the oldest go first.
const MOST_ATTEMPTS: usize = 8;
/// No stage of a round lasts as long.
const LONGEST_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long a claim waits: a step of training and a few syncs.
const CLAIM_ATTEMPTS: usize = 1000;
const CLAIM_PAUSE: Duration = Duration::from_millis(10);

const LOCK: &str = "lock";
pub(super) const ROUNDS: &str = "rounds";
pub(super) const UNMASKED: &str = "unmasked";
const TERMS: &str = "terms";
pub(super) const SECAGG: &str = "secagg";
const RESIDUAL: &str = "residual";
const CHUNKS: &str = "chunks";

/// A reply kept as it was first made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    Keys,
    Shares,
    Fit,
    Unmask,
    Evaluate,
}

impl Reply {
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Shares => "shares",
            Self::Fit => "fit",
            Self::Unmask => "unmask",
            Self::Evaluate => "evaluate",
        }
    }
}

/// The right to work in a folder of training; given back when dropped. What a participant that was dropped still has on a
/// thread ends first.
#[derive(Debug)]
pub(super) struct Claim(#[expect(dead_code, reason = "the lock lives as long as the file is open")] File);

impl Claim {
    /// Waits a little for whoever works there to end.
    ///
    /// # Errors
    /// When somebody else goes on working there, or the disk fails.
    pub(super) fn lay(root: &Path) -> io::Result<Self> {
        make(root)?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(root.join(LOCK))?;
        for _ in 0..CLAIM_ATTEMPTS {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) => thread::sleep(CLAIM_PAUSE),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "another program works in the folder of training",
        ))
    }
}

/// The folder of training.
#[derive(Debug, Clone)]
pub(super) struct Store {
    pub(super) root: PathBuf,
}

impl Store {
    /// # Errors
    /// When a folder cannot be made.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        for name in ["global", "residuals", UNMASKED, ROUNDS] {
            make(&root.join(name))?;
        }
        sync_directory(root)?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    /// The attempt's folder; makes it, and removes what earlier attempts of the run and too old ones left.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn enter(&self, id: &ReleaseId) -> io::Result<Attempt> {
        let attempt = self.attempt(id);
        if !fs::exists(&attempt.directory)? {
            self.clear(id)?;
            make(&attempt.directory.join(CHUNKS))?;
            sync_directory(&attempt.directory)?;
            sync_directory(&self.root.join(ROUNDS))?;
        }
        Ok(attempt)
    }

    /// The attempt's folder, where it was entered.
    pub(super) fn find(&self, id: &ReleaseId) -> io::Result<Option<Attempt>> {
        let attempt = self.attempt(id);
        Ok(fs::exists(&attempt.directory)?.then_some(attempt))
    }

    pub(super) fn attempt(&self, id: &ReleaseId) -> Attempt {
        let name = format!("{}-{}-{}", run_name(&id.run), id.round, id.attempt);
        Attempt {
            directory: self.root.join(ROUNDS).join(name),
            run_residual: self.root.join("residuals").join(run_name(&id.run)),
        }
    }

    fn clear(&self, next: &ReleaseId) -> io::Result<()> {
        let run = run_name(&next.run);
        let mut others = Vec::new();
        for entry in fs::read_dir(self.root.join(ROUNDS))? {
            let entry = entry?;
            let of_run = entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.starts_with(&run));
            if of_run {
                remove_attempt(&entry.path())?;
            } else {
                others.push((entry.metadata()?.modified()?, entry.path()));
            }
        }
        others.sort();
        let too_many = (others.len() + 1).saturating_sub(MOST_ATTEMPTS);
        let too_old = SystemTime::now().checked_sub(LONGEST_KEPT);
        for (number, (modified, path)) in others.into_iter().enumerate() {
            if number < too_many || Some(modified) < too_old {
                remove_attempt(&path)?;
            }
        }
        Ok(())
    }

    /// Which of these chunks of global parameters are not here yet; what else is here goes.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn missing_global(&self, wanted: &[ChunkId]) -> io::Result<Vec<ChunkId>> {
        let directory = self.root.join("global");
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let keep = name
                .to_str()
                .and_then(|name| name.parse().ok())
                .is_some_and(|id| wanted.contains(&id));
            if !keep {
                fs::remove_file(entry.path())?;
            }
        }
        let mut missing: Vec<ChunkId> = Vec::new();
        for id in wanted {
            if !missing.contains(id) && self.global(id)?.is_none() {
                missing.push(*id);
            }
        }
        Ok(missing)
    }

    /// Keeps a chunk of global parameters. Not synced: a lost one is fetched again.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn put_global(&self, id: &ChunkId, content: &[u8]) -> io::Result<()> {
        at_rest::write(&self.root.join("global").join(id.to_string()), content).map(drop)
    }

    /// A chunk of global parameters whose hash is right.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn global(&self, id: &ChunkId) -> io::Result<Option<Vec<u8>>> {
        read_chunk(&self.root.join("global"), id)
    }
}

/// One attempt of one round on disk.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) directory: PathBuf,
    run_residual: PathBuf,
}

impl Attempt {
    /// Whether these are the terms the attempt was entered under; the first ones are kept.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn holds_to(&self, fingerprint: &ChunkId) -> io::Result<bool> {
        let path = self.directory.join(TERMS);
        match durable::read(&path)? {
            Some(known) => Ok(known == fingerprint.0),
            None => durable::replace(&path, &fingerprint.0).map(|()| true),
        }
    }

    /// A reply that was kept; `None` where there is none or it is damaged.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn reply<M: Message + Default>(&self, which: Reply) -> io::Result<Option<M>> {
        let bytes = durable::read(&self.directory.join(which.file()))?;
        Ok(bytes.and_then(|bytes| M::decode(bytes.as_slice()).ok()))
    }

    /// Keeps a reply; only after `Ok` may it be sent.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn keep_reply(&self, which: Reply, reply: &impl Message) -> io::Result<()> {
        durable::replace(&self.directory.join(which.file()), &reply.encode_to_vec())
    }

    /// # Errors
    /// When the disk fails.
    pub(super) fn secagg(&self) -> io::Result<Option<Vec<u8>>> {
        durable::read(&self.directory.join(SECAGG))
    }

    /// # Errors
    /// When the disk fails.
    pub(super) fn keep_secagg(&self, state: &[u8]) -> io::Result<()> {
        durable::replace(&self.directory.join(SECAGG), state)
    }

    /// Forgets the secrets of secure aggregation.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn destroy_secagg(&self) -> io::Result<()> {
        durable::destroy(&self.directory.join(SECAGG))
    }

    /// Keeps the chunks of a sealed update.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn keep_chunks(&self, chunks: &[Vec<u8>]) -> io::Result<Vec<ChunkId>> {
        let directory = self.directory.join(CHUNKS);
        let mut ids = Vec::with_capacity(chunks.len());
        for content in chunks {
            let id = ChunkId::of(content);
            let path = directory.join(id.to_string());
            at_rest::write(&path, content)?.sync_all()?;
            ids.push(id);
        }
        sync_directory(&directory)?;
        Ok(ids)
    }

    /// A chunk of the sealed update whose hash is right.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn chunk(&self, id: &ChunkId) -> io::Result<Option<Vec<u8>>> {
        read_chunk(&self.directory.join(CHUNKS), id)
    }

    /// What the run's earlier updates still owe.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn owed(&self) -> io::Result<Option<Vec<f32>>> {
        let bytes = durable::read(&self.run_residual)?;
        Ok(bytes.map(|bytes| {
            let (values, _) = bytes.as_chunks::<4>();
            values.iter().map(|value| f32::from_le_bytes(*value)).collect()
        }))
    }

    /// # Errors
    /// When the disk fails.
    pub(super) fn keep_residual(&self, owed: &[f32]) -> io::Result<()> {
        let bytes: Vec<u8> = owed.iter().flat_map(|value| value.to_le_bytes()).collect();
        durable::replace(&self.directory.join(RESIDUAL), &bytes)
    }

    /// The update is in: what it could not carry is owed from now on. An answer that is lost between the hub and here costs
    /// one residual, half a step of rounding.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn settle_residual(&self) -> io::Result<()> {
        match fs::rename(self.directory.join(RESIDUAL), &self.run_residual) {
            Ok(()) => self.run_residual.parent().map_or(Ok(()), sync_directory),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

pub(super) fn run_name(run: &str) -> String {
    ChunkId::of(run.as_bytes()).to_string().chars().take(32).collect()
}

fn make(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

fn read_chunk(directory: &Path, id: &ChunkId) -> io::Result<Option<Vec<u8>>> {
    match at_rest::read(&directory.join(id.to_string())) {
        Ok(content) => Ok((ChunkId::of(&content) == *id).then_some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn remove_attempt(directory: &Path) -> io::Result<()> {
    durable::destroy(&directory.join(SECAGG))?;
    fs::remove_dir_all(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(run: &str, round: u32, attempt: u32) -> ReleaseId {
        ReleaseId {
            run: run.to_owned(),
            round,
            attempt,
        }
    }

    #[test]
    fn one_works_in_a_folder_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let first = Claim::lay(root.path()).unwrap();
        let other = root.path().to_owned();
        let waiting = thread::spawn(move || Claim::lay(&other).map(drop));
        drop(first);
        waiting.join().unwrap().unwrap();
    }

    #[test]
    fn the_next_round_of_a_run_replaces_the_last_and_old_runs_go() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let first = store.enter(&id("../evil", 1, 1)).unwrap();
        first.keep_secagg(b"secret").unwrap();
        assert!(store.find(&id("../evil", 1, 1)).unwrap().is_some());
        store.enter(&id("../evil", 1, 2)).unwrap();
        assert!(store.find(&id("../evil", 1, 1)).unwrap().is_none());
        for run in 0..20 {
            store.enter(&id(&format!("run {run}"), 1, 1)).unwrap();
        }
        let kept = fs::read_dir(root.path().join("rounds")).unwrap().count();
        assert_eq!(kept, MOST_ATTEMPTS);
        assert!(store.find(&id("run 19", 1, 1)).unwrap().is_some());
    }

    #[test]
    fn chunks_and_replies_come_back_as_they_were_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        let attempt = Store::open(root.path()).unwrap().enter(&id("run", 1, 1)).unwrap();
        let ids = attempt.keep_chunks(&[vec![1; 10], vec![2; 5]]).unwrap();
        assert_eq!(attempt.chunk(&ids[1]).unwrap(), Some(vec![2; 5]));
        let path = attempt.directory.join(CHUNKS).join(ids[1].to_string());
        fs::write(path, [2; 4]).unwrap();
        assert_eq!(attempt.chunk(&ids[1]).unwrap(), None);
        let reply = barefoot_wire::v1::FitReply {
            examples: 7,
            ..Default::default()
        };
        attempt.keep_reply(Reply::Fit, &reply).unwrap();
        assert_eq!(attempt.reply(Reply::Fit).unwrap(), Some(reply));
        assert_eq!(
            attempt
                .reply::<barefoot_wire::v1::KeysReply>(Reply::Keys)
                .unwrap(),
            None
        );
    }

    #[test]
    fn terms_cannot_change_within_an_attempt_and_residuals_pass_to_the_run() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let attempt = store.enter(&id("run", 1, 1)).unwrap();
        assert!(attempt.holds_to(&ChunkId::of(b"a")).unwrap());
        assert!(!attempt.holds_to(&ChunkId::of(b"b")).unwrap());
        assert!(attempt.holds_to(&ChunkId::of(b"a")).unwrap());
        assert_eq!(attempt.owed().unwrap(), None);
        attempt.keep_residual(&[1.0, -2.0]).unwrap();
        assert_eq!(attempt.owed().unwrap(), None);
        attempt.settle_residual().unwrap();
        attempt.settle_residual().unwrap();
        let next = store.enter(&id("run", 2, 1)).unwrap();
        assert_eq!(next.owed().unwrap(), Some(vec![1.0, -2.0]));
    }

    #[test]
    fn only_the_newest_global_parameters_are_kept() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let (one, two) = (ChunkId::of(b"one"), ChunkId::of(b"two"));
        assert_eq!(store.missing_global(&[one, two, one]).unwrap(), [one, two]);
        store.put_global(&one, b"one").unwrap();
        assert_eq!(store.missing_global(&[one, two]).unwrap(), [two]);
        store.put_global(&two, b"tampered").unwrap();
        assert_eq!(store.missing_global(&[two]).unwrap(), [two]);
        assert_eq!(store.global(&one).unwrap(), None);
    }
}
