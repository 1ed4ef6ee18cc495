//! The assessment as a DICOM structured report: TID 1500 "Measurement Report", verified by nobody.
//!
//! A Comprehensive SR: coordinates lie on images, not in space, and more archives take it than the class with both.

use super::report_content::document;
use super::{Error, Evidence, Kind, names};
use crate::report::Object;
use crate::report::modules::{checked, hierarchy};
use crate::report::sr::{
    COMPLETION, PERFORMED_CODES, PREDECESSORS, PRELIMINARY, VERIFICATION, evidence as referenced, request,
};
use crate::tags;

/// # Errors
/// When the study's UID or an image's is none, or something is too long for an element.
pub fn structured_report(evidence: &Evidence<'_>) -> Result<Object, Error> {
    let description = evidence.series_description("AI result (SR)");
    let making = evidence.making(Kind::StructuredReport, "SR", &description);
    let mut set = making.data_set()?;
    set.put_items(tags::REFERENCED_PERFORMED_STEPS, Vec::new());
    set.put_items(PERFORMED_CODES, Vec::new());
    // Partial: what was to be looked for was not all answered.
    let is_whole = !evidence.assessment.findings.is_empty()
        && evidence
            .assessment
            .others
            .iter()
            .all(|other| !other.findings.is_empty());
    set.put_code(COMPLETION, if is_whole { "COMPLETE" } else { "PARTIAL" });
    set.put_code(PRELIMINARY, "PRELIMINARY");
    set.put_code(VERIFICATION, "UNVERIFIED");
    request(&mut set, &evidence.subject.study);
    referenced(&mut set, evidence.subject)?;
    if let Some(before) = evidence.replaces {
        let study = checked(&evidence.subject.study.uid, "study")?;
        let kind = Kind::StructuredReport;
        let series = names::series_uid(kind, study, before);
        let instance = names::sop_instance_uid(kind, study, before);
        let object = (series.as_str(), kind.sop_class(), instance.as_str());
        set.put_items(PREDECESSORS, vec![hierarchy(study, &[object])]);
    }
    document(evidence).into_document(&mut set);
    Ok(making.finish(&set)?)
}
