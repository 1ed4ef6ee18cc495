//! The page as a browser meets it: over a real socket.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use barefoot_domain::{Assessment, Author, ClinicId, EngineUse};
use barefoot_queue::Queue;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::config::SignIn;
use super::{
    ClinicPage, Config, DicomAddress, HubNames, Language, NodesDesk, OrdersDesk, Paper, Say, SelfTestDesk,
    Sources, Taken, Word,
};
use crate::audit::Audit;
use crate::case_index::samples::{assessed, finding, pneumonia};
use crate::case_index::{CaseIndex, CaseView};
use crate::clinic_page::PolicyDesk;
use crate::finding_names::FindingName;
use crate::labels::{Label, LabelSource};
use crate::learning_status::LearningStatus;
use crate::picture_quality::PictureQuality;
use crate::reading::tests::message;
use crate::reading::{Said, Sent};
use crate::reports_aside::ReportsAside;
use crate::research::ExportLine;
use crate::scanners::Scanners;
use crate::site_policy::PolicyHandle;
use crate::speech::{NotKept, Speech};
use crate::status::{ModelStatus, Status};
use crate::study_folder::{StateDirectory, StudyKey};
use crate::users::Users;

mod acting;
mod api;
mod cases;
mod events;
mod expert;
mod fault;
mod guarding;
mod one_case;
mod orders;
mod policy;
mod quality;
mod saying;
mod setting_up;
mod signing_in;
mod state;
mod wall;

const DEADLINE: Duration = Duration::from_secs(20);

/// A running page and everything it reads.
struct Clinic {
    sources: Sources,
    address: SocketAddr,
    shutdown: CancellationToken,
    page: JoinHandle<()>,
    directory: TempDir,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Clinic {
    async fn open() -> Self {
        Self::open_with(SignIn::Off).await
    }

    async fn open_with(sign_in: SignIn) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let queue = Queue::open(&root.join("queue"), barefoot_queue::Config::default()).unwrap();
        let name = FindingName {
            en: "Pneumonia".into(),
            zh: "肺炎".into(),
        };
        let cases = CaseIndex::default();
        let sources = Sources {
            clinic: ClinicId::new("clinic-7").unwrap(),
            say: say(&cases),
            learning: LearningStatus::default(),
            cases,
            scanners: Scanners::open(root.join("scanners.json"), [], false).unwrap(),
            status: Status::new(queue),
            state: StateDirectory::open(root).unwrap(),
            review_below: 0.8,
            finding_names: [(pneumonia(), name)].into_iter().collect(),
            dicom: DicomAddress {
                ae_title: "BAREFOOT".into(),
                plain: Some(([192, 168, 1, 7], 11112).into()),
                tls: Some(([192, 168, 1, 7], 2762).into()),
            },
            importer: None,
            carrying: None,
            deliveries: NodesDesk::new(Vec::new, |_| None),
            orders: orders::desk(),
            aside: ReportsAside::open(&StateDirectory::open(root).unwrap()).unwrap(),
            picture_quality: PictureQuality::open(&StateDirectory::open(root).unwrap()).unwrap(),
            hub_names: HubNames::new(|uid| format!("2.25.{}", uid.len())),
            paper: Some(Paper::new(|wish| {
                let (patient, report) = (&wish.patient.name, &wish.report.id);
                let text = format!("%PDF {patient} {} {report} {}", wish.study, wish.language);
                Ok(text.into_bytes())
            })),
            users: Users::open(root).unwrap(),
            audit: Audit::open(root, &ClinicId::new("clinic-7").unwrap()).unwrap(),
            policy: PolicyDesk {
                handle: PolicyHandle::open(root),
                nodes: vec!["pacs".into()],
                sends_images: true,
                images_so_far: Arc::new(|| (7, 41)),
                exports: Arc::new(|| {
                    vec![ExportLine {
                        at_ms: 1,
                        export: "E".into(),
                        recipient: "university".into(),
                        patients: 2,
                        studies: 3,
                        images: 5,
                    }]
                }),
            },
            for_fault_reports: "{\"clinic\": \"clinic-7\"}".into(),
            self_test: SelfTestDesk::new(|| Box::pin(std::future::ready(setting_up::tested()))),
        };
        let config = Config {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            language: Language::Zh,
            tls: None,
            sign_in: Some(sign_in),
            idle_minutes: 30,
            utc_offset_minutes: 480,
            fonts: Vec::new(),
        };
        let page = ClinicPage::bind(config, sources.clone()).await.unwrap();
        let address = page.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let page = tokio::spawn(page.run(shutdown.clone()));
        Self {
            sources,
            address,
            shutdown,
            page,
            directory,
        }
    }

