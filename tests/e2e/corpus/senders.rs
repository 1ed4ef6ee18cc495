//! Four programs that send the same files: ours, which sends the bytes as they lie there, and three of other people.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use barefoot_test_support::daemons::Edge;
use barefoot_test_support::scanner::DicomFile;
use barefoot_test_support::scanner::raw::{Proposal, RawAssociation};
use serde_json::Value;

use crate::peers::{peer, python, run};

const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";
const IMPLICIT_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2";

/// What a sender heard about one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Status {
        status: u16,
        comment: Option<String>,
    },
    /// The sender itself would not or could not.
    NotSent(String),
}

/// A file as our own sender sends it.
pub(super) struct Whole {
    pub(super) sop_class: String,
    pub(super) sop_instance: String,
    pub(super) transfer_syntax: String,
    pub(super) data_set: Vec<u8>,
}

impl Whole {
    /// A file without meta information goes out as it is, from its first byte, as an implicit secondary capture of a made-up
    /// name: somebody may well do that.
    pub(super) fn read(path: &Path, number: usize) -> Self {
        let mut bytes = fs::read(path).unwrap();
        match DicomFile::open(path) {
            Ok(file) => Self {
                data_set: bytes.split_off(usize::try_from(file.data_set_at).unwrap()),
                sop_class: file.sop_class,
                sop_instance: file.sop_instance,
                transfer_syntax: file.transfer_syntax,
            },
            Err(_) => Self {
                sop_class: SECONDARY_CAPTURE.into(),
                sop_instance: format!("1.2.3.{number}"),
                transfer_syntax: IMPLICIT_LITTLE_ENDIAN.into(),
                data_set: bytes,
            },
        }
    }

    pub(super) fn send(&self, address: &str) -> Said {
        let proposal = Proposal::new("BAREFOOT", "SIM_DR1").with(&self.sop_class, &self.transfer_syntax);
        let answer = RawAssociation::open(address, &proposal).and_then(|mut association| {
            let answer = association.store(0, &self.sop_class, &self.sop_instance, &self.data_set)?;
            association.release()?;
            Ok(answer)
        });
        match answer {
            Ok(answer) => Said::Status {
                status: answer.status,
                comment: answer.comment,
            },
            Err(error) => Said::NotSent(error.to_string()),
        }
    }
}

fn door(edge: &Edge) -> (String, String) {
    let (host, port) = edge.address("dicom").unwrap().split_once(':').unwrap();
    (host.to_owned(), port.to_owned())
}

/// dcmtk's options for a file's own transfer syntax; nothing for those it proposes anyway.
fn storescu_option(transfer_syntax: &str) -> Option<&'static str> {
    Some(match transfer_syntax {
        "1.2.840.10008.1.2" => "-xi",
        "1.2.840.10008.1.2.2" => "-xb",
        "1.2.840.10008.1.2.1.99" => "-xd",
        "1.2.840.10008.1.2.4.50" => "-xy",
        "1.2.840.10008.1.2.4.51" => "-xx",
        "1.2.840.10008.1.2.4.70" => "-xs",
        "1.2.840.10008.1.2.4.80" => "-xt",
        "1.2.840.10008.1.2.4.81" => "-xu",
        "1.2.840.10008.1.2.4.90" => "-xv",
        "1.2.840.10008.1.2.4.91" => "-xw",
        "1.2.840.10008.1.2.5" => "-xr",
        _ => return None,
    })
}

pub(super) async fn storescu(edge: &Edge, path: &Path, transfer_syntax: &str) -> Said {
    let (host, port) = door(edge);
    let mut command = Command::new(peer("storescu", "dcmtk"));
    command.args(["-d", "-R", "-aet", "DCMTK", "-aec", "BAREFOOT"]);
    command.args(storescu_option(transfer_syntax));
    command.args([&host, &port]).arg(path);
    of_dcmtk(command, path, None).await
}

/// Without decompressing; the report tells the status.
pub(super) async fn dcmsend(edge: &Edge, path: &Path, report: &Path) -> Said {
    let (host, port) = door(edge);
    let _ = fs::remove_file(report);
    let mut command = Command::new(peer("dcmsend", "dcmtk"));
    command.args([
        "-d",
        "-aet",
        "DCMTK",
        "-aec",
        "BAREFOOT",
        "--decompress-never",
        "--no-uid-checks",
    ]);
    command.arg("--create-report-file").arg(report);
    command.args([&host, &port]).arg(path);
    of_dcmtk(command, path, Some(report)).await
}

async fn of_dcmtk(command: Command, path: &Path, report: Option<&Path>) -> Said {
    let output = run(command).await;
    let mut text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stdout));
    if let Some(report) = report {
        text.push_str(&String::from_utf8_lossy(&fs::read(report).unwrap_or_default()));
    }
    let mut statuses = text.lines().filter_map(|line| {
        let (_, status) = line.split_once("DIMSE Status")?;
        let hex = status.trim_start_matches([' ', ':']).strip_prefix("0x")?;
        u16::from_str_radix(hex.get(..4)?, 16).ok()
    });
    if let Some(status) = statuses.next_back() {
        return Said::Status {
            status,
            comment: None,
        };
    }
    // Its first complaint, without the file's name.
    let complaint = text
        .lines()
        .find_map(|line| Some(line.split_once("sendMessage: ")?.1))
        .or_else(|| {
            text.lines()
                .find_map(|line| line.strip_prefix("F: ").or_else(|| line.strip_prefix("E: ")))
        })
        .unwrap_or("no word");
    let name = path.display().to_string();
    Said::NotSent(complaint.replace(&name, "the file").replace('|', "/"))
}

/// All files by one process.
pub(super) async fn pynetdicom(edge: &Edge, files: &[PathBuf]) -> Vec<Said> {
    let (host, port) = door(edge);
    let mut command = Command::new(python());
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/send_corpus.py"))
        .args([&host, &port, "DCMTK", "BAREFOOT"]);
    let lines = python_says(command, files).await;
    let said: Vec<Said> = lines
        .lines()
        .map(|line| {
            let value: Value = serde_json::from_str(line).unwrap();
            match value["status"].as_u64() {
                Some(status) => Said::Status {
                    status: u16::try_from(status).unwrap(),
                    comment: value["comment"].as_str().map(str::to_owned),
                },
                None => Said::NotSent(value["not_sent"].as_str().unwrap().to_owned()),
            }
        })
        .collect();
    assert_eq!(said.len(), files.len());
    said
}

/// What a script prints when it is given the files' names.
pub(super) async fn python_says(mut command: Command, files: &[PathBuf]) -> String {
    let names: String = files.iter().map(|path| format!("{}\n", path.display())).collect();
    tokio::task::spawn_blocking(move || {
        let list = tempfile::NamedTempFile::new().unwrap();
        fs::write(list.path(), names).unwrap();
        let output = command
            .stdin(Stdio::from(fs::File::open(list.path()).unwrap()))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    })
    .await
    .unwrap()
}
