//! A test, step by step: see `crate::self_test`.

use std::fs;
use std::io::{self, Cursor};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use barefoot_domain::{QualityGrade, QualityProblem, Reason, StudyUid};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::assess::Assessor;
use crate::at_rest;
use crate::clock::now_ms;
use crate::dimse::{Command, SendError, Session, element, field};
use crate::error_chain::chain;
use crate::handoff::{AssessedStudy, SettledStudy};
use crate::self_test::{
    Outcome, Report, SOP_CLASS, SOP_INSTANCE, STUDY, Step, TRANSFER_SYNTAX, TestIntake, phantom,
    phantom_data_set,
};
use crate::status::{Space, Status};
use crate::study_folder::StudyKey;
use crate::upper_layer::{ConnectError, Ended, Proposal, Proposed, request};

/// For each wait at the box's own port.
const PATIENCE: Duration = Duration::from_secs(10);
const MAX_PDU: u32 = 16 * 1024;

/// Ready to try; clones share it, and one test runs at a time.
#[derive(Clone)]
pub(super) struct SelfTest(Arc<Inner>);

struct Inner {
    intake: TestIntake,
    /// The box's own.
    ae_title: String,
    /// Without TLS; absent where scanners must speak it.
    door: Option<SocketAddr>,
    /// Counts nothing.
    assessor: Arc<Assessor>,
    status: Status,
    folder: PathBuf,
    alone: Mutex<()>,
}

/// Why the box's own port did not take the picture.
#[derive(Debug, thiserror::Error)]
enum NotSent {
    #[error("the port cannot be reached")]
    Connect(#[source] io::Error),
    #[error("the port does not answer")]
    Slow,
    #[error(transparent)]
    Association(#[from] ConnectError),
    #[error("the association broke")]
    Broken(#[from] Ended),
    #[error("the picture was not sent")]
    Send(#[from] SendError),
    #[error("the picture's kind was not agreed on")]
    NoContext,
    #[error("the answer was 0x{0:04X}")]
    Status(u16),
}

impl SelfTest {
    /// What a test left that was cut by a power cut is removed.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn open(
        intake: TestIntake,
        (ae_title, door): (&str, Option<SocketAddr>),
        assessor: Assessor,
        status: Status,
        state: &Path,
    ) -> io::Result<Self> {
        let folder = state.join("self-test");
        remove(&folder)?;
        Ok(Self(Arc::new(Inner {
            intake,
            ae_title: ae_title.to_owned(),
            door,
            assessor: Arc::new(assessor),
            status,
            folder,
            alone: Mutex::default(),
        })))
    }

    pub(super) async fn run(&self) -> Report {
        let inner = &self.0;
        let _alone = inner.alone.lock().await;
        let mut report = Report {
            at_ms: now_ms(),
            ..Report::default()
        };
        if self.door(&mut report).await {
            self.assess(&mut report).await;
        }
        self.surroundings(&mut report);
        let folder = inner.folder.clone();
        let removed = tokio::task::spawn_blocking(move || remove(&folder)).await;
        match removed.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(()) => report.say(Step::Removed, Outcome::Passed, ""),
            Err(error) => report.say(Step::Removed, Outcome::Failed, error.to_string()),
        }
        tracing::info!(well = report.is_well(), "The box tested itself.");
        report
    }

    /// Whether there is a picture to look at.
    async fn door(&self, report: &mut Report) -> bool {
        let inner = &self.0;
        let Some(door) = inner.door else {
            report.say(Step::Door, Outcome::Left, "");
            return true;
        };
        let Some((ae_title, mut coming)) = inner.intake.awaits() else {
            report.say(Step::Door, Outcome::Failed, "the system gives no random numbers");
            return false;
        };
        let sent = send(door, &ae_title, &inner.ae_title).await;
        let came = coming.try_recv().ok();
        inner.intake.ends();
        if let Err(error) = sent {
            report.say(Step::Door, Outcome::Failed, chain(&error));
            return false;
        }
        report.say(Step::Door, Outcome::Passed, door.to_string());
        if came.as_deref() == Some(phantom_data_set()) {
            report.say(Step::Picture, Outcome::Passed, "");
            return true;
        }
        report.say(Step::Picture, Outcome::Failed, "");
        false
    }

    async fn assess(&self, report: &mut Report) {
        let inner = Arc::clone(&self.0);
        inner.assessor.ready().await;
        let assessed = tokio::task::spawn_blocking(move || {
            let assessed = assess(&inner.folder, &inner.assessor)?;
            let picture = at_rest::read(&inner.folder.join("v1/preview.jpg")).ok();
            Ok::<_, io::Error>((assessed, picture))
        });
        let (assessed, picture) = match assessed
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)))
        {
            Ok(done) => done,
            Err(error) => {
                report.say(Step::Quality, Outcome::Failed, error.to_string());
                return;
            }
        };
        report.picture = picture;
        let assessment = assessed.assessment;
        let decoded = !assessment.quality.problems.contains(&QualityProblem::Undecodable);
        let grade = match assessment.quality.grade {
            QualityGrade::A => "A",
            QualityGrade::B => "B",
            QualityGrade::C => "C",
        };
        let outcome = if decoded { Outcome::Passed } else { Outcome::Failed };
        report.say(Step::Quality, outcome, grade);
        let (outcome, detail) = match &assessment.model {
            Some(model) => (Outcome::Passed, format!("{} {}", model.id, model.version)),
            // A box whose models are for other pictures: they gave their own golden answers when they were opened.
            None if assessment.reasons.contains(&Reason::OutsideIntendedUse) => {
                (Outcome::Left, String::new())
            }
            None => (Outcome::Failed, format!("{:?}", assessment.reasons)),
        };
        report.say(Step::Model, outcome, detail);
    }

    fn surroundings(&self, report: &mut Report) {
        let status = &self.0.status;
        let disk = match status.space() {
            Space::Enough => Outcome::Passed,
            Space::Low | Space::Full => Outcome::Failed,
        };
        report.say(Step::Disk, disk, "");
        let depth = status.queue_depth();
        let queue = if depth.set_aside == 0 {
            Outcome::Passed
        } else {
            Outcome::Failed
        };
        report.say(Step::Queue, queue, depth.pending.to_string());
        // A line that is down is the township's life: results wait.
        let hub = if status.connected() {
            Outcome::Passed
        } else {
            Outcome::Left
        };
        report.say(Step::Hub, hub, "");
    }
}

