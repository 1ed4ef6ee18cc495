use std::path::PathBuf;

use serde::Deserialize;

/// What an assessment becomes for the nodes that get results, and for who takes FHIR.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// DICOM structured report (TID 1500). Default true.
    pub sr: bool,
    /// The picture with marks and words, for archives that show nothing else. Default true.
    pub secondary_capture: bool,
    /// Marks over the image itself. Default true.
    pub gsps: bool,
    /// The pixels that were seen as covered. Default true.
    pub seg: bool,
    /// A directory for FHIR bundles, one file a version: they name the patient. Default none.
    pub fhir: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sr: true,
            secondary_capture: true,
            gsps: true,
            seg: true,
            fhir: None,
        }
    }
}
