//! What the queue needs from a store: ordered keys, atomic writes, and a sync that is one.
//!
//! The seam is here because here crashes matter: the tests put a store in its place that fails on demand.

mod sled;
pub(crate) use self::sled::SledStore;

#[cfg(test)]
mod memory;
#[cfg(test)]
pub(crate) use memory::MemoryStore;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;

use crate::StoreError;

/// What one commit puts (`Some`) and deletes (`None`).
pub(crate) type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Is shown a key and its value, and says whether to go on.
pub(crate) type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

pub(crate) trait Store: fmt::Debug + Send + Sync {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Shows keys from `from` up to and without `below`, ascending, until `visit` breaks.
    fn scan(&self, from: &[u8], below: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError>;

    /// All or nothing, also over a crash. Visible at once, durable after [`Store::sync`].
    fn apply(&self, writes: &Writes) -> Result<(), StoreError>;

    /// Returns when all that was applied would survive a power cut.
    fn sync(&self) -> Result<(), StoreError>;
}
