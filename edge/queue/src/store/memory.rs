use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard};

use super::{Store, Visit, Writes};
use crate::StoreError;

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// Knows what a power cut would leave, and fails when it is told to.
#[derive(Debug, Default)]
pub(crate) struct MemoryStore {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    live: Entries,
    durable: Entries,
    syncs: usize,
    largest_apply: usize,
    fail_next_apply: bool,
    fail_next_sync: bool,
    fail_reads: bool,
}

impl MemoryStore {
    /// What the disk holds when the power goes now.
    pub(crate) fn after_power_cut(&self) -> Self {
        let durable = self.lock().durable.clone();
        Self {
            inner: Mutex::new(Inner {
                live: durable.clone(),
                durable,
                ..Inner::default()
            }),
        }
    }

    pub(crate) fn fail_next_apply(&self) {
        self.lock().fail_next_apply = true;
    }

    pub(crate) fn fail_next_sync(&self) {
        self.lock().fail_next_sync = true;
    }

    pub(crate) fn fail_reads(&self) {
        self.lock().fail_reads = true;
    }

    pub(crate) fn syncs(&self) -> usize {
        self.lock().syncs
    }

    /// Bytes of the largest commit.
    pub(crate) fn largest_apply(&self) -> usize {
        self.lock().largest_apply
    }

    pub(crate) fn keys(&self) -> Vec<Vec<u8>> {
        self.lock().live.keys().cloned().collect()
    }

    /// Changes a stored value behind the queue's back; `None` deletes it.
    pub(crate) fn tamper(&self, key: &[u8], change: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>) {
        let mut inner = self.lock();
        let value = inner.live.remove(key).expect("the key is there");
        if let Some(value) = change(value) {
            inner.live.insert(key.to_vec(), value);
        }
        inner.durable = inner.live.clone();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no test panics while it holds this")
    }

    fn readable(&self) -> Result<MutexGuard<'_, Inner>, StoreError> {
        let inner = self.lock();
        match inner.fail_reads {
            true => Err(failure()),
            false => Ok(inner),
        }
    }
}

impl Store for MemoryStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.readable()?.live.get(key).cloned())
    }

    fn scan(&self, from: &[u8], below: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let entries: Vec<_> = self
            .readable()?
            .live
            .range(from.to_vec()..below.to_vec())
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        for (key, value) in entries {
            if visit(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn apply(&self, writes: &Writes) -> Result<(), StoreError> {
        let mut inner = self.lock();
        if std::mem::take(&mut inner.fail_next_apply) {
            return Err(failure());
        }
        let mut bytes = 0;
        for (key, value) in writes {
            match value {
                Some(value) => {
                    bytes += value.len();
                    inner.live.insert(key.clone(), value.clone());
                }
                None => {
                    inner.live.remove(key);
                }
            }
        }
        inner.largest_apply = inner.largest_apply.max(bytes);
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        let mut inner = self.lock();
        if std::mem::take(&mut inner.fail_next_sync) {
            return Err(failure());
        }
        inner.syncs += 1;
        inner.durable = inner.live.clone();
        Ok(())
    }
}

fn failure() -> StoreError {
    StoreError::Io(io::Error::other("the disk was told to fail"))
}
