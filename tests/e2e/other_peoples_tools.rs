//! Real files sent by scanners' software we did not write.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use barefoot_test_support::daemons::EdgeOptions;
use barefoot_test_support::scanner::DicomFile;
use serde_json::Value;

use crate::peers::{peer, python, run, text};
use crate::story::{Story, chests, ct, data};

fn options() -> EdgeOptions {
    EdgeOptions {
        scanners: vec!["SIM_DR1".into(), "DCMTK".into()],
        ..EdgeOptions::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn echoscu_storescu_and_dcmsend_are_served() {
    let story = Story::begin(&options()).await;
    let folder = tempfile::tempdir().unwrap();
    let (chest, slices) = (chests(&folder, 1..2), ct(&folder, 2));
    let (host, port) = story.edge.address("dicom").unwrap().split_once(':').unwrap();
    let call = |name: &str, files: &[&DicomFile]| {
        let mut command = Command::new(peer(name, "dcmtk"));
        command.args(["-aet", "DCMTK", "-aec", "BAREFOOT", host, port]);
        command.args(files.iter().map(|file| &file.path));
        command
    };
    for command in [
        call("echoscu", &[]),
        call("storescu", &[&chest[0]]),
        call("dcmsend", &slices.iter().collect::<Vec<_>>()),
    ] {
        let output = run(command).await;
        assert!(output.status.success(), "{}", text(&output));
    }
    story.all_receipted(2).await;
}

/// Every readable file of the collection whose class the box takes: stored with an identical data set.
#[tokio::test(flavor = "multi_thread")]
async fn real_files_are_stored_byte_for_byte() {
    let Some(data) = data() else { return };
    let story = Story::begin(&options()).await;
    let files: Vec<DicomFile> = files_below(&data.join("dicom-core/files"))
        .iter()
        .filter_map(|path| DicomFile::open(path).ok())
        .collect();
    let mut stored: HashMap<String, Vec<Vec<u8>>> = HashMap::new();
    let mut statuses: HashMap<String, usize> = HashMap::new();
    for outcome in story.send(&files).await {
        let said = match (outcome.status, &outcome.error) {
            (Some(status), _) => format!("0x{status:04X}"),
            (None, Some(error)) if error.contains("context") || error.contains("not accepted") => {
                "no accepted context".to_owned()
            }
            (None, error) => format!("{error:?}"),
        };
        *statuses.entry(said).or_default() += 1;
        if outcome.status == Some(0) {
            stored
                .entry(outcome.file.sop_instance.clone())
                .or_default()
                .push(data_set(&outcome.file));
        }
    }
    println!("{} files sent by our simulator: {statuses:?}", files.len());
    let archive = archive(story.edge.state());
    let mut compared = 0;
    for (instance, sent) in &stored {
        let kept = &archive[instance];
        for data_set in sent {
            assert!(
                kept.contains(data_set),
                "a data set of {} bytes is not in the archive as sent",
                data_set.len()
            );
            compared += 1;
        }
    }
    println!("{compared} data sets are byte-identical in the archive");
    assert!(300 < compared);
    assert!(
        statuses
            .keys()
            .all(|said| { ["0x0000", "0xC000", "0xA900", "no accepted context"].contains(&said.as_str()) }),
        "{statuses:?}"
    );
}

/// The same by dcmsend, which parses and writes each object anew: every element must be equal to the sent file's, as
/// pydicom reads both.
#[tokio::test(flavor = "multi_thread")]
async fn real_files_sent_by_dcmsend_keep_every_element() {
    let Some(data) = data() else { return };
    let story = Story::begin(&options()).await;
    let (host, port) = story.edge.address("dicom").unwrap().split_once(':').unwrap();
    let mut command = Command::new(peer("dcmsend", "dcmtk"));
    let sources = data.join("dicom-core/files");
    command
        .args([
            "-aet",
            "DCMTK",
            "-aec",
            "BAREFOOT",
            "--no-halt",
            "--no-illegal-proposal",
            "--scan-directories",
        ])
        .args(["--recurse", "--verbose", host, port])
        .arg(&sources);
    let output = text(&run(command).await);
    let accepted = output.matches("Received C-STORE Response (Success)").count();
    println!("dcmsend: {accepted} accepted");
    assert!(300 < accepted, "{output}");
    let mut compare = Command::new(python());
    compare
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/compare_archive.py"))
        .arg(&sources)
        .arg(story.edge.state().join("studies"));
    let compared = run(compare).await;
    assert!(compared.status.success(), "{}", text(&compared));
    let summary: Value = serde_json::from_slice(&compared.stdout).unwrap();
    println!("compared by pydicom: {summary}");
    assert!(250 < summary["equal"].as_u64().unwrap(), "{summary}");
}

fn archive(state: &Path) -> HashMap<String, Vec<Vec<u8>>> {
    let mut found: HashMap<String, Vec<Vec<u8>>> = HashMap::new();
    for path in files_below(&state.join("studies")) {
        if let Ok(file) = DicomFile::open(&path) {
            found
                .entry(file.sop_instance.clone())
                .or_default()
                .push(data_set(&file));
        }
    }
    found
}

fn data_set(file: &DicomFile) -> Vec<u8> {
    fs::read(&file.path)
        .unwrap()
        .split_off(usize::try_from(file.data_set_at).unwrap())
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_below(&path))
        } else {
            found.push(path)
        }
    }
    found.sort();
    found
}
