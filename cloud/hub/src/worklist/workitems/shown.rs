//! What programs see of a case.

use barefoot_domain::{Tier, Urgency};
use barefoot_imaging::deidentify::is_pseudonym;
use serde_json::json;

use super::super::life::State;
use crate::archive::CaseWorkitem;
use crate::dicomweb::date_time;
use crate::dicomweb::ups::{Attributes, PROGRESS, State as Step, Workitem};

pub(super) fn state_of(state: State) -> Step {
    match state {
        State::Waiting | State::ImagesWanted => Step::Scheduled,
        State::Claimed | State::Drafted => Step::InProgress,
        State::Signed | State::Delivered | State::Read => Step::Completed,
        State::Withdrawn => Step::Canceled,
    }
}

/// A case as programs see it: nothing of who reads it, and of the patient the pseudonym alone.
pub(super) fn workitem(one: &CaseWorkitem) -> Workitem {
    let (case, life) = (&one.case, &one.case.life);
    let state = state_of(life.state);
    let mut shown = Attributes::default();
    shown.put("00080005", "CS", "ISO_IR 192");
    let priority = match life.urgency {
        Urgency::Critical => "HIGH",
        Urgency::Review => "MEDIUM",
        Urgency::Routine => "LOW",
    };
    shown.put("00741200", "CS", priority);
    shown.put("00741204", "LO", &format!("Read {}", case.modality));
    let tier = match life.tier {
        Tier::County => "county",
        Tier::City => "city",
        Tier::Province => "province",
    };
    shown.put("00741202", "LO", tier);
    shown.put("00404005", "DT", &date_time(case.opened_at_ms));
    if life.state.is_open() {
        shown.put("00404011", "DT", &date_time(life.due_ms));
    }
    let interpretation = json!({
        "00080100": { "vr": "SH", "Value": ["110005"] },
        "00080102": { "vr": "SH", "Value": ["DCM"] },
        "00080104": { "vr": "LO", "Value": ["Interpretation"] },
    });
    shown.put_items("00404018", vec![interpretation.clone()]);
    shown.put("0020000D", "UI", case.case.as_str());
    let study = json!({
        "0040E020": { "vr": "CS", "Value": ["DICOM"] },
        "0020000D": { "vr": "UI", "Value": [case.case.as_str()] },
    });
    match one.patient {
        Some(_) => {
            shown.put("00404041", "CS", "READY");
            shown.put_items("00404021", vec![study]);
        }
        None => {
            shown.put("00404041", "CS", "INCOMPLETE");
            shown.put_empty("00404021", "SQ");
        }
    }
    match one.patient.as_deref().filter(|patient| is_pseudonym(patient)) {
        Some(patient) => shown.put("00100020", "LO", patient),
        None => shown.put_empty("00100020", "LO"),
    }
    for (tag, vr) in [
        ("00100010", "PN"),
        ("00100030", "DA"),
        ("00100040", "CS"),
        (PROGRESS, "SQ"),
        ("00741216", "SQ"),
    ] {
        shown.put_empty(tag, vr);
    }
    if let Some(progress) = &one.progress
        && let Ok(progress) = Attributes::parse(progress.as_bytes())
    {
        shown.merge(progress);
    }
    let date = |at_ms: i64| json!({ "vr": "DT", "Value": [date_time(at_ms)] });
    match (state, case.signed_at_ms) {
        (Step::Completed, Some(signed_at_ms)) => {
            let performed = json!({
                "00404019": { "vr": "SQ", "Value": [interpretation] },
                "00404051": date(signed_at_ms),
                "00404033": { "vr": "SQ" },
            });
            shown.put_items("00741216", vec![performed]);
        }
        (Step::Canceled, _) => {
            shown.put_items(PROGRESS, vec![json!({ "00404052": date(one.changed_at_ms) })]);
        }
        _ => {}
    }
    Workitem {
        uid: one.uid.clone(),
        state,
        attributes: shown,
        created_at_ms: case.opened_at_ms,
        changed_at_ms: one.changed_at_ms,
    }
}
