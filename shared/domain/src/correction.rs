use crate::{CaseId, FindingCode, Region};

/// An expert's word on one finding of one version of a case. It becomes a label in the clinic, nowhere else.
#[derive(Debug, Clone, PartialEq)]
pub struct Correction {
    /// Made once by the hub; the same correction twice is one.
    pub id: String,
    pub case: CaseId,
    pub version: u32,
    pub finding: FindingCode,
    pub present: bool,
    /// Where the expert marked it.
    pub regions: Vec<Region>,
    /// Unix milliseconds, the hub's clock.
    pub recorded_at_ms: i64,
}
