//! MQTT topics: `barefoot/v1/<clinic>/up/<kind>` and `barefoot/v1/<clinic>/down/<kind>`, and for the region's own listeners
//! `barefoot/v1/_region/<kind>`, which can be no clinic's.
//!
//! One function per topic. Nothing about a patient or a study ever stands in a topic.

use barefoot_domain::ClinicId;

const ROOT: &str = "barefoot/v1";

/// Which way a topic runs, seen from the clinic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Clinic to hub.
    Up,
    /// Hub to clinic.
    Down,
}

/// A topic of ours, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    pub clinic: ClinicId,
    pub direction: Direction,
    pub kind: String,
}

#[must_use]
pub fn up_result(clinic: &ClinicId) -> String {
    up(clinic.as_str(), "result")
}

/// Several envelopes in one message.
#[must_use]
pub fn up_batch(clinic: &ClinicId) -> String {
    up(clinic.as_str(), "batch")
}

/// A session's beginning, and as its Last Will its end.
#[must_use]
pub fn up_presence(clinic: &ClinicId) -> String {
    up(clinic.as_str(), "presence")
}

/// The hub's answer to a presence.
#[must_use]
pub fn down_hello(clinic: &ClinicId) -> String {
    format!("{ROOT}/{clinic}/down/hello")
}

/// The hub's answer to a batch.
#[must_use]
pub fn down_receipts(clinic: &ClinicId) -> String {
    format!("{ROOT}/{clinic}/down/receipts")
}

#[must_use]
pub fn down_receipt(clinic: &ClinicId) -> String {
    format!("{ROOT}/{clinic}/down/receipt")
}

/// An expert's corrections for the clinic.
#[must_use]
pub fn down_correction(clinic: &ClinicId) -> String {
    format!("{ROOT}/{clinic}/down/correction")
}

/// Reports, and what else the clinic hears of its cases.
#[must_use]
pub fn down_case(clinic: &ClinicId) -> String {
    format!("{ROOT}/{clinic}/down/case")
}

/// The clinic's receipts for what came down.
#[must_use]
pub fn up_receipt(clinic: &ClinicId) -> String {
    up(clinic.as_str(), "receipt")
}

/// The filter a box subscribes to: everything for itself, nothing else.
#[must_use]
pub fn down_filter(clinic: &ClinicId) -> String {
    down_filter_of(clinic.as_str())
}

/// What the hub writes, at an external broker.
pub(crate) fn down_filter_of_all() -> String {
    down_filter_of("+")
}

/// As [`down_filter`]; a broker's rules have a placeholder for the clinic.
pub(crate) fn down_filter_of(clinic: &str) -> String {
    format!("{ROOT}/{clinic}/down/#")
}

/// Every topic that a clinic's box writes; a broker's rules have a placeholder for the clinic.
pub(crate) fn up_of(clinic: &str) -> [String; 4] {
    ["result", "batch", "presence", "receipt"].map(|kind| up(clinic, kind))
}

fn up(clinic: &str, kind: &str) -> String {
    format!("{ROOT}/{clinic}/up/{kind}")
}

/// The filter the hub subscribes to at an external broker.
#[must_use]
pub fn up_filter_of_all() -> String {
    format!("{ROOT}/+/up/#")
}

/// Critical cases that were not read in time, for the region's own listeners: JSON, see `docs/OPERATING.md`.
#[must_use]
pub fn region_alarm() -> String {
    format!("{ROOT}/_region/alarm")
}

/// `None` for every topic that is no clinic's.
#[must_use]
pub fn parse(topic: &str) -> Option<Topic> {
    let mut parts = topic.strip_prefix(ROOT)?.strip_prefix('/')?.split('/');
    let clinic = ClinicId::new(parts.next()?).ok()?;
    let direction = match parts.next()? {
        "up" => Direction::Up,
        "down" => Direction::Down,
        _ => return None,
    };
    let kind = parts.next()?;
    let plain = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_lowercase());
    (plain && parts.next().is_none()).then(|| Topic {
        clinic,
        direction,
        kind: kind.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_round_trip() {
        let clinic = ClinicId::new("clinic-7").unwrap();
        let expect = |direction, kind: &str| {
            Some(Topic {
                clinic: clinic.clone(),
                direction,
                kind: kind.into(),
            })
        };
        assert_eq!(parse(&up_result(&clinic)), expect(Direction::Up, "result"));
        assert_eq!(parse(&down_receipt(&clinic)), expect(Direction::Down, "receipt"));
    }

    #[test]
    fn what_a_box_writes_is_listed() {
        let clinic = ClinicId::new("clinic-7").unwrap();
        let mut each = [up_result, up_batch, up_presence, up_receipt].map(|topic| topic(&clinic));
        let mut all = up_of("clinic-7");
        each.sort_unstable();
        all.sort_unstable();
        assert_eq!(each, all);
    }

    #[test]
    fn foreign_topics_are_no_topics() {
        for bad in [
            "",
            "barefoot/v1",
            "barefoot/v1/a/up",
            "barefoot/v1/a/up/",
            "barefoot/v1/a/up/result/x",
            "barefoot/v1/+/up/result",
            "barefoot/v1/a/up/#",
            "barefoot/v2/a/up/result",
            "barefoot/v1/A/up/result",
            "barefoot/v1/a/sideways/result",
            "$share/g/barefoot/v1/a/up/result",
            "barefoot/v1/_region/down/alarm",
            &region_alarm(),
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
