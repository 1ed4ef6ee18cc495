use std::collections::BTreeMap;

use barefoot_domain::{ClinicId, FindingCode};

use super::Language;
use crate::case_index::CaseIndex;
use crate::scanners::Scanners;
use crate::status::Status;
use crate::study_folder::StateDirectory;

/// What the page reads. All of it is shared with the parts that write it.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    pub clinic: ClinicId,
    pub cases: CaseIndex,
    pub scanners: Scanners,
    pub status: Status,
    pub state: StateDirectory,
    /// A call below this confidence, 0 to 1, is worded as uncertain.
    pub review_below: f32,
    pub finding_names: FindingNames,
    /// Told to whoever sets up the first scanner.
    pub dicom: DicomAddress,
}

/// Where scanners send to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DicomAddress {
    pub ae_title: String,
    pub port: u16,
}

/// A finding in the words of its bundle's manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FindingName {
    pub en: String,
    pub zh: String,
}

/// Finding codes to words. A code without words is shown as it is: an old case may name a finding that no installed
/// bundle knows any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FindingNames(BTreeMap<FindingCode, FindingName>);

impl FromIterator<(FindingCode, FindingName)> for FindingNames {
    fn from_iter<T: IntoIterator<Item = (FindingCode, FindingName)>>(names: T) -> Self {
        Self(names.into_iter().collect())
    }
}

impl FindingNames {
    #[must_use]
    pub(crate) fn word<'a>(&'a self, code: &'a FindingCode, language: Language) -> &'a str {
        match (self.0.get(code), language) {
            (Some(name), Language::Zh) => &name.zh,
            (Some(name), Language::En) => &name.en,
            (None, _) => code.as_str(),
        }
    }
}
