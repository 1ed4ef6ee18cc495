//! What waits in the queue's lane of images: a version of a study, and how far it has come.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use barefoot_queue::Record;
use serde::{Deserialize, Serialize};

use crate::at_rest;
use crate::checked_lines;
use crate::site_policy::UrgencyWord;
use crate::study_folder::StudyKey;

/// One version of one study to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) study: String,
    pub(super) version: u32,
    pub(super) critical: bool,
    /// `None` in what an earlier daemon queued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) urgency: Option<UrgencyWord>,
}

impl Job {
    /// The record's id; says nothing outside the box.
    pub(super) fn id(study: &StudyKey, version: u32) -> String {
        format!("images-{study}-{version}")
    }

    pub(super) fn of(record: &Record) -> Option<Self> {
        serde_json::from_slice(&record.payload).ok()
    }

    pub(super) fn urgency(&self) -> UrgencyWord {
        self.urgency.unwrap_or(if self.critical {
            UrgencyWord::Critical
        } else {
            UrgencyWord::Review
        })
    }

    pub(super) fn study(&self) -> Option<StudyKey> {
        StudyKey::parse(&self.study)
    }
}

/// What was done of a job; a line each in its folder's `job.log`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Line {
    /// What follows was made ready under these rules; stands first.
    Under {
        rules: String,
    },
    /// The audit log has it that this job's images leave.
    Told,
    /// The small pictures were made, the key image first.
    QuickLook(QuickLookLine),
    /// The hub has committed them.
    QuickLookSent,
    /// An image was made ready and lies beside, named by its hash.
    Ready(ImageLine),
    Withheld {
        file: String,
        reason: String,
    },
    /// The hub has the whole object; it lies here no more.
    Sent {
        file: String,
    },
    /// The hub lacks it after all: it is made ready again.
    Lost {
        file: String,
    },
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct QuickLookLine {
    pub(super) pictures: Vec<PictureLine>,
    /// Sent only to a hub that asks for them.
    #[serde(default)]
    pub(super) heat_maps: Vec<HeatMapLine>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HeatMapLine {
    pub(super) sha256: String,
    pub(super) bytes: u64,
    pub(super) sop_instance_uid: String,
    pub(super) frame: u32,
    pub(super) finding: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PictureLine {
    pub(super) sha256: String,
    pub(super) bytes: u64,
    pub(super) sop_instance_uid: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ImageLine {
    /// Its name below the study's `instances/`.
    pub(super) file: String,
    pub(super) sha256: String,
    pub(super) bytes: u64,
    pub(super) sop_class_uid: String,
    pub(super) sop_instance_uid: String,
    pub(super) transfer_syntax_uid: String,
}

/// How far one image has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    ToPrepare,
    ToSend(ImageLine),
    Sent(ImageLine),
    Withheld(String),
}

/// A job's folder, and what its log says.
#[derive(Debug, Default)]
pub(super) struct Progress {
    folder: PathBuf,
    rules: Option<String>,
    quick_look: Option<QuickLookLine>,
    quick_look_sent: bool,
    told: bool,
    steps: HashMap<String, Step>,
    losses: HashMap<String, usize>,
}

impl Progress {
    /// # Errors
    /// When the folder cannot be made or its log not read.
    pub(super) fn open(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let lines: Vec<Line> = checked_lines::replay(&folder.join("job.log"))?.entries;
        let mut progress = Self {
            folder,
            ..Self::default()
        };
        lines.into_iter().for_each(|line| progress.take(line));
        Ok(progress)
    }

    /// As [`Self::open`]; what was made ready under other rules goes, and is made anew.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub(super) fn under(folder: PathBuf, rules: &str) -> io::Result<Self> {
        let mut progress = Self::open(folder)?;
        if progress.rules.as_deref() != Some(rules) {
            let folder = std::mem::take(&mut progress.folder);
            fs::remove_dir_all(&folder)?;
            progress = Self::open(folder)?;
            progress.note(Line::Under {
                rules: rules.to_owned(),
            })?;
        }
        Ok(progress)
    }

    /// # Errors
    /// When the line cannot be written.
    pub(super) fn note(&mut self, line: Line) -> io::Result<()> {
        checked_lines::append(&self.folder.join("job.log"), std::slice::from_ref(&line))?;
        self.take(line);
        Ok(())
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Under { rules } => self.rules = Some(rules),
            Line::Told => self.told = true,
            Line::QuickLook(look) => self.quick_look = Some(look),
            Line::QuickLookSent => self.quick_look_sent = true,
            Line::Ready(image) => {
                self.steps.insert(image.file.clone(), Step::ToSend(image));
            }
            Line::Withheld { file, reason } => {
                self.steps.insert(file, Step::Withheld(reason));
            }
            Line::Sent { file } => {
                if let Some(Step::ToSend(image)) = self.steps.get(&file) {
                    let sent = Step::Sent(image.clone());
                    self.steps.insert(file, sent);
                }
            }
            Line::Lost { file } => {
                *self.losses.entry(file.clone()).or_default() += 1;
                self.steps.remove(&file);
            }
        }
    }

    pub(super) fn quick_look(&self) -> Option<&QuickLookLine> {
        self.quick_look.as_ref()
    }

    pub(super) fn is_told(&self) -> bool {
        self.told
    }

    pub(super) fn is_quick_look_sent(&self) -> bool {
        self.quick_look_sent
    }

    pub(super) fn step(&self, file: &str) -> Step {
        self.steps.get(file).cloned().unwrap_or(Step::ToPrepare)
    }

    /// How often an image was lost on its way.
    pub(super) fn losses(&self, file: &str) -> usize {
        self.losses.get(file).copied().unwrap_or_default()
    }

    pub(super) fn object(&self, sha256: &str) -> PathBuf {
        self.folder.join(sha256)
    }

    /// Writes an object so that it survives a power cut. One that does not is made again.
    pub(super) fn put(&self, sha256: &str, bytes: &[u8]) -> io::Result<()> {
        let (draft, path) = (self.folder.join("draft"), self.object(sha256));
        at_rest::write(&draft, bytes)?.sync_all()?;
        fs::rename(draft, path)?;
        crate::study_folder::sync_directory(&self.folder)
    }

    /// Takes an object away that the hub has.
    pub(super) fn drop_object(&self, sha256: &str) {
        let _ = fs::remove_file(self.object(sha256));
    }
}

