use std::collections::BTreeSet;

use super::Error;
use super::find::{level_of, levels_above};
use super::levels::{Level, Model};
use crate::data_set::DataSet;
use crate::tags::Tag;

/// Most UIDs one retrieve may name.
const MOST: usize = 10_000;

/// What a C-MOVE or C-GET asks to be sent (PS3.4 section C.4.2.1.4): unique keys only.
pub struct Retrieve {
    level: Level,
    keys: Vec<(Level, BTreeSet<String>)>,
}

impl std::fmt::Debug for Retrieve {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Retrieve")
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

impl Retrieve {
    /// # Errors
    /// When the level is not one of the model's, or a unique key down to it is missing, has a wild card, or has several
    /// values above the level itself.
    pub fn read(model: Model, request: &DataSet) -> Result<Self, Error> {
        let level = level_of(model, request)?;
        let mut keys = Vec::new();
        for above in levels_above(model, level).chain([level]) {
            let tag = above.unique_key();
            let values: BTreeSet<String> = request.view().strings(tag).into_iter().collect();
            let most = if above == level { MOST } else { 1 };
            let plain = |value: &String| !value.is_empty() && !value.contains(['*', '?']);
            if values.is_empty() || most < values.len() || !values.iter().all(plain) {
                return Err(Error::Unique { tag });
            }
            keys.push((above, values));
        }
        Ok(Self { level, keys })
    }

    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// The values asked for at `level`; `None` below the one that is retrieved, and for the patient in Study Root: all.
    #[must_use]
    pub fn values(&self, level: Level) -> Option<&BTreeSet<String>> {
        let found = self.keys.iter().find(|(of, _)| *of == level)?;
        Some(&found.1)
    }

    /// Whether an entity of `level` with this unique key is asked for, or may hold what is.
    #[must_use]
    pub fn takes(&self, level: Level, unique_key: &str) -> bool {
        self.values(level)
            .is_none_or(|values| values.contains(unique_key))
    }

    /// The elements of the request that were looked at.
    pub fn tags(&self) -> impl Iterator<Item = Tag> {
        self.keys.iter().map(|(level, _)| level.unique_key())
    }
}
