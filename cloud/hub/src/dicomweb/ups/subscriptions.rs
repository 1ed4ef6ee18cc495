//! Who is told of which workitem. The rules are pure; where they are kept is the archive's.

use super::attributes::Attributes;
use super::events::Event;
use super::search::Search;
use crate::archive::SubscriptionRow;

/// The whole worklist (PS3.4 section CC.3.1).
pub(super) const ALL: &str = "1.2.840.10008.5.1.4.34.5";
/// What of it matches a filter.
pub(super) const FILTERED: &str = "1.2.840.10008.5.1.4.34.5.1";

/// Whether an AE title with these subscriptions is told of the event. What says something of the one workitem counts before
/// what says something of the worklist.
pub(super) fn wants(subscriptions: &[SubscriptionRow], event: &Event) -> bool {
    let of = |target: &str| subscriptions.iter().find(|row| row.target == target);
    if let Some(row) = of(&event.workitem.uid) {
        return row.wanted;
    }
    // Suspended: what was made before still counts, what is made later does not.
    let follows = |row: &SubscriptionRow| {
        row.suspended_at_ms
            .is_none_or(|suspended| event.workitem.created_at_ms < suspended)
    };
    if of(ALL).is_some_and(follows) {
        return true;
    }
    of(FILTERED).is_some_and(|row| {
        let filter = row.filter.as_deref().and_then(|text| filter(text).ok());
        follows(row) && filter.is_some_and(|filter| filter.matches(&event.workitem))
    })
}

/// `attribute=value,attribute=value` (PS3.18 section 11.10.1.2).
pub(super) fn filter(text: &str) -> Result<Search, String> {
    let mut pairs: Vec<(&str, String)> = Vec::new();
    for piece in text.split(',') {
        match piece.split_once('=') {
            Some((name, value)) => pairs.push((name.trim(), value.to_owned())),
            // A comma within a list of values.
            None => match pairs.last_mut() {
                Some((_, value)) => {
                    value.push(',');
                    value.push_str(piece);
                }
                None => return Err("filter is attribute=value, several parted by commas".to_owned()),
            },
        }
    }
    if pairs.iter().any(|(_, value)| value.is_empty()) {
        return Err("filter is attribute=value, several parted by commas".to_owned());
    }
    let search = Search::parse(pairs.iter().map(|(name, value)| (*name, value.as_str())))?;
    // Something must be matched, or it is no filter.
    if search.matches_attributes(&Attributes::default()) {
        return Err("filter must match an attribute".to_owned());
    }
    Ok(search)
}

/// PS3.5 section 6.2: up to sixteen characters without blanks around them; here none that needs escaping in an address.
pub(super) fn is_ae_title(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=16).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::super::events::EventKind;
    use super::super::state::State;
    use super::super::workitems::Workitem;
    use super::*;

    fn row(target: &str) -> SubscriptionRow {
        SubscriptionRow {
            ae_title: "VIEWER".into(),
            target: target.into(),
            owner: "viewer".into(),
            filter: None,
            deletion_lock: false,
            wanted: true,
            suspended_at_ms: None,
        }
    }

    #[test]
    fn the_one_workitem_counts_before_the_worklist() {
        let mut attributes = Attributes::default();
        attributes.put("00741200", "CS", "HIGH");
        let event = Event::new(
            EventKind::State,
            Workitem {
                uid: "1.2".into(),
                state: State::Scheduled,
                attributes,
                created_at_ms: 1000,
                changed_at_ms: 1000,
            },
        );
        let muted = SubscriptionRow {
            wanted: false,
            ..row("1.2")
        };
        let suspended = |at| SubscriptionRow {
            suspended_at_ms: Some(at),
            ..row(ALL)
        };
        let filtered = |text: &str| SubscriptionRow {
            filter: Some(text.into()),
            ..row(FILTERED)
        };
        for (rows, expected) in [
            (vec![], false),
            (vec![row("1.2")], true),
            (vec![row("1.3")], false),
            (vec![row(ALL)], true),
            (vec![row(ALL), muted], false),
            (vec![suspended(1000)], false),
            (vec![suspended(1001)], true),
            (vec![filtered("ScheduledProcedureStepPriority=HIGH")], true),
            (vec![filtered("00741200=LOW,MEDIUM")], false),
        ] {
            assert_eq!(wants(&rows, &event), expected, "{rows:?}");
        }
    }

    #[test]
    fn a_filter_matches_something_and_an_ae_title_is_short() {
        assert!(filter("00741200=HIGH,00741000=SCHEDULED").is_ok());
        for wrong in ["", "HIGH", "00741200=", "OtherPatientIDs=1", "limit=3"] {
            assert!(filter(wrong).is_err(), "{wrong}");
        }
        assert!(
            is_ae_title("VIEWER_1")
                && !is_ae_title("")
                && !is_ae_title("A B")
                && !is_ae_title("ABCDEFGHIJKLMNOPQ")
        );
    }
}
