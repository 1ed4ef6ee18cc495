//! Every file of the collection of real DICOM files, sent by four programs: stored with an identical data set, or
//! answered with the right status. `docs/INTAKE_CORPUS.md` is what came out, kept true by this test.

mod senders;
mod table;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use barefoot_test_support::daemons::{Edge, EdgeOptions, Region, workspace};
use ring::digest::{SHA256, digest};

use crate::intake::lone_box;
use crate::kept::opened;
use crate::peers::python;
use crate::story::data;
use senders::{Said, Whole, dcmsend, pynetdicom, python_says, storescu};
use table::Row;

const QUARANTINED: u16 = 0xC000;
const MISMATCH: u16 = 0xA900;

fn a_box(region: &Region) -> Edge {
    let scanners = vec!["SIM_DR1".into(), "DCMTK".into()];
    lone_box(
        region,
        EdgeOptions {
            scanners,
            ..EdgeOptions::default()
        },
    )
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Digests of the data sets below a folder.
fn data_sets(folder: &Path) -> BTreeSet<Vec<u8>> {
    let files = files_below(folder);
    let images = files
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "dcm"));
    images
        .map(|path| sha256(behind_the_meta(&fs::read(path).unwrap())))
        .collect()
}

/// By the meta information's own length (PS3.10 table 7.1-1): a data set may itself begin with such elements.
fn behind_the_meta(file: &[u8]) -> &[u8] {
    assert_eq!(file[128..140], *b"DICM\x02\0\0\0UL\x04\0");
    let length = u32::from_le_bytes(*file[140..].first_chunk().unwrap());
    &file[144 + length as usize..]
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

/// Byte for byte: stored, in quarantine, or nowhere, as was said.
async fn by_our_own_sender(files: &[PathBuf]) -> Vec<Said> {
    let region = Region::new().unwrap();
    let mut edge = a_box(&region);
    edge.start().await.unwrap();
    let (address, paths) = (edge.address("dicom").unwrap().to_owned(), files.to_vec());
    let sending = tokio::task::spawn_blocking(move || {
        let whole = paths
            .iter()
            .enumerate()
            .map(|(number, path)| Whole::read(path, number));
        whole
            .map(|whole| (whole.send(&address), sha256(&whole.data_set)))
            .collect::<Vec<_>>()
    });
    let sent = sending.await.unwrap();
    let stored = data_sets(opened(edge.state(), "studies").path());
    let quarantined = data_sets(opened(edge.state(), "quarantine").path());
    let said_stored: BTreeSet<_> = sent
        .iter()
        .filter(|(said, _)| matches!(said, Said::Status { status: 0, .. }))
        .map(|(_, digest)| digest)
        .collect();
    for ((said, digest), path) in sent.iter().zip(files) {
        let name = path.display();
        match said {
            Said::Status { status: 0, .. } => assert!(stored.contains(digest), "{name} is not there as sent"),
            Said::Status {
                status: QUARANTINED, ..
            } => assert!(
                quarantined.contains(digest),
                "{name} is not in quarantine as sent"
            ),
            Said::Status { status: MISMATCH, .. } => assert!(
                said_stored.contains(digest) || !stored.contains(digest),
                "{name} was refused and kept"
            ),
            // No class that stores images, a directory for instance.
            Said::NotSent(why) if why.contains("not accepted") => assert!(!stored.contains(digest), "{name}"),
            other => panic!("{name}: {other:?}\n{}", edge.log()),
        }
    }
    assert!(
        stored.iter().all(|digest| said_stored.contains(digest)),
        "something is stored that was not acknowledged"
    );
    let mut reasons = quarantine_reasons(&edge.log()).into_iter();
    let with_reasons = sent.into_iter().map(|(said, _)| match said {
        Said::Status {
            status: QUARANTINED, ..
        } => Said::Status {
            status: QUARANTINED,
            comment: reasons.next(),
        },
        said => said,
    });
    with_reasons.collect()
}

/// What the log says of each quarantined data set, in the order they came.
fn quarantine_reasons(log: &str) -> Vec<String> {
    let lines = log.lines().filter(|line| line.contains("put in quarantine"));
    lines
        .filter_map(|line| {
            let (_, reason) = line.split_once("reason=")?;
            (line.contains("A data set")).then(|| reason.trim_matches('"').to_owned())
        })
        .collect()
}

/// Element for element, as pydicom reads both: these senders write each object anew.
async fn every_stored_one_is_equal(
    edge: &Edge,
    files: &[PathBuf],
    said: &[Said],
) -> HashMap<PathBuf, String> {
    let acknowledged: Vec<PathBuf> = files
        .iter()
        .zip(said)
        .filter(|(_, said)| matches!(said, Said::Status { status: 0, .. }))
        .map(|(path, _)| path.clone())
        .collect();
    let stored = opened(edge.state(), "studies");
    let mut command = Command::new(python());
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/compare_corpus.py"))
        .arg(stored.path());
    let verdicts = python_says(command, &acknowledged).await;
    let verdicts: BTreeMap<PathBuf, String> = serde_json::from_str(&verdicts).unwrap();
    verdicts
        .into_iter()
        .filter(|(_, verdict)| verdict != "equal")
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_of_the_collection_is_stored_as_sent_or_answered() {
    let Some(data) = data() else { return };
    let root = data.join("dicom-core/files");
    let files = files_below(&root);
    assert_eq!(files.len(), 460);
    let mut rows: Vec<Row> = files.iter().map(|path| Row::of(path, &root)).collect();

    let said = by_our_own_sender(&files).await;
    rows.iter_mut()
        .zip(said)
        .for_each(|(row, said)| row.note("raw", said, None));

    for sender in ["storescu", "dcmsend", "pynetdicom"] {
        let region = Region::new().unwrap();
        let mut edge = a_box(&region);
        edge.start().await.unwrap();
        let report = region.folder().join("report");
        let mut said = Vec::new();
        if sender == "pynetdicom" {
            said = pynetdicom(&edge, &files).await;
        } else {
            for (path, row) in files.iter().zip(&rows) {
                said.push(match sender {
                    "storescu" => storescu(&edge, path, &row.transfer_syntax).await,
                    _ => dcmsend(&edge, path, &report).await,
                });
            }
        }
        edge.check().unwrap();
        let mut remarks = every_stored_one_is_equal(&edge, &files, &said).await;
        println!("{sender}: not equal: {remarks:?}");
        for ((row, said), path) in rows.iter_mut().zip(said).zip(&files) {
            row.note(sender, said, remarks.remove(path));
        }
    }
    table::compare(&workspace().join("docs/INTAKE_CORPUS.md"), &rows);
}
