//! Whether a picture goes all the way through the box, tried with one that is nobody's.
//!
//! A phantom is sent to the box's own DICOM port, as a scanner sends. What comes in on that association never reaches the
//! studies: it is held against what was sent, judged and assessed beside them, shown as a test, and removed. So it is in no list,
//! no figure and no queue, and nothing of it leaves.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use barefoot_domain::StudyUid;
use ring::rand::{SecureRandom, SystemRandom};
use serde::Serialize;
use tokio::sync::oneshot;

use crate::handoff::{InPlace, Incoming, Keeper, Kept, NotKept, Receiving, Verdict};

/// A drawn chest, in DICOM: JPEG, so that decoding is tried too.
const PHANTOM: &[u8] = include_bytes!("../assets/self-test.dcm");
/// Of the preamble, `DICM`, and the element that says how long the meta information is.
const BEFORE_META: usize = 128 + 4 + 12;

pub(crate) const SOP_CLASS: &str = "1.2.840.10008.5.1.4.1.1.1.1";
pub(crate) const SOP_INSTANCE: &str = "2.25.784126055192339017460228550316673";
pub(crate) const STUDY: &str = "2.25.784126055192339017460228550316671";
pub(crate) const TRANSFER_SYNTAX: &str = "1.2.840.10008.1.2.4.50";

/// What is tried, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    /// The DICOM port takes the picture.
    Door,
    /// It arrived byte for byte.
    Picture,
    Quality,
    Model,
    Disk,
    Queue,
    Hub,
    /// Nothing of the test is left.
    Removed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Passed,
    Failed,
    /// It could not be tried here, or need not be.
    Left,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Tried {
    pub(crate) step: Step,
    pub(crate) outcome: Outcome,
    /// A grade, a model, a reason; for people who know the box.
    pub(crate) detail: String,
}

/// What came of a test.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) at_ms: i64,
    pub(crate) tried: Vec<Tried>,
    /// JPEG.
    #[serde(skip)]
    pub(crate) picture: Option<Vec<u8>>,
}

impl Report {
    pub(crate) fn say(&mut self, step: Step, outcome: Outcome, detail: impl Into<String>) {
        let detail = detail.into();
        self.tried.push(Tried {
            step,
            outcome,
            detail,
        });
    }

    pub(crate) fn is_well(&self) -> bool {
        !self.tried.iter().any(|tried| tried.outcome == Outcome::Failed)
    }
}

/// The whole file.
pub(crate) fn phantom() -> &'static [u8] {
    PHANTOM
}

/// What goes over the line.
pub(crate) fn phantom_data_set() -> &'static [u8] {
    let length = PHANTOM
        .get(BEFORE_META - 4..BEFORE_META)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u32::from_le_bytes);
    let begins = BEFORE_META + usize::try_from(length).unwrap_or_default();
    PHANTOM.get(begins..).unwrap_or_default()
}

/// A test that is under way: who sends, and where what comes is waited for.
#[derive(Debug)]
struct Awaited {
    ae_title: String,
    came: Option<oneshot::Sender<Vec<u8>>>,
}

/// Stands before whoever keeps images, and takes a test's aside. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct TestIntake(Arc<Mutex<Option<Awaited>>>);

impl TestIntake {
    /// `keeper`, but for what a test sends.
    pub(crate) fn before(&self, keeper: Keeper) -> Keeper {
        let this = self.clone();
        Arc::new(move |incoming: Incoming| match this.of_a_test(&incoming) {
            Some(receiving) => Box::new(receiving),
            None => keeper(incoming),
        })
    }

    /// A name that nobody else can have guessed, under which one picture is awaited; `None` without random numbers. Ends with
    /// [`Self::ends`].
    pub(crate) fn awaits(&self) -> Option<(String, oneshot::Receiver<Vec<u8>>)> {
        let mut random = [0; 6];
        SystemRandom::new().fill(&mut random).ok()?;
        let digits: String = random.iter().map(|byte| format!("{byte:02X}")).collect();
        let ae_title = format!("TEST{digits}");
        let (came, coming) = oneshot::channel();
        *self.lock() = Some(Awaited {
            ae_title: ae_title.clone(),
            came: Some(came),
        });
        Some((ae_title, coming))
    }

    pub(crate) fn ends(&self) {
        *self.lock() = None;
    }

