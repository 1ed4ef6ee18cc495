//! What the disk takes durably: the same bytes into files from as many threads, without any network.
//!
//! - `each`: create, write, fdatasync, rename, fsync of the directory, for every instance.
//! - `group`: create, write, rename; then wait for a `syncfs` that began after that. Whoever finds none running runs it
//!   for all that wait.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::bail;

use super::corpus::{Corpus, Sample};
use super::servers;

#[derive(Clone, Copy)]
pub(crate) enum Way {
    Each,
    Group,
}

impl Way {
    pub(crate) const ALL: [Self; 2] = [Self::Each, Self::Group];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Each => "each",
            Self::Group => "group",
        }
    }
}

pub(crate) fn seconds(way: Way, folder: &Path, corpus: &Corpus, threads: usize) -> anyhow::Result<f64> {
    fs::create_dir_all(folder)?;
    let group = Group::new(File::open(folder)?);
    let share = corpus.instances.len().div_ceil(threads);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let writers: Vec<_> = corpus
            .instances
            .chunks(share)
            .enumerate()
            .map(|(writer, share)| {
                let (folder, group) = (folder.join(writer.to_string()), &group);
                scope.spawn(move || write(way, &folder, share, group))
            })
            .collect();
        for writer in writers {
            match writer.join() {
                Ok(written) => written?,
                Err(_) => bail!("a writing thread panicked"),
            }
        }
        Ok(())
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    servers::empty(folder)?;
    Ok(seconds)
}

/// A folder for each writer, as studies have.
fn write(way: Way, folder: &Path, share: &[Sample], group: &Group) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let directory = File::open(folder)?;
    for (number, sample) in share.iter().enumerate() {
        let part = folder.join("part");
        let mut file = File::create_new(&part)?;
        file.write_all(&sample.data_set)?;
        match way {
            Way::Each => {
                file.sync_data()?;
                fs::rename(&part, folder.join(number.to_string()))?;
                directory.sync_all()?;
            }
            Way::Group => {
                fs::rename(&part, folder.join(number.to_string()))?;
                group.commit()?;
            }
        }
    }
    Ok(())
}

/// One `syncfs` for all that wait.
struct Group {
    folder: File,
    state: Mutex<Syncs>,
    changed: Condvar,
}

#[derive(Default)]
struct Syncs {
    begun: u64,
    ended: u64,
}

impl Group {
    fn new(folder: File) -> Self {
        Self {
            folder,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Syncs> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns once a sync that began after this call has ended.
    fn commit(&self) -> std::io::Result<()> {
        let mut state = self.lock();
        let wanted = state.begun + 1;
        while state.ended < wanted {
            if state.begun == state.ended {
                state.begun += 1;
                drop(state);
                rustix::fs::syncfs(&self.folder)?;
                state = self.lock();
                state.ended += 1;
                self.changed.notify_all();
            } else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
        Ok(())
    }
}
