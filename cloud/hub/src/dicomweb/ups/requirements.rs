//! What must stand in a workitem (PS3.4 table CC.2.5-3), and what must not: a patient's identity has no place in the hub.

use barefoot_imaging::deidentify::is_pseudonym;
use serde_json::{Map, Value};

use super::attributes::{Attributes, first, items, values};
use super::state::State;

pub(super) const TRANSACTION: &str = "00081195";
pub(super) const STATE: &str = "00741000";
pub(crate) const PROGRESS: &str = "00741002";
pub(super) const PERFORMED: &str = "00741216";
pub(super) const CANCELLATION_TIME: &str = "00404052";
pub(super) const CLASS: &str = "00080016";
pub(super) const INSTANCE: &str = "00080018";
pub(super) const MODIFIED: &str = "00404010";
pub(super) const REASON: &str = "00741238";

/// Needed with a value when a workitem is made.
const NEEDED: [(&str, &str); 4] = [
    ("00741200", "Scheduled Procedure Step Priority"),
    ("00741204", "Procedure Step Label"),
    ("00404005", "Scheduled Procedure Step Start DateTime"),
    ("00404041", "Input Readiness State"),
];

const PRIORITIES: [&str; 3] = ["HIGH", "MEDIUM", "LOW"];
const READINESS: [&str; 3] = ["INCOMPLETE", "UNAVAILABLE", "READY"];

/// Of what was performed, for COMPLETED. Present; the outputs may be none.
const PERFORMED_NEEDED: [(&str, &str); 4] = [
    ("00404028", "Performed Station Name Code Sequence"),
    ("00404050", "Performed Procedure Step Start DateTime"),
    ("00404019", "Performed Workitem Code Sequence"),
    ("00404051", "Performed Procedure Step End DateTime"),
];
const OUTPUT: &str = "00404033";

/// May not be set by who updates a workitem.
const FIXED: [(&str, &str); 3] = [
    (CLASS, "SOP Class UID"),
    (INSTANCE, "SOP Instance UID"),
    (STATE, "Procedure Step State"),
];

/// In the patient's group, what is no identity.
const HARMLESS: [&str; 6] = [
    "00100040", "00101010", "00101020", "00101030", "00101201", "00102203",
];

/// Outside that group, what leads to a person.
const IDENTITY: [(&str, &str); 7] = [
    ("00080050", "Accession Number"),
    ("00080090", "Referring Physician's Name"),
    ("00380010", "Admission ID"),
    ("00321032", "Requesting Physician"),
    ("00401010", "Names of Intended Recipients of Results"),
    ("00402016", "Placer Order Number"),
    ("00402017", "Filler Order Number"),
];

/// Checks what a client would make, and adds what is set by the server.
pub(super) fn made(attributes: &mut Attributes) -> Result<(), String> {
    no_identity(attributes.object())?;
    for (tag, name) in NEEDED {
        if attributes.string(tag).is_none() {
            return Err(format!("{name} is missing ({tag})"));
        }
    }
    one_of(attributes, "00741200", &PRIORITIES)?;
    one_of(attributes, "00404041", &READINESS)?;
    if attributes
        .string(STATE)
        .is_some_and(|state| state != State::Scheduled.name())
    {
        return Err("Procedure Step State must be SCHEDULED when a workitem is made".to_owned());
    }
    if attributes.string(TRANSACTION).is_some() {
        return Err("Transaction UID must be empty when a workitem is made".to_owned());
    }
    attributes.remove(TRANSACTION);
    attributes.put(STATE, "CS", State::Scheduled.name());
    for (tag, vr) in [(PROGRESS, "SQ"), (PERFORMED, "SQ"), ("00741202", "LO")] {
        if !attributes.contains(tag) {
            attributes.put_empty(tag, vr);
        }
    }
    Ok(())
}

/// Checks what a client would change.
pub(crate) fn updated(changes: &Attributes) -> Result<(), String> {
    no_identity(changes.object())?;
    for (tag, name) in FIXED {
        if changes.contains(tag) {
            return Err(format!("{name} ({tag}) is not changed by an update"));
        }
    }
    for tag in ["00741200", "00404041"] {
        let allowed = if tag == "00741200" {
            &PRIORITIES
        } else {
            &READINESS
        };
        if changes.contains(tag) {
            one_of(changes, tag, allowed)?;
        }
    }
    Ok(())
}

