use barefoot_domain::ClinicId;

use crate::case_index::CaseIndex;
use crate::finding_names::FindingNames;
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
