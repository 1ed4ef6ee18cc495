//! What the book holds of one assessed version, for who makes something of it later.

use std::io;

use barefoot_domain::Assessment;
use barefoot_wire::decode_result;

use super::CaseBook;
use super::conversing::from_hex;
use crate::case_log::{self, Entry};
use crate::study_folder::StudyKey;

/// A version and what was concluded about it.
#[derive(Debug, Clone)]
pub(crate) struct AssessedVersion {
    /// File names below `instances/`.
    pub(crate) instances: Vec<String>,
    pub(crate) modality: String,
    /// Images of different patients, or different images under one identifier.
    pub(crate) doubtful: bool,
    pub(crate) assessment: Assessment,
    pub(crate) assessed_at_ms: i64,
    /// The assessed versions before it, newest first.
    pub(crate) earlier: Vec<u32>,
}

impl CaseBook {
    /// `None` where the version is not assessed, or its lines are damaged.
    ///
    /// # Errors
    /// When the case log cannot be read.
    pub(crate) fn assessed(&self, study: &StudyKey, wanted: u32) -> io::Result<Option<AssessedVersion>> {
        let (mut settled, mut result, mut earlier) = (None, None, Vec::new());
        for entry in case_log::replay(&self.state.case_log(study))?.entries {
            match entry {
                Entry::Settled {
                    version,
                    instances,
                    modality,
                    conflicts,
                    strangers,
                    ..
                } if version == wanted => settled = Some((instances, modality, 0 < conflicts + strangers)),
                Entry::Assessed {
                    version,
                    result: said,
                    ..
                } if version == wanted => {
                    result = from_hex(&said).and_then(|bytes| decode_result(&bytes).ok());
                }
                Entry::Assessed { version, .. } if version < wanted => earlier.push(version),
                _ => {}
            }
        }
        earlier.sort_unstable_by(|a, b| b.cmp(a));
        earlier.dedup();
        let Some(((instances, modality, doubtful), result)) = settled.zip(result) else {
            return Ok(None);
        };
        Ok(Some(AssessedVersion {
            instances,
            modality,
            doubtful,
            assessment: result.assessment,
            assessed_at_ms: result.assessed_at_ms,
            earlier,
        }))
    }
}
