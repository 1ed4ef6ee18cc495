//! Keys that stood in the site file before they became the policy's.

use toml::{Table, Value};

/// Table, key (all of the table, where it is empty), and where it stands in the policy.
const MOVED: [(&str, &str, &str); 6] = [
    ("privacy", "", "[learning]"),
    ("images", "urgencies", "[hub] images_of"),
    ("images", "dates", "[hub] dates"),
    (
        "images",
        "patient_characteristics",
        "[hub] patient_characteristics",
    ),
    ("images", "trust_declared_clean", "[hub] trust_declared_clean"),
    ("decision", "follow_site", "[learning] follow_site"),
];

/// A sentence for whoever has an older file; `None` where nothing of it is old, or it cannot be read.
pub(super) fn complaint(text: &str) -> Option<String> {
    let file: Table = toml::from_str(text).ok()?;
    MOVED.iter().find_map(|(table, key, place)| {
        let inside = file.get(*table)?;
        let old = if key.is_empty() {
            format!("[{table}]")
        } else {
            inside.as_table().and_then(|inside: &Table| inside.get(*key)).map(|_: &Value| ())?;
            format!("[{table}] {key}")
        };
        Some(format!(
            "{old} is part of the site's policy now, as {place}: take it out here, and give it to `barefoot-edge policy set` or \
             choose it on the clinic page under \"What leaves this clinic\""
        ))
    })
}
