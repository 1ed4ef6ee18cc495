//! `barefoot-edge status`: how the daemon on this machine is, for people and scripts.

use std::path::Path;

use serde_json::Value;

use crate::page_client::{self, PageClient};

/// A result that waits longer than this needs somebody: the line may be cut for good.
const OLD_MS: i64 = 24 * 60 * 60 * 1000;

/// What the daemon says of itself.
#[derive(Debug)]
pub struct Report {
    /// As the page's API tells it.
    pub json: Value,
    /// What somebody should look at; empty when all is well.
    pub troubles: Vec<String>,
}

/// Asks the daemon.
///
/// # Errors
/// When it does not run or does not answer.
pub fn ask(state: &Path) -> Result<Report, page_client::Error> {
    let (status, json) = PageClient::of(state)?.get_json("/api/status")?;
    if status != 200 || !json.is_object() {
        return Err(page_client::Error::Answer);
    }
    let troubles = troubles(&json);
    Ok(Report { json, troubles })
}

impl Report {
    /// A few lines for people.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let text = |path: &str| {
            let value = self.json.pointer(path).and_then(Value::as_str);
            value.unwrap_or("none").to_owned()
        };
        let number = |path: &str| self.json.pointer(path).and_then(Value::as_i64);
        let count = |path: &str| number(path).unwrap_or(0);
        let oldest = number("/queue/oldest_ms").map_or_else(String::new, |oldest| {
            format!(", the oldest for {} min", oldest / 60_000)
        });
        let mut lines = vec![
            format!("line: {}", text("/link")),
            format!("waiting to be sent: {}{oldest}", count("/queue/pending")),
            format!("set aside: {}", count("/queue/set_aside")),
            format!("model: {}", text("/model")),
            match self.json.pointer("/video_decoder").and_then(Value::as_str) {
                Some(version) => format!("films: decoded by ffmpeg {version}"),
                None => "films: not decoded, the package ffmpeg is not installed".to_owned(),
            },
            format!("disk: {}", text("/space")),
            format!("quarantined files: {}", count("/quarantined")),
            format!(
                "sealed with: {}, key: {}",
                text("/at_rest/cipher"),
                text("/at_rest/key")
            ),
        ];
        if let Some(fingerprint) = self.json.pointer("/page_certificate").and_then(Value::as_str) {
            lines.push(format!("the page's own certificate (SHA-256): {fingerprint}"));
        }
        if self.troubles.is_empty() {
            lines.push("All is well.".to_owned());
        }
        lines.extend(
            self.troubles
                .iter()
                .map(|trouble| format!("LOOK AT THIS: {trouble}")),
        );
        lines
    }
}

/// What is not as it should be. A line that is down for a day is the township's life; for longer it is not.
fn troubles(status: &Value) -> Vec<String> {
    let number = |path: &str| status.pointer(path).and_then(Value::as_i64).unwrap_or(0);
    let mut troubles = Vec::new();
    if status.pointer("/model").is_none_or(Value::is_null) {
        troubles.push("no model answers: every study goes to review".to_owned());
    }
    match status.pointer("/space").and_then(Value::as_str) {
        Some("low") => troubles.push("the disk is filling up".to_owned()),
        Some("full") => troubles.push("the disk is full: scanners are refused".to_owned()),
        _ => {}
    }
    for (path, what) in [
        (
            "/queue/set_aside",
            "records were set aside: the hub will not take them",
        ),
        ("/quarantined", "received files could not be understood"),
    ] {
        if 0 < number(path) {
            troubles.push(format!("{} {what}", number(path)));
        }
    }
    if OLD_MS < number("/queue/oldest_ms") {
        troubles.push(
            "results have been waiting for more than a day: is the line cut? They can go by stick (export-queue)".to_owned(),
        );
    }
    if status
        .pointer("/audit_repository/unusable")
        .and_then(Value::as_bool)
        == Some(true)
    {
        troubles.push("the settings of [audit.repository] cannot be used: it is told nothing".to_owned());
    }
    if OLD_MS < number("/audit_repository/oldest_ms") {
        let why = status
            .pointer("/audit_repository/trouble")
            .and_then(Value::as_str);
        troubles.push(format!(
            "the audit record repository was told nothing for more than a day, {} entries wait: {}",
            number("/audit_repository/behind"),
            why.unwrap_or("it comes slowly")
        ));
    }
    if let Some(words) = status.pointer("/identity/refused").and_then(Value::as_str) {
        troubles.push(format!("the hub does not let this box in any more: {words}"));
    }
    if status.pointer("/identity/overdue").and_then(Value::as_bool) == Some(true) {
        troubles.push(
            "the box's certificate ends soon and was not renewed: it needs a line to the hub".to_owned(),
        );
    }
    if number("/identity/clock_behind_s") != 0 {
        troubles.push("the box's clock is wrong".to_owned());
    }
    if let Some(trouble) = status.pointer("/trouble").and_then(Value::as_str) {
        troubles.push(format!("the next model does not come: {trouble}"));
    }
    troubles
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_needs_somebody_is_said_and_nothing_else() {
        let well = json!({
            "model": "cxr 1", "space": "enough", "quarantined": 0, "link": "connecting", "trouble": null,
            "queue": {"pending": 3, "oldest_ms": 60_000, "set_aside": 0},
        });
        assert_eq!(troubles(&well), Vec::<String>::new(), "a line that is down waits");
        let lines = Report {
            troubles: troubles(&well),
            json: well.clone(),
        }
        .lines();
        assert!(
            lines.contains(&"waiting to be sent: 3, the oldest for 1 min".to_owned()),
            "{lines:?}"
        );
        for (path, value, said) in [
            ("model", json!(null), "no model"),
            ("space", json!("low"), "filling up"),
            ("space", json!("full"), "refused"),
            ("quarantined", json!(2), "2 received files"),
            ("queue", json!({"set_aside": 1}), "1 records were set aside"),
            ("queue", json!({"oldest_ms": 2 * OLD_MS}), "more than a day"),
            ("trouble", json!("expired"), "expired"),
            (
                "audit_repository",
                json!({"behind": 7, "oldest_ms": 2 * OLD_MS, "trouble": "cannot be reached"}),
                "7 entries wait: cannot be reached",
            ),
        ] {
            let mut ill = well.clone();
            ill[path] = value;
            let found = troubles(&ill);
            assert!(found.len() == 1 && found[0].contains(said), "{path}: {found:?}");
        }
    }
}
