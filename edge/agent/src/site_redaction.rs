//! What of a site file may leave the clinic: which keys are set, numbers, switches and choices; no path, name, address or
//! certificate.

use toml::Value;

/// Texts that are one of a few words of ours.
const CHOICES: [&str; 13] = [
    "clinic",
    "unknown_scanners",
    "private_classes",
    "client_certificates",
    "character_set",
    "remove",
    "what",
    "modalities",
    "modality",
    "engine",
    "precision",
    "language",
    "sign_in",
];

/// As JSON; says so where the file cannot be read.
#[must_use]
pub(crate) fn redacted(text: &str) -> String {
    let Ok(table) = toml::from_str::<toml::Table>(text) else {
        return "the site file cannot be read".to_owned();
    };
    let kept = keep("", Value::Table(table));
    serde_json::to_string_pretty(&kept).unwrap_or_else(|error| error.to_string())
}

fn keep(key: &str, value: Value) -> Value {
    match value {
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => value,
        Value::String(text) if CHOICES.contains(&key) && text.len() <= 64 => Value::String(text),
        Value::String(_) | Value::Datetime(_) => Value::String("(set)".to_owned()),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| keep(key, item)).collect()),
        Value::Table(table) => Value::Table(
            table
                .into_iter()
                .map(|(key, value)| {
                    let kept = keep(&key, value);
                    (key, kept)
                })
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_choices_stay_and_nothing_that_points_anywhere() {
        let example = std::fs::read_to_string(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../provisioning/sites/example.toml"
        ))
        .unwrap();
        let text = redacted(&example);
        for kept in ["clinic-7", "review_below", "0.8", "\"listen\": \"(set)\""] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
        for gone in [
            "/etc",
            "/var",
            "hub.region",
            "BAREFOOT",
            "DR_ROOM_1",
            "11112",
            ".crt",
        ] {
            assert!(!text.contains(gone), "{gone}: {text}");
        }
        assert_eq!(redacted("["), "the site file cannot be read");
    }
}
