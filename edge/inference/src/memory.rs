//! What was chosen last time, so that the next start loads one engine and not all. What is remembered is only a place to
//! begin: the golden check is run all the same.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::engine::{EngineKind, Precision};

/// A file larger than this is not ours.
const FILE_LIMIT: u64 = 64 * 1024;
/// Bundles of one box: the active ones, those beside, and a few before.
const ENTRIES: usize = 16;

/// One engine, one artefact and one way to run it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Remembered {
    pub(crate) engine: EngineKind,
    pub(crate) precision: Precision,
    pub(crate) form: String,
}

#[derive(Default, Deserialize, Serialize)]
struct File {
    choices: Vec<Entry>,
}

#[derive(Deserialize, Serialize)]
struct Entry {
    /// Everything the choice depends on.
    key: String,
    #[serde(flatten)]
    chosen: Remembered,
}

/// The file of one box.
pub(crate) struct Memory(PathBuf);

impl Memory {
    pub(crate) fn at(file: &Path) -> Self {
        Self(file.to_owned())
    }

    /// A file that is missing or damaged remembers nothing.
    pub(crate) fn recall(&self, key: &str) -> Option<Remembered> {
        let entries = self.read().choices;
        let known = entries.into_iter().find(|entry| entry.key == key);
        known.map(|entry| entry.chosen)
    }

    /// Where it cannot be written the next start measures again: the result says nothing of it.
    pub(crate) fn keep(&self, key: &str, chosen: &Remembered) {
        let mut file = self.read();
        file.choices.retain(|entry| entry.key != key);
        file.choices.insert(
            0,
            Entry {
                key: key.to_owned(),
                chosen: chosen.clone(),
            },
        );
        file.choices.truncate(ENTRIES);
        if let Ok(text) = serde_json::to_string_pretty(&file) {
            // Whole or not at all: a torn file would only cost the memory, but a reader beside must not see half a line.
            let fresh = self.0.with_extension("new");
            let _ = fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, &self.0));
        }
    }

    fn read(&self) -> File {
        let small = fs::metadata(&self.0).is_ok_and(|file| file.len() <= FILE_LIMIT);
        let text = small.then(|| fs::read_to_string(&self.0).ok()).flatten();
        text.and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_chosen_is_remembered_for_its_key_alone() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::at(&dir.path().join("engines.json"));
        let chosen = |form: &str| Remembered {
            engine: EngineKind::Tract,
            precision: Precision::F32,
            form: form.to_owned(),
        };
        assert_eq!(memory.recall("a"), None);
        memory.keep("a", &chosen("plain"));
        memory.keep("b", &chosen("nhwc"));
        memory.keep("a", &chosen("expanded"));
        assert_eq!(memory.recall("a"), Some(chosen("expanded")));
        assert_eq!(memory.recall("b"), Some(chosen("nhwc")));
        for number in 0..40 {
            memory.keep(&format!("n{number}"), &chosen("plain"));
        }
        assert_eq!(memory.recall("a"), None, "the oldest make room");
        fs::write(dir.path().join("engines.json"), "half a li").unwrap();
        assert_eq!(memory.recall("n39"), None);
    }
}
