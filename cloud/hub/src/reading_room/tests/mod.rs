//! The reading room behind its guard, over a real archive and real images, asked as a browser asks.

mod figures;
mod looking;
mod moving;
mod roles;
mod signing;
mod verifying;
mod writing;

use std::sync::Arc;

use axum::http::StatusCode;
use barefoot_domain::{
    Assessment, Call, CaseId, ClinicId, FindingCode, FindingResult, ModelVersion, QualityGrade,
    QualityVerdict, Reason, Score, Urgency,
};
use barefoot_wire::{MadeBy, StudyResult, decode_envelope, v1};
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};
use ulid::Ulid;

use super::*;
use crate::archive::{Arrival, AuditFilter, Case, Detected, DetectedBy, Outcome, StoredReport};
use crate::at_rest::Vault;
use crate::changes::Changes;
use crate::clock::now_ms;
use crate::config;
use crate::dicomweb::tests::bring_images;
use crate::dicomweb::tests::fixture::Image;
use crate::dispatch::{self, Dispatch};
use crate::image_store::tests::commit_look;
use crate::people::tests::{Answer, Browser, House, Known, LOOK, PASSWORD};
use crate::worklist::rules;

const CLINIC: &str = "clinic-7";

/// The image of the case that the model called.
const IMAGE: Image = Image {
    study: 1,
    series: 1,
    instance: 1,
    modality: "DX",
    patient: 1,
    date: "20260105",
    frames: 1,
    rows: 64,
    colour: false,
    shade: 0,
};

/// A hub where people read.
struct Hospital {
    house: House,
    store: ImageStore,
    _images: TempDir,
}

/// Somebody at a browser.
struct Reader {
    browser: Browser,
    known: Known,
    csrf: String,
}

impl Hospital {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The pages go by the machine's clock: accounts and keys are older than what they sign.
        let opened = OffsetDateTime::now_utc() - Duration::hours(1);
        let mut parts = None;
        let house = House::before(opened, |people, archive, identity| {
            let settings: config::Images = toml::from_str("listen = \"127.0.0.1:0\"").unwrap();
            let (path, changes) = (folder.path().to_owned(), Changes::new());
            let store = ImageStore::open(
                &settings,
                path,
                Vault::for_tests(folder.path()),
                archive.clone(),
                changes.clone(),
            )
            .unwrap();
            let rules = rules::Worklist::default().rules().unwrap();
            let worklist = Worklist::new(archive.clone(), rules, changes, Dispatch::new(archive.clone()));
            parts = Some(store.clone());
            router(Room {
                worklist,
                archive: archive.clone(),
                people: people.clone(),
                images: Some(store),
                identity: Arc::clone(identity),
                look: LOOK,
                looks: Looks::default(),
            })
        })
        .await;
        Self {
            house,
            store: parts.unwrap(),
            _images: folder,
        }
    }

    /// With a case that the model calls pneumonia, its image, and where it looked.
    async fn with_case() -> Self {
        let hospital = Self::new().await;
        hospital.result(1).await;
        bring_images((&hospital.house.archive, &hospital.store), CLINIC, 1, &[IMAGE]).await;
        let key = key();
        commit_look(
            &hospital.store,
            &key.clinic,
            (&key.case, 1),
            &IMAGE.instance_uid(),
            "pneumonia",
        )
        .await;
        hospital
    }

    /// A version of the case comes from its clinic and onto the list.
    async fn result(&self, version: u32) {
        self.arrive(arrival(&key(), version)).await;
    }

    async fn arrive(&self, arrival: Arrival) {
        let outcomes = self.house.archive.commit(&[arrival], 0, now_ms()).await.unwrap();
        assert_eq!(outcomes, [Outcome::Stored]);
        let rules = rules::Worklist::default().rules().unwrap();
        self.house.archive.triage(&rules, now_ms(), 10).await.unwrap();
    }

    async fn reader(&self, name: &str, roles: &str, tier: &str) -> Reader {
        let known = self.house.known_at(name, roles, tier).await;
        let mut browser = self.house.signed_in(&known).await;
        let csrf = browser.get(&self.house, "/account").await.field("csrf");
        Reader { browser, known, csrf }
    }

    /// A reader of the county who has begun to read the case.
    async fn holder(&self, name: &str) -> Reader {
        let mut reader = self.reader(name, "reader", "county").await;
        assert_eq!(reader.act(self, "claim", &[]).await.status, StatusCode::SEE_OTHER);
        reader
    }

    async fn case(&self) -> Case {
        self.house.archive.case(&key()).await.unwrap().unwrap()
    }

    async fn reports(&self) -> Vec<StoredReport> {
        self.house.archive.reports_of(&key()).await.unwrap()
    }

    /// What waits for the clinic: its topic, kind and body, in order.
    async fn down(&self) -> Vec<(String, v1::Kind, Vec<u8>)> {
        let clinic = key().clinic;
        let waiting = self.house.archive.unsettled(&clinic).await.unwrap();
        let said = |one: &crate::archive::Waiting| {
            let envelope = decode_envelope(&one.envelope).unwrap();
            (dispatch::topic(&clinic, one.kind), one.kind, envelope.body)
        };
        waiting.iter().map(said).collect()
    }

    /// The log's lines of one action on the case: who and what more, the oldest first.
    async fn logged(&self, action: &str) -> Vec<(String, String)> {
        let filter = AuditFilter {
            action: Some(action.to_owned()),
            case: Some(key().case.as_str().to_owned()),
            ..AuditFilter::default()
        };
        let lines = self.house.archive.audit_entries(&filter, 100).await.unwrap();
        lines
            .into_iter()
            .rev()
            .map(|line| (line.entry.actor, line.entry.details))
            .collect()
    }
}