/// Takes a job's folder away.
pub(super) fn remove_folder(folder: &Path) {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "What was made ready of a study's images could not be removed.");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(file: &str, sha256: &str) -> ImageLine {
        ImageLine {
            file: file.to_owned(),
            sha256: sha256.to_owned(),
            bytes: 1,
            sop_class_uid: "1.2".to_owned(),
            sop_instance_uid: "2.25.1".to_owned(),
            transfer_syntax_uid: "1.2.3".to_owned(),
        }
    }

    #[test]
    fn what_was_done_is_known_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut progress = Progress::open(dir.path().join("job")).unwrap();
        assert_eq!(progress.step("a.dcm"), Step::ToPrepare);
        progress.note(Line::Ready(image("a.dcm", "aa"))).unwrap();
        progress.note(Line::Ready(image("b.dcm", "bb"))).unwrap();
        progress
            .note(Line::Sent {
                file: "a.dcm".to_owned(),
            })
            .unwrap();
        progress.note(Line::QuickLookSent).unwrap();
        let again = Progress::open(dir.path().join("job")).unwrap();
        assert_eq!(again.step("a.dcm"), Step::Sent(image("a.dcm", "aa")));
        assert_eq!(again.step("b.dcm"), Step::ToSend(image("b.dcm", "bb")));
        assert!(again.is_quick_look_sent());
    }

    #[test]
    fn what_was_made_under_another_policy_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("job");
        let mut progress = Progress::under(folder.clone(), "one").unwrap();
        progress.note(Line::Ready(image("a.dcm", "aa"))).unwrap();
        let same = Progress::under(folder.clone(), "one").unwrap();
        assert_eq!(same.step("a.dcm"), Step::ToSend(image("a.dcm", "aa")));
        for _ in 0..2 {
            let other = Progress::under(folder.clone(), "two").unwrap();
            assert_eq!(other.step("a.dcm"), Step::ToPrepare);
        }
    }

    #[test]
    fn a_quick_look_noted_by_an_older_daemon_is_read() {
        let old =
            r#"{"event":"quick_look","pictures":[{"sha256":"aa","bytes":1,"sop_instance_uid":"2.25.1"}]}"#;
        let Ok(Line::QuickLook(look)) = serde_json::from_str(old) else {
            panic!("{old}");
        };
        assert_eq!((look.pictures.len(), look.heat_maps.len()), (1, 0));
    }

    #[test]
    fn a_lost_image_is_made_ready_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut progress = Progress::open(dir.path().to_owned()).unwrap();
        progress.note(Line::Ready(image("a.dcm", "aa"))).unwrap();
        progress
            .note(Line::Sent {
                file: "a.dcm".to_owned(),
            })
            .unwrap();
        progress
            .note(Line::Lost {
                file: "a.dcm".to_owned(),
            })
            .unwrap();
        assert_eq!(
            (progress.step("a.dcm"), progress.losses("a.dcm")),
            (Step::ToPrepare, 1)
        );
        progress.note(Line::Ready(image("a.dcm", "cc"))).unwrap();
        assert_eq!(progress.step("a.dcm"), Step::ToSend(image("a.dcm", "cc")));
    }
}
