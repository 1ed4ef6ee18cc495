//! The character sets that scanners really write in, where the site file knows better than their images say.

use std::collections::HashMap;
use std::sync::Arc;

use barefoot_imaging::header::Header;

/// By AE title; clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct CharacterSets(Arc<HashMap<String, String>>);

impl CharacterSets {
    pub(crate) fn new(of_scanners: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(Arc::new(of_scanners.into_iter().collect()))
    }

    /// Tells the header of an image what its scanner writes in. The file meta information names who sent it.
    pub(crate) fn apply(&self, header: &mut Header) {
        let known = header.source_ae_title().and_then(|ae_title| self.0.get(ae_title));
        if let Some(term) = known.cloned() {
            header.set_character_set(&term);
        }
    }
}
