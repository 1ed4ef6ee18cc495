//! What can be told wrong without running anything: files, hashes, names, numbers that no calibration gives.

use std::fs;
use std::path::{Component, Path};

use barefoot_federation::chunk::ChunkId;
use toml::{Table, Value};

use crate::bundle::{CARD, MANIFEST};

/// Beyond these a temperature was not fitted, but slipped.
const TEMPERATURES: std::ops::RangeInclusive<f64> = 0.05..=20.0;
/// Every picture, or none, would be called.
const OPERATING_POINTS: std::ops::RangeInclusive<f64> = 0.01..=0.99;

/// One sentence each.
pub(super) fn of(directory: &Path) -> Vec<String> {
    let text = match fs::read_to_string(directory.join(MANIFEST)) {
        Ok(text) => text,
        Err(error) => return vec![format!("{MANIFEST} cannot be read: {error}")],
    };
    let manifest: Table = match toml::from_str(&text) {
        Ok(manifest) => manifest,
        Err(error) => return vec![format!("{MANIFEST} is no TOML: {}", error.message())],
    };
    let mut faults = Vec::new();
    for key in ["title", "intended_use", "licence", "attribution"] {
        let said = manifest.get(key).and_then(Value::as_str);
        if said.is_none_or(|said| said.trim().is_empty()) {
            faults.push(format!("{MANIFEST} says nothing under {key}"));
        }
    }
    if !directory.join(CARD).is_file() {
        faults.push(format!(
            "{CARD} is missing: who sees a result must be able to read what the model is"
        ));
    }
    for named in files(&manifest) {
        faults.extend(file_fault(directory, named));
    }
    let golden = manifest.get("golden").and_then(Value::as_table);
    faults.extend(
        golden
            .into_iter()
            .flat_map(|golden| golden_faults(directory, golden)),
    );
    let findings = manifest.get("finding").and_then(Value::as_array);
    let findings = findings.into_iter().flatten().filter_map(Value::as_table);
    faults.extend(findings.flat_map(finding_faults));
    faults
}

fn files(manifest: &Table) -> Vec<&Table> {
    let artefacts = manifest.get("artefact").and_then(Value::as_array);
    let artefacts = artefacts.into_iter().flatten().filter_map(Value::as_table);
    let single = ["head", "scope", "golden"]
        .into_iter()
        .filter_map(|key| manifest.get(key)?.as_table());
    artefacts.chain(single).collect()
}

fn file_fault(directory: &Path, named: &Table) -> Option<String> {
    let text = |key: &str| named.get(key).and_then(Value::as_str);
    let (Some(file), Some(sha256)) = (text("file"), text("sha256")) else {
        return Some(format!("{MANIFEST} names a file without `file` and `sha256`"));
    };
    fault_of(directory, file, sha256)
}

fn fault_of(directory: &Path, file: &str, sha256: &str) -> Option<String> {
    let path = Path::new(file);
    if !path.components().all(|part| matches!(part, Component::Normal(_))) {
        return Some(format!("{file} lies outside the bundle"));
    }
    match fs::read(directory.join(path)) {
        Err(error) => Some(format!("{file} cannot be read: {error}")),
        Ok(bytes) => {
            let found = ChunkId::of(&bytes).to_string();
            (!found.eq_ignore_ascii_case(sha256))
                .then(|| format!("{file} is not the file the bundle was made with: its SHA-256 is {found}"))
        }
    }
}

/// The pictures the golden file names.
fn golden_faults(directory: &Path, golden: &Table) -> Vec<String> {
    let text = |case: &serde_json::Value, key: &str| Some(case.get(key)?.as_str()?.to_owned());
    let file = golden.get("file").and_then(Value::as_str).unwrap_or_default();
    let Ok(bytes) = fs::read(directory.join(file)) else {
        return Vec::new();
    };
    let Ok(json) = serde_json::from_slice::<serde_json::Value>(&bytes) else {
        return vec![format!("{file} is no JSON")];
    };
    let cases = json.get("cases").and_then(serde_json::Value::as_array);
    let cases = cases.into_iter().flatten();
    cases
        .filter_map(|case| fault_of(directory, &text(case, "file")?, &text(case, "sha256")?))
        .collect()
}

fn finding_faults(finding: &Table) -> Vec<String> {
    let code = finding
        .get("code")
        .and_then(Value::as_str)
        .unwrap_or("a finding without code");
    let mut faults = Vec::new();
    for (key, what) in [
        ("name_en", "an English name"),
        ("name_zh", "a Chinese name"),
        ("operating_set", "the data its operating point was chosen on"),
        ("calibration_set", "the data its temperature was fitted on"),
    ] {
        let said = finding.get(key).and_then(Value::as_str);
        if said.is_none_or(|said| said.trim().is_empty()) {
            faults.push(format!("{code} lacks {what} ({key})"));
        }
    }
    for (key, usual) in [
        ("temperature", TEMPERATURES),
        ("operating_point", OPERATING_POINTS),
    ] {
        let number = |value: &Value| {
            value
                .as_float()
                .or_else(|| value.as_integer().map(|number| number as f64))
        };
        match finding.get(key).and_then(number) {
            Some(number) if usual.contains(&number) => {}
            Some(number) => faults.push(format!(
                "{code}: {key} {number} is absurd, it lies within {} and {}",
                usual.start(),
                usual.end()
            )),
            None => faults.push(format!("{code} lacks {key}")),
        }
    }
    faults
}