/// What is missing for this end.
pub(super) fn missing_for(attributes: &Attributes, end: State) -> Option<&'static str> {
    if end != State::Completed {
        return None;
    }
    let Some(performed) = attributes.items(PERFORMED).next() else {
        return Some("Unified Procedure Step Performed Procedure Sequence (0074,1216)");
    };
    let lacking = PERFORMED_NEEDED
        .iter()
        .find(|(tag, _)| values(performed, tag).is_empty());
    match lacking {
        Some((_, name)) => Some(name),
        None if !performed.contains_key(OUTPUT) => Some("Output Information Sequence"),
        None => None,
    }
}

fn one_of(attributes: &Attributes, tag: &str, allowed: &[&str]) -> Result<(), String> {
    match attributes.string(tag) {
        Some(value) if allowed.contains(&value) => Ok(()),
        _ => Err(format!("{tag} must be one of {}", allowed.join(", "))),
    }
}

/// At any depth.
fn no_identity(object: &Map<String, Value>) -> Result<(), String> {
    for (tag, element) in object {
        let filled = !values(object, tag).is_empty() || element.get("InlineBinary").is_some();
        if filled {
            let name = IDENTITY.iter().find(|(identity, _)| identity == tag);
            if let Some((_, name)) = name {
                return Err(format!("{name} ({tag}) must be empty: the hub takes no identity"));
            }
            let pseudonym = || first(object, tag).is_some_and(is_pseudonym) && values(object, tag).len() == 1;
            match tag.as_str() {
                "00100010" | "00100020" if !pseudonym() => {
                    return Err(format!(
                        "{tag} must be empty or the patient's pseudonym: the hub takes no identity"
                    ));
                }
                "00100010" | "00100020" => {}
                _ if tag.starts_with("0010") && !HARMLESS.contains(&tag.as_str()) => {
                    return Err(format!("{tag} must be empty: the hub takes no identity"));
                }
                _ => {}
            }
        }
        items(object, tag).try_for_each(no_identity)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Attributes {
        let mut attributes = Attributes::default();
        attributes.put("00741200", "CS", "HIGH");
        attributes.put("00741204", "LO", "Read");
        attributes.put("00404005", "DT", "20260101080000");
        attributes.put("00404041", "CS", "READY");
        attributes
    }

    #[test]
    fn what_is_made_has_what_it_needs_and_nobodys_name() {
        let mut fine = plain();
        fine.put("00100020", "LO", "P0123456789ABCDEF0123456789ABCDEF");
        fine.put_empty("00100030", "DA");
        made(&mut fine).unwrap();
        assert_eq!(fine.string(STATE), Some("SCHEDULED"));
        let refused = |change: &dyn Fn(&mut Attributes)| {
            let mut attributes = plain();
            change(&mut attributes);
            made(&mut attributes).unwrap_err()
        };
        assert!(refused(&|set| drop(set.remove("00741204"))).contains("Procedure Step Label"));
        assert!(refused(&|set| set.put("00741200", "CS", "URGENT")).contains("HIGH"));
        assert!(refused(&|set| set.put(STATE, "CS", "COMPLETED")).contains("SCHEDULED"));
        assert!(refused(&|set| set.put(TRANSACTION, "UI", "1.2")).contains("Transaction"));
        assert!(refused(&|set| set.put("00100020", "LO", "4711")).contains("identity"));
        assert!(refused(&|set| set.put("00100030", "DA", "19700101")).contains("identity"));
        assert!(refused(&|set| set.put("00080050", "SH", "A1")).contains("Accession"));
        let item = br#"{"00100010":{"vr":"PN","Value":[{"Alphabetic":"Zhang^San"}]}}"#;
        let item = Attributes::parse(item).unwrap();
        let item = item.into_value();
        let nested = refused(&|set| set.put_items("00404021", vec![item.clone()]));
        assert!(nested.contains("00100010") && !nested.contains("Zhang"));
    }

    #[test]
    fn completed_needs_what_was_performed() {
        let mut attributes = plain();
        assert!(missing_for(&attributes, State::Completed).is_some());
        assert!(missing_for(&attributes, State::Canceled).is_none());
        let mut performed = Attributes::default();
        for (tag, _) in PERFORMED_NEEDED {
            attributes.put_items(PERFORMED, vec![performed.clone().into_value()]);
            assert!(missing_for(&attributes, State::Completed).is_some());
            performed.put(tag, "DT", "20260101080000");
        }
        performed.put_empty(OUTPUT, "SQ");
        attributes.put_items(PERFORMED, vec![performed.into_value()]);
        assert_eq!(missing_for(&attributes, State::Completed), None);
    }
}
