//! What findings are called, in the words of the bundles this box has opened.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use barefoot_domain::FindingCode;

/// A finding in the words of its bundle's manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FindingName {
    pub(crate) en: String,
    pub(crate) zh: String,
}

/// Finding codes to words; clones share them. A code without words is shown as it is: an old case may name a finding
/// that no installed bundle knows any more.
#[derive(Debug, Clone, Default)]
pub(crate) struct FindingNames(Arc<RwLock<BTreeMap<FindingCode, FindingName>>>);

impl FromIterator<(FindingCode, FindingName)> for FindingNames {
    fn from_iter<T: IntoIterator<Item = (FindingCode, FindingName)>>(names: T) -> Self {
        Self(Arc::new(RwLock::new(names.into_iter().collect())))
    }
}

impl FindingNames {
    /// A newer bundle's words replace an older one's; what only the older one names stays.
    pub(crate) fn learn(&self, names: impl IntoIterator<Item = (FindingCode, FindingName)>) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(names);
    }

    #[must_use]
    pub(crate) fn get(&self, code: &FindingCode) -> Option<FindingName> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(code)
            .cloned()
    }
}
