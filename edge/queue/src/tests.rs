//! Failures that a real disk does not give on demand, over a disk in memory with small segments.

mod crashes;
mod faults;
mod flips;
mod space;

use std::path::PathBuf;

use tempfile::TempDir;

use crate::disk::memory::MemoryDisk;
use crate::mark::Mark;
use crate::{Config, Error, Lane, Queue, StoreError, opening};

struct Bench {
    disk: MemoryDisk,
    dir: TempDir,
    config: Config,
}

impl Bench {
    fn new() -> Self {
        Self {
            disk: MemoryDisk::default(),
            dir: tempfile::tempdir().unwrap(),
            config: Config::default(),
        }
    }

    fn mark(&self) -> PathBuf {
        self.dir.path().join("mark")
    }

    fn try_open(&self) -> Result<Queue, StoreError> {
        let mark = Mark::open(&self.mark()).unwrap();
        let disk = std::sync::Arc::new(self.disk.clone());
        let foundation = opening::lay(disk, mark, 0, None, None)?;
        Ok(Queue::start(foundation, &self.config, || 1_000_000).unwrap())
    }

    fn open(&self) -> Queue {
        self.try_open().unwrap()
    }

    /// The power goes, while the queue may be at work: from now on the disk is what that left.
    fn cut_power(&mut self, mut happens: impl FnMut() -> bool) {
        loop {
            let mark = std::fs::read(self.mark()).unwrap();
            let disk = self.disk.after_power_cut(&mut happens);
            // The mark must be of the same moment as the log.
            if std::fs::read(self.mark()).unwrap() == mark {
                self.disk = disk;
                self.dir = tempfile::tempdir().unwrap();
                std::fs::write(self.mark(), mark).unwrap();
                return;
            }
        }
    }
}

fn ids(queue: &Queue) -> Vec<String> {
    let records = queue.pending(usize::MAX, |_| false).unwrap();
    records.into_iter().map(|record| record.id).collect()
}

fn append(queue: &Queue, id: &str) -> Result<u64, Error> {
    queue.append(Lane::Results, id, id.as_bytes(), 7)
}