    fn put(&self, study_uid: &str, change: impl FnOnce(&mut CaseView)) -> StudyKey {
        let mut case = assessed(study_uid);
        change(&mut case);
        let key = case.study.clone();
        self.sources.cases.put(case);
        key
    }

    fn knock(&self, ae_title: &str) -> bool {
        self.sources.scanners.admit(
            ae_title,
            IpAddr::V4(Ipv4Addr::new(192, 168, 1, 9)),
            1_764_000_000_000,
        )
    }

    async fn connect(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    async fn ask(&self, line: &str, headers: &[&str], body: &str) -> Answer {
        let mut request = format!(
            "{line} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n",
            body.len()
        );
        if !headers.iter().any(|header| header.starts_with("Host:")) {
            request.push_str(&format!("Host: {}\r\n", self.address));
        }
        for header in headers {
            request.push_str(&format!("{header}\r\n"));
        }
        let mut stream = self.connect(&format!("{request}\r\n{body}")).await;
        let mut bytes = Vec::new();
        timeout(DEADLINE, stream.read_to_end(&mut bytes))
            .await
            .unwrap()
            .unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer {
            status,
            head: head.to_lowercase(),
            body: body.to_owned(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), &[], "").await
    }

    async fn post(&self, path: &str, headers: &[&str], body: &str) -> Answer {
        let mut all = vec!["Content-Type: application/x-www-form-urlencoded"];
        all.extend_from_slice(headers);
        self.ask(&format!("POST {path}"), &all, body).await
    }

    /// As somebody who has signed in.
    async fn get_as(&self, cookie: &str, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), &[&format!("Cookie: {cookie}")], "")
            .await
    }

    async fn post_as(&self, cookie: &str, path: &str, body: &str) -> Answer {
        self.post(path, &[&format!("Cookie: {cookie}")], body).await
    }

    /// The cookie of somebody who signs in.
    async fn signed_in(&self, user: &str, pin: &str) -> String {
        let answer = self
            .post("/sign-in", &[], &format!("user={user}&pin={pin}"))
            .await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        let cookie = answer.head.split("set-cookie: ").nth(1).unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    /// The list in one language.
    async fn list(&self, language: &str) -> String {
        let answer = self.get(&format!("/?lang={language}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        squeezed(&answer.body)
    }

    async fn close(self) {
        self.shutdown.cancel();
        timeout(DEADLINE, self.page).await.unwrap().unwrap();
    }
}

/// What the book of cases does, without a disk; writing of a study of nobody fails.
fn say(cases: &CaseIndex) -> Say {
    let cases = cases.clone();
    Say::new(move |study, word, by| {
        if cases
            .get(study)
            .is_some_and(|case| case.patient.name == "FULL^DISK")
        {
            return Err(std::io::Error::other("the disk is full"));
        }
        let known = cases.update(study, |case| match word {
            Word::Finding {
                version,
                finding,
                present,
            } => {
                let label = Label {
                    correction_id: format!("{}", case.labels.standing().count()),
                    source: LabelSource::Clinic,
                    version: *version,
                    finding: finding.clone(),
                    present: *present,
                };
                case.labels.say(label);
            }
            Word::Consent {
                for_what,
                allowed,
                giver,
            } => {
                let word = crate::labels::Word {
                    allowed: *allowed,
                    giver: *giver,
                    at_ms: 1_764_000_000_000,
                };
                case.labels.set_word(*for_what, word);
            }
            Word::Speech(Speech::Message {
                id,
                subject,
                text,
                post,
            }) => {
                let mut message = message(id, Author::Clinic, text, 1);
                message.subject = *subject;
                message.name = post.clone();
                case.reading.add_message(Said {
                    message,
                    by: by.to_owned(),
                    sent: Some(Sent::Waiting),
                    seen: true,
                });
            }
            Word::Speech(Speech::Read { report }) => case.reading.set_read(report, by, 1_764_000_300_000),
            Word::Seen => case.reading.set_seen(i64::MAX),
        });
        Ok(if known {
            Taken::Yes
        } else {
            Taken::Not(NotKept::NoSuchCase)
        })
    })
}

/// Line breaks and indentation of the templates mean nothing.
fn squeezed(html: &str) -> String {
    html.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Changes the assessment of a case that has one.
fn assess(case: &mut CaseView, change: impl FnOnce(&mut Assessment)) {
    change(case.assessment.as_mut().unwrap());
}

fn working_model() -> ModelStatus {
    ModelStatus {
        model: Some("cxr 0.1.0".into()),
        demonstration: true,
        engine: Some(EngineUse {
            engine: "tract".into(),
            precision: "int8".into(),
        }),
        problem: None,
        opening: false,
    }
}