impl Reader {
    async fn get(&mut self, hospital: &Hospital, path: &str) -> Answer {
        self.browser.get(&hospital.house, path).await
    }

    async fn post(&mut self, hospital: &Hospital, path: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = self.csrf.clone();
        self.browser.send(&hospital.house, path, &csrf, fields).await
    }

    /// Something done to the case.
    async fn act(&mut self, hospital: &Hospital, act: &str, fields: &[(&str, &str)]) -> Answer {
        self.post(hospital, &at(act), fields).await
    }

    /// What the case's page says now.
    async fn page(&mut self, hospital: &Hospital) -> Answer {
        let page = self.get(hospital, &address(&key())).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        page
    }

    /// Signs what the fields say, on the page as it is now.
    async fn sign(&mut self, hospital: &Hospital, fields: &[(&str, &str)]) -> Answer {
        let page = self.page(hospital).await;
        let (revision, version) = (page.field("revision"), page.field("version"));
        let code = hospital.house.code(&self.known);
        let mut all = vec![
            ("revision", revision.as_str()),
            ("version", version.as_str()),
            ("password", PASSWORD),
            ("code", code.as_str()),
        ];
        all.extend(fields);
        self.act(hospital, "sign", &all).await
    }
}

fn key() -> CaseKey {
    CaseKey {
        clinic: ClinicId::new(CLINIC).unwrap(),
        case: CaseId::new(IMAGE.study_uid()).unwrap(),
    }
}

fn at(act: &str) -> String {
    format!("{}/{act}", address(&key()))
}

/// The model calls pneumonia and is not sure of it.
fn arrival(key: &CaseKey, version: u32) -> Arrival {
    let finding = |code: &str, score: f32, call| FindingResult {
        code: FindingCode::new(code).unwrap(),
        score: Score::new(score).unwrap(),
        call,
        confidence: Score::new(0.7).unwrap(),
    };
    Arrival {
        clinic: key.clinic.clone(),
        envelope_id: Ulid::generate().to_string(),
        sequence: 1,
        sent_at_ms: now_ms(),
        clock_offset_ms: None,
        detected: Detected {
            at_ms: now_ms(),
            by: DetectedBy::Sending,
        },
        result: StudyResult {
            case: key.case.clone(),
            version,
            modality: "DX".into(),
            instances: 1,
            received_at_ms: now_ms(),
            assessed_at_ms: now_ms(),
            clock_offset_ms: None,
            made_by: MadeBy::default(),
            assessment: Assessment {
                model: Some(ModelVersion {
                    id: "cxr".into(),
                    version: "3".into(),
                    demonstration: false,
                }),
                engine: None,
                findings: vec![
                    finding("pneumonia", 0.9, Call::Positive),
                    finding("pneumothorax", 0.1, Call::Negative),
                ],
                quality: QualityVerdict {
                    grade: QualityGrade::B,
                    problems: vec![],
                },
                urgency: Urgency::Review,
                reasons: vec![Reason::LowConfidence(FindingCode::new("pneumonia").unwrap())],
                regions: Vec::new(),
                others: Vec::new(),
            },
        },
    }
}
