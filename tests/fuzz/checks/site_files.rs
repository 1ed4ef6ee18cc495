//! The box's own two files as a person may write them: its policy and its site file.

use barefoot_edge::fuzzing::{site_file, site_policy};
use serde_json::Value;

/// What a fault report may hold of a text: that it is there, or a short word of ours.
fn is_redacted(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() <= 64,
        Value::Array(items) => items.iter().all(is_redacted),
        Value::Object(fields) => fields.values().all(is_redacted),
        _ => true,
    }
}

pub(crate) fn check(bytes: &[u8]) {
    if let Some(written) = site_policy(bytes) {
        let again = site_policy(written.as_bytes());
        assert_eq!(
            again.as_deref(),
            Some(written.as_str()),
            "what holds is written as it holds"
        );
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Some(reported) = site_file(text) {
        let reported = serde_json::from_str(&reported).expect("a report of a file that is taken");
        assert!(is_redacted(&reported));
    }
}
