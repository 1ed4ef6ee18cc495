//! What stands in addresses and headers of DICOMweb: searches, wished media types, ranges, lists of frames.

use std::collections::BTreeSet;

use barefoot_hub::fuzzing::{accepted_media, frames, range, search, workitem_search};

const WORKITEM: &[u8] =
    br#"{"00741000":{"vr":"CS","Value":["SCHEDULED"]},"00404005":{"vr":"DT","Value":["20260101"]}}"#;

/// The first byte says what is searched for, the others are the query, and whatever else it may be taken for.
pub(crate) fn check(bytes: &[u8]) {
    let Some((level, text)) = bytes.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    if let Some(found) = search(level % 3, text) {
        assert!(found.limit <= 5000 && found.conditions.len() <= 100);
        assert!(found.conditions.iter().all(|values| (1..=500).contains(values)));
        let different: BTreeSet<_> = found.columns.iter().collect();
        assert_eq!(different.len(), found.columns.len(), "each column once");
    }
    if let Some(limit) = workitem_search(text, WORKITEM) {
        assert!(limit <= 1000);
    }
    let media = accepted_media(text);
    assert!(media.len() <= 32 && media.iter().all(|media| media.contains('/')));
    for length in [0, 1, 4096, u64::MAX] {
        if let Some((from, to)) = range(text, length) {
            assert!(from < to && to <= length);
        }
    }
    if let Some(numbers) = frames(text) {
        assert_eq!(numbers.len(), text.split(',').count());
    }
}
