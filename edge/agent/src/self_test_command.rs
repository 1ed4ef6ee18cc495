//! `barefoot-edge self-test`: lets the daemon that runs here test itself, and tells what came of it.

use std::path::Path;

use serde_json::Value;

use crate::page_client::{self, PageClient};

/// What was tried, for people, and whether all of it went well.
///
/// # Errors
/// When the daemon does not run or does not answer.
pub fn run(state: &Path) -> Result<(Vec<String>, bool), page_client::Error> {
    let answer = PageClient::of(state)?.post_bytes("/api/self-test", &[])?;
    let json = answer.json();
    match json.get("tried").and_then(Value::as_array) {
        Some(tried) if answer.status == 200 => Ok(told(tried)),
        _ => Err(page_client::Error::Answer),
    }
}

fn told(tried: &[Value]) -> (Vec<String>, bool) {
    let mut is_well = true;
    let lines = tried.iter().map(|one| {
        let word = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default();
        let (step, outcome, detail) = (word("step"), word("outcome"), word("detail"));
        is_well &= outcome != "failed";
        let (what, advice) = words(step);
        let mark = match outcome {
            "passed" => "ok     ",
            "failed" => "FAILED ",
            _ => "left   ",
        };
        let mut line = format!("{mark} {what}");
        if !detail.is_empty() {
            line.push_str(&format!(" ({detail})"));
        }
        if outcome == "failed" {
            line.push_str(&format!("\n        {advice}"));
        }
        line
    });
    (lines.collect(), is_well)
}

fn words(step: &str) -> (&str, &'static str) {
    match step {
        "door" => (
            "the DICOM port takes a picture",
            "see the daemon's log (journalctl -u barefoot-edge) and [dicom] in the site file",
        ),
        "picture" => (
            "it arrived as it was sent",
            "the disk or memory is failing: report a fault",
        ),
        "quality" => ("the picture is decoded and graded", "report a fault"),
        "model" => (
            "a model answers",
            "see [model] in the site file, and what the page says of the model",
        ),
        "disk" => ("the disk has room", "make room, or let [retention] do it"),
        "queue" => (
            "results wait for the hub, none is set aside",
            "the hub refused results: see the page, and ask the hub's operator",
        ),
        "hub" => ("the hub is reached", "check the line"),
        "removed" => (
            "nothing of the test is left",
            "the disk is failing: report a fault",
        ),
        other => (other, "report a fault"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_failure_says_what_to_do_and_what_was_left_is_none() {
        let tried = [
            json!({"step": "door", "outcome": "passed", "detail": "127.0.0.1:11112"}),
            json!({"step": "hub", "outcome": "left", "detail": ""}),
        ];
        let (lines, is_well) = told(&tried);
        assert!(
            is_well && lines[0].contains("127.0.0.1:11112") && lines[1].starts_with("left"),
            "{lines:?}"
        );
        let (lines, is_well) = told(&[json!({"step": "model", "outcome": "failed", "detail": ""})]);
        assert!(!is_well && lines[0].contains("[model]"), "{lines:?}");
    }
}
