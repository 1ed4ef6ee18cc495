//! Images for a node that gets none with identity: copies under the node's own names, made for one association.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use barefoot_imaging::deidentify::{self, Banner};
use barefoot_imaging::header;
use barefoot_trust::PseudonymKey;

use super::outbox::{Item, Part};
use super::verdict::Verdict;
use crate::at_rest;
use crate::character_sets::CharacterSets;
use crate::site_policy::{Names, NodeGets, PolicyHandle};
use crate::study_folder::StateDirectory;

/// What lines ask before they send; one for the daemon.
#[derive(Clone)]
pub(crate) struct Leave {
    pub(crate) policy: PolicyHandle,
    pub(crate) pseudonyms: Arc<PseudonymKey>,
    pub(crate) character_sets: CharacterSets,
    pub(crate) banners: Vec<Banner>,
}

impl std::fmt::Debug for Leave {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Leave")
    }
}

#[cfg(test)]
impl Leave {
    pub(crate) fn everything() -> Self {
        let key = PseudonymKey::from_bytes(&[7; 32], Path::new("a test's")).unwrap();
        Self {
            policy: PolicyHandle::fixed(crate::site_policy::SitePolicy::care_only()),
            pseudonyms: Arc::new(key),
            character_sets: CharacterSets::default(),
            banners: Vec::new(),
        }
    }
}

impl Leave {
    /// What a node gets now.
    pub(super) fn of(&self, node: &str) -> NodeGets {
        self.policy.get().nodes.of(node)
    }

    /// Writes copies of the items into the node's own folder, in their order. An item without one has its verdict instead.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn copies(
        &self,
        node: &str,
        items: &[Item],
        state: &StateDirectory,
    ) -> io::Result<Vec<Result<PathBuf, Verdict>>> {
        let folder = self.forget_copies(node, state)?;
        fs::create_dir_all(&folder)?;
        let names = self.pseudonyms.for_recipient(&format!("node {node}"));
        let policy = self.policy.get().hub.deidentification(self.banners.clone());
        let mut copies = Vec::new();
        for (number, item) in items.iter().enumerate() {
            if item.part == Part::Results {
                copies.push(Err(Verdict::NotForIt));
                continue;
            }
            let path = item.path(state);
            let made = || self.without_identity(&path, &names, &policy);
            // A codec that panics on somebody's picture must not take the daemon along.
            let made = catch_unwind(AssertUnwindSafe(made)).unwrap_or(Err("undecodable"));
            copies.push(match made {
                Ok(file) => {
                    let copy = folder.join(format!("{number}.dcm"));
                    at_rest::write(&copy, &file)?;
                    Ok(copy)
                }
                Err(code) => Err(Verdict::SetAside {
                    reason: format!(
                        "the node gets nothing with identity, and this cannot be made so: {code}"
                    ),
                }),
            });
        }
        Ok(copies)
    }

    /// The folder of the copies, which is gone then.
    pub(super) fn forget_copies(&self, node: &str, state: &StateDirectory) -> io::Result<PathBuf> {
        let folder = state.deliver().join(format!("{node}.copies"));
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(folder),
        }
    }

    fn without_identity(
        &self,
        path: &Path,
        names: &PseudonymKey,
        policy: &deidentify::Policy,
    ) -> Result<Vec<u8>, &'static str> {
        let mut header = header::read_header(&at_rest::stored(path)).map_err(|_| "malformed")?;
        self.character_sets.apply(&mut header);
        let made = deidentify::deidentify(&at_rest::stored(path), &header, &Names(names), policy);
        let made = made.map_err(|reason| reason.code())?;
        // The last look at what leaves.
        deidentify::check(&made.file).map_err(|_| "not_of_the_form")?;
        Ok(made.file)
    }
}