/// As a scanner sends.
async fn send(door: SocketAddr, calling: &str, called: &str) -> Result<(), NotSent> {
    let mut door = door;
    if door.ip().is_unspecified() {
        door.set_ip(match door {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let stream = timeout(PATIENCE, TcpStream::connect(door))
        .await
        .map_err(|_| NotSent::Slow)?
        .map_err(NotSent::Connect)?;
    let proposal = Proposal {
        calling_ae_title: calling.to_owned(),
        called_ae_title: called.to_owned(),
        contexts: vec![Proposed {
            abstract_syntax: SOP_CLASS.to_owned(),
            transfer_syntaxes: vec![TRANSFER_SYNTAX.to_owned()],
        }],
        roles: Vec::new(),
        max_pdu: MAX_PDU,
        timeout: PATIENCE,
    };
    let (connection, agreed) = request(Box::new(stream), &proposal).await?;
    let mut session = Session::new(connection, agreed);
    let context = *session.contexts().keys().next().ok_or(NotSent::NoContext)?;
    let command = Command::request(field::C_STORE, 1)
        .with_uid(element::AFFECTED_SOP_CLASS_UID, SOP_CLASS)
        .with_uid(element::AFFECTED_SOP_INSTANCE_UID, SOP_INSTANCE)
        .with_number(element::PRIORITY, 0);
    let answer = session
        .send_stored(context, &command, Cursor::new(phantom_data_set()))
        .await?;
    // The answer is in: how it parts says nothing more.
    let _ = session.release().await;
    match answer.status() {
        Some(0) => Ok(()),
        status => Err(NotSent::Status(status.unwrap_or(u16::MAX))),
    }
}

/// Blocking and busy.
fn assess(folder: &Path, assessor: &Assessor) -> io::Result<AssessedStudy> {
    remove(folder)?;
    fs::create_dir_all(folder)?;
    let path = folder.join("phantom.dcm");
    at_rest::write(&path, phantom())?;
    let study_uid = StudyUid::new(STUDY).map_err(io::Error::other)?;
    let settled = SettledStudy {
        study: StudyKey::of(&study_uid),
        version: 1,
        study_uid,
        received_at_ms: now_ms(),
        identity_conflict: false,
        instances: vec![path],
    };
    Ok(assessor.assess(&settled, &folder.join("v1")))
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