    /// Whether a caller at the door is a test of this box.
    pub(crate) fn knows(&self, ae_title: &str) -> bool {
        self.lock()
            .as_ref()
            .is_some_and(|awaited| awaited.ae_title == ae_title)
    }

    fn of_a_test(&self, incoming: &Incoming) -> Option<TestReceiving> {
        if !self.knows(&incoming.source_ae) {
            return None;
        }
        Some(TestReceiving {
            bytes: Vec::with_capacity(PHANTOM.len()),
            intake: self.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Awaited>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct TestReceiving {
    bytes: Vec<u8>,
    intake: TestIntake,
}

impl Receiving for TestReceiving {
    /// More than the phantom has shows that it is not what was sent, and is not kept.
    fn write(&mut self, bytes: &[u8]) {
        let room = (PHANTOM.len() + 1).saturating_sub(self.bytes.len());
        self.bytes.extend(bytes.iter().take(room));
    }

    fn finish(self: Box<Self>) -> Verdict {
        let came = self
            .intake
            .lock()
            .as_mut()
            .and_then(|awaited| awaited.came.take());
        let verdict = match (came, StudyUid::new(STUDY)) {
            (Some(came), Ok(study)) => {
                // Whoever waited no longer has no use for it.
                let _ = came.send(self.bytes);
                Ok(InPlace {
                    kept: Kept::New,
                    study,
                })
            }
            _ => Err(NotKept::Mismatch { what: "test" }),
        };
        Box::pin(std::future::ready(verdict))
    }
}

#[cfg(test)]
mod tests {
    use barefoot_imaging::header;

    use super::*;

    #[test]
    fn the_phantom_is_what_it_is_sent_as_and_nobodys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("phantom.dcm");
        std::fs::write(&path, phantom()).unwrap();
        let read = header::read_header(path.as_path()).unwrap();
        assert_eq!(read.sop_class_uid(), SOP_CLASS);
        assert_eq!(read.sop_instance_uid(), SOP_INSTANCE);
        assert_eq!(read.study_uid().as_str(), STUDY);
        assert_eq!(read.transfer_syntax(), TRANSFER_SYNTAX);
        let begins = usize::try_from(read.data_set_offset()).unwrap();
        assert_eq!(phantom_data_set(), &phantom()[begins..]);
    }

    fn incoming(ae_title: &str) -> Incoming {
        Incoming {
            association: None,
            source_ae: ae_title.to_owned(),
            sop_class_uid: SOP_CLASS.to_owned(),
            sop_instance_uid: SOP_INSTANCE.to_owned(),
            transfer_syntax: TRANSFER_SYNTAX.to_owned(),
        }
    }

    struct Kept;

    impl Receiving for Kept {
        fn write(&mut self, _: &[u8]) {}
        fn finish(self: Box<Self>) -> Verdict {
            Box::pin(std::future::ready(Err(NotKept::OutOfSpace)))
        }
    }

    #[tokio::test]
    async fn only_what_a_test_sends_is_taken_aside_and_only_while_it_runs() {
        let intake = TestIntake::default();
        let keeper = intake.before(Arc::new(|_| Box::new(Kept)));
        let send = async |ae_title: &str, bytes: &[u8]| {
            let mut receiving = keeper(incoming(ae_title));
            receiving.write(bytes);
            receiving.finish().await
        };
        assert!(matches!(send("DX1", b"x").await, Err(NotKept::OutOfSpace)));
        let (ae_title, coming) = intake.awaits().unwrap();
        assert!(ae_title.len() == 16 && intake.knows(&ae_title));
        // The phantom itself, from a scanner: a study like any other.
        assert!(matches!(
            send("DX1", phantom_data_set()).await,
            Err(NotKept::OutOfSpace)
        ));
        assert!(send(&ae_title, phantom_data_set()).await.is_ok());
        assert_eq!(coming.await.unwrap(), phantom_data_set());
        assert!(send(&ae_title, b"again").await.is_err(), "one picture a test");
        intake.ends();
        assert!(!intake.knows(&ae_title));
        assert!(matches!(send(&ae_title, b"x").await, Err(NotKept::OutOfSpace)));
        let (other, _coming) = intake.awaits().unwrap();
        assert_ne!(other, ae_title);
    }
}
