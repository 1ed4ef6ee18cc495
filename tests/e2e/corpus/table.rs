//! `docs/INTAKE_CORPUS.md`: written by the test that checks it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use barefoot_test_support::daemons::workspace;
use barefoot_test_support::scanner::DicomFile;

use super::senders::Said;

pub(super) struct Row {
    file: String,
    pub(super) transfer_syntax: String,
    /// By sender.
    outcomes: BTreeMap<&'static str, String>,
    reasons: Vec<String>,
}

const SENDERS: [&str; 4] = ["raw", "storescu", "dcmsend", "pynetdicom"];

const HEAD: &str = "\
# The intake against 460 real files

Made and checked by the end-to-end test `corpus` (`cargo xtask test every_file_of_the_collection`), which writes what it
finds to `target/INTAKE_CORPUS.md`. The files are public test files of 18 projects, broken ones among them; they are not
part of this repository, and where they are missing the test says so and passes.

Each file is sent by four programs to an empty box:

- **raw**: our own sender: the data set's bytes as they lie in the file, in a context for exactly its SOP class and transfer
  syntax. *stored* means byte for byte. A file without meta information goes out whole, as an implicit secondary capture
  of another name.
- **storescu**, **dcmsend** (dcmtk 3.6.7, nothing decompressed) and **pynetdicom** 3.0.4 read the file and write each object
  anew. *stored* means equal in every element, as pydicom reads both.

`stored*` is stored, but pydicom reads an element of the stored object otherwise than in the file, or cannot read the file:
the sender has written it otherwise. *quarantined* is status 0xC000: the data set cannot be read; it is kept apart, unchanged,
and shown. *refused* is 0xA900: the data set is another instance or class than the request names; nothing is kept. *not
sent*: the sender itself gave up, or the box accepts no such class.

";

impl Row {
    pub(super) fn of(path: &Path, root: &Path) -> Self {
        let file = path.strip_prefix(root).unwrap().display().to_string();
        Self {
            file,
            transfer_syntax: DicomFile::open(path)
                .map(|file| file.transfer_syntax)
                .unwrap_or_default(),
            outcomes: BTreeMap::new(),
            reasons: Vec::new(),
        }
    }

    /// `remark`: how the stored object differs from the sent one.
    pub(super) fn note(&mut self, sender: &'static str, said: Said, remark: Option<String>) {
        let (outcome, reason) = match said {
            Said::Status { status: 0, .. } => match remark {
                None => ("stored".to_owned(), None),
                Some(remark) => ("stored*".to_owned(), Some(remark)),
            },
            Said::Status { status, comment } => {
                let word = match status {
                    super::QUARANTINED => "quarantined".to_owned(),
                    super::MISMATCH => "refused".to_owned(),
                    other => format!("0x{other:04X}"),
                };
                // The box's reason is the same for all; our own sender's row has it in full.
                (word, comment.filter(|_| sender == "raw"))
            }
            Said::NotSent(why) => ("not sent".to_owned(), Some(why)),
        };
        self.outcomes.insert(sender, outcome);
        if let Some(reason) = reason {
            self.reasons.push(format!("{sender}: {reason}"));
        }
    }

    fn outcome(&self, sender: &str) -> &str {
        self.outcomes.get(sender).map_or("-", String::as_str)
    }

    fn line(&self) -> String {
        let syntax = if self.transfer_syntax.is_empty() {
            "none"
        } else {
            &self.transfer_syntax
        };
        let outcomes = SENDERS.map(|sender| self.outcome(sender)).join(" | ");
        format!(
            "| {} | {syntax} | {outcomes} | {} |\n",
            self.file,
            self.reasons.join("; ")
        )
    }
}

fn text(rows: &[Row]) -> String {
    let mut text = HEAD.to_owned();
    text.push_str(
        "| sender | stored | stored* | quarantined | refused | not sent |\n|---|---|---|---|---|---|\n",
    );
    for sender in SENDERS {
        let count = |outcome: &str| rows.iter().filter(|row| row.outcome(sender) == outcome).count();
        let counts = ["stored", "stored*", "quarantined", "refused", "not sent"]
            .map(|outcome| count(outcome).to_string());
        text.push_str(&format!("| {sender} | {} |\n", counts.join(" | ")));
    }
    text.push_str("\n| file | transfer syntax | raw | storescu | dcmsend | pynetdicom | why |\n|---|---|---|---|---|---|---|\n");
    text.extend(rows.iter().map(Row::line));
    text
}

/// Fails when the document says otherwise.
pub(super) fn compare(document: &Path, rows: &[Row]) {
    let found = text(rows);
    let target = workspace().join("target/INTAKE_CORPUS.md");
    fs::write(&target, &found).unwrap();
    let written = fs::read_to_string(document).unwrap_or_default();
    let differing: Vec<&str> = found
        .lines()
        .filter(|line| !written.lines().any(|other| other == *line))
        .collect();
    assert!(
        written == found,
        "{} says otherwise; if this is right, copy {} there:\n{}",
        document.display(),
        target.display(),
        differing.join("\n")
    );
}
