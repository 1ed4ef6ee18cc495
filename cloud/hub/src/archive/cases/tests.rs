use barefoot_domain::{
    Assessment, Author, CaseId, ClinicId, Message, Opinion, Part, Presence, QualityGrade, QualityVerdict,
    Reader, Reason, Report, ReportRead, Subject, Tier, Urgency,
};
use barefoot_wire::{MadeBy, StudyResult, decode_case_state, decode_envelope, encode_report, v1};

use super::*;
use crate::archive::{Archive, Arrival, AuditFilter, Detected, DetectedBy, Outcome};
use crate::audit::{self, Action, Entry, Object};
use crate::worklist::life::{Actor, Event, Stage, State};
use crate::worklist::rules::{Rules, Worklist};

const MINUTE: i64 = 60_000;
pub(super) const NOW: i64 = 1_000_000 * MINUTE;

pub(super) struct Desk {
    pub(super) archive: Archive,
    pub(super) rules: Rules,
    pub(super) folder: tempfile::TempDir,
}

impl Desk {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            archive: Archive::open_with_keys(&folder.path().join("hub.db"))
                .await
                .unwrap(),
            rules: Worklist::default().rules().unwrap(),
            folder,
        }
    }

    pub(super) async fn result(&self, case: &str, version: u32, urgency: Urgency) {
        let arrival = Arrival {
            clinic: clinic(),
            envelope_id: ulid::Ulid::generate().to_string(),
            sequence: 1,
            sent_at_ms: NOW,
            clock_offset_ms: None,
            detected: Detected {
                at_ms: NOW,
                by: DetectedBy::Sending,
            },
            result: StudyResult {
                case: CaseId::new(case).unwrap(),
                version,
                modality: "DX".into(),
                instances: 1,
                received_at_ms: NOW,
                assessed_at_ms: NOW,
                clock_offset_ms: None,
                made_by: MadeBy::default(),
                assessment: Assessment {
                    model: None,
                    engine: None,
                    findings: vec![barefoot_domain::FindingResult {
                        code: barefoot_domain::FindingCode::new("pneumonia").unwrap(),
                        score: barefoot_domain::Score::new(0.7).unwrap(),
                        call: barefoot_domain::Call::Positive,
                        confidence: barefoot_domain::Score::new(0.7).unwrap(),
                    }],
                    quality: QualityVerdict {
                        grade: QualityGrade::B,
                        problems: vec![],
                    },
                    urgency,
                    reasons: vec![Reason::PoorQuality, Reason::NoModel],
                    regions: Vec::new(),
                    others: Vec::new(),
                },
            },
        };
        let outcomes = self.archive.commit(&[arrival], 0, NOW).await.unwrap();
        assert_eq!(outcomes, [Outcome::Stored]);
    }

    pub(super) async fn triage(&self) -> usize {
        self.archive
            .triage(&self.rules, NOW, 100)
            .await
            .unwrap()
            .cases
            .len()
    }

    async fn case(&self, case: &str) -> Case {
        self.archive.case(&key(case)).await.unwrap().unwrap()
    }

    pub(super) async fn act(&self, case: &str, event: Event) -> Result<Acted, NotActed> {
        let by = By::hub("test");
        self.archive.act(&key(case), &event, by, &self.rules, NOW).await
    }

    /// The states that wait for the clinic.
    async fn told(&self) -> Vec<barefoot_domain::CaseState> {
        let waiting = self.archive.unsettled(&clinic()).await.unwrap();
        waiting
            .iter()
            .filter(|one| one.kind == v1::Kind::CaseState)
            .map(|one| decode_case_state(&decode_envelope(&one.envelope).unwrap().body).unwrap())
            .collect()
    }
}

pub(super) fn clinic() -> ClinicId {
    ClinicId::new("clinic-7").unwrap()
}

pub(super) fn key(case: &str) -> CaseKey {
    CaseKey {
        clinic: clinic(),
        case: CaseId::new(case).unwrap(),
    }
}

pub(super) fn claim(person: &str) -> Event {
    Event::Claim {
        by: Actor {
            person: person.into(),
            tier: Tier::County,
            chief: false,
            fits: true,
        },
    }
}

pub(super) fn report(case: &str, id: &str, addendum_to: Option<&str>) -> Report {
    Report {
        id: id.into(),
        clinic: clinic(),
        case: CaseId::new(case).unwrap(),
        version: 1,
        addendum_to: addendum_to.map(str::to_owned),
        modality: "DX".into(),
        tier: Tier::County,
        urgency: Urgency::Review,
        statements: vec![],
        description: "clear".into(),
        impression: "nothing".into(),
        advice: String::new(),
        assessment: None,
        readers: vec![Reader {
            person: "01ARZ3NDEKTSV4RRFFQ69G5FAA".into(),
            name: "wang".into(),
            title: String::new(),
            institution: String::new(),
            part: Part::First,
            at_ms: NOW,
        }],
        language: "en".into(),
        signed_at_ms: NOW,
    }
}

pub(super) fn signed(report: &Report) -> v1::SignedReport {
    v1::SignedReport {
        content: encode_report(report),
        signature: vec![1],
        signer: vec![2],
        signer_signature: vec![3],
        certificate: vec![4],
    }
}

pub(super) fn ask(id: &str, case: &str, text: &str) -> ClinicWord {
    ClinicWord::Message(Message {
        id: id.into(),
        case: CaseId::new(case).unwrap(),
        version: 1,
        author: Author::Clinic,
        name: "radiographer".into(),
        subject: Subject::AskExpert,
        text: text.into(),
        at_ms: NOW,
    })
}

const ID: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

#[tokio::test]
async fn hard_results_come_onto_the_list_once_and_the_clinic_hears_it() {
    let desk = Desk::new().await;
    desk.result("2.25.1", 1, Urgency::Routine).await;
    desk.result("2.25.2", 1, Urgency::Review).await;
    desk.result("2.25.3", 1, Urgency::Critical).await;
    assert_eq!(desk.triage().await, 2);
    assert_eq!(desk.triage().await, 0);
    assert!(desk.archive.case(&key("2.25.1")).await.unwrap().is_none());
    let case = desk.case("2.25.3").await;
    assert_eq!((case.life.due_ms, case.reasons.len()), (NOW + 10 * MINUTE, 2));
    let told = desk.told().await;
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|state| state.deadline_ms.is_some()));
    // The same process again, or another: nothing comes twice.
    desk.archive.close().await;
    let again = Archive::open_with_keys(&desk.folder.path().join("hub.db"))
        .await
        .unwrap();
    assert_eq!(again.triage(&desk.rules, NOW, 100).await.unwrap().results, 0);
    assert_eq!(again.case(&key("2.25.3")).await.unwrap(), Some(case));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_claim_at_once_one_has_it() {
    let desk = Desk::new().await;
    desk.result("2.25.1", 1, Urgency::Review).await;
    desk.triage().await;
    let mut tasks = tokio::task::JoinSet::new();
    for reader in 0..8 {
        let (archive, rules) = (desk.archive.clone(), desk.rules.clone());
        tasks.spawn(async move {
            let event = claim(&format!("reader {reader}"));
            archive
                .act(&key("2.25.1"), &event, By::hub("claimed"), &rules, NOW)
                .await
                .is_ok()
        });
    }
    let won = tasks.join_all().await;
    assert_eq!(won.iter().filter(|one| **one).count(), 1);
}

#[tokio::test]
async fn only_the_newest_state_waits_for_a_clinic_that_is_away() {
    let desk = Desk::new().await;
    desk.result("2.25.1", 1, Urgency::Review).await;
    desk.triage().await;
    desk.act("2.25.1", claim("wang")).await.unwrap();
    let told = desk.told().await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].progress, barefoot_domain::Progress::BeingRead);
    // What changes nothing that the clinic sees is not sent.
    desk.act("2.25.1", Event::Renew { by: "wang".into() })
        .await
        .unwrap();
    assert_eq!(desk.told().await[0].change, told[0].change);
}

#[tokio::test]
async fn a_critical_case_that_nobody_reads_goes_up_and_alarms() {
    let desk = Desk::new().await;
    desk.result("2.25.1", 1, Urgency::Critical).await;
    desk.triage().await;
    let wake = desk.archive.next_wake().await.unwrap().unwrap();
    assert_eq!(wake, NOW + 10 * MINUTE);
    assert!(
        desk.archive
            .tick(&desk.rules, wake - 1, 10)
            .await
            .unwrap()
            .is_empty()
    );
    // Two hubs look at once: it goes up once.
    let (one, other) = tokio::join!(
        desk.archive.tick(&desk.rules, wake, 10),
        desk.archive.tick(&desk.rules, wake, 10)
    );
    assert_eq!(one.unwrap().len() + other.unwrap().len(), 1);
    assert_eq!(desk.case("2.25.1").await.life.tier, Tier::City);
    let alarms = desk.archive.untold_alarms(10).await.unwrap();
    assert_eq!((alarms.len(), alarms[0].tier), (1, Tier::City));
    let late = desk
        .archive
        .audit_entries(&AuditFilter::default(), 10)
        .await
        .unwrap();
    assert_eq!(late.len(), 1, "it stands in the log once");
    let entry = &late[0].entry;
    assert_eq!(
        (
            entry.actor_kind.as_str(),
            entry.action.as_str(),
            entry.details.as_str()
        ),
        ("hub", "escalate", "not read in time, county to city")
    );
    assert_eq!(entry.case, "2.25.1");
    desk.archive.alarm_told(alarms[0].number, wake).await.unwrap();
    assert!(desk.archive.untold_alarms(10).await.unwrap().is_empty());
    assert!(
        desk.archive.unpublished_alarms(10).await.unwrap().is_empty(),
        "nobody asked for them by MQTT"
    );
}

#[tokio::test]
async fn an_alarm_waits_for_a_listener_and_who_comes_later_hears_the_recent_ones() {
    let mut desk = Desk::new().await;
    desk.rules.alarm_by_mqtt = true;
    desk.result("2.25.1", 1, Urgency::Critical).await;
    desk.triage().await;
    // Nobody reads it: one tier after the other, and the highest again.
    let mut times = Vec::new();
    for _ in 0..4 {
        let wake = desk.archive.next_wake().await.unwrap().unwrap();
        desk.archive.tick(&desk.rules, wake, 10).await.unwrap();
        times.push(wake);
    }
    let numbers = |alarms: Vec<crate::archive::Alarm>| -> Vec<i64> {
        alarms.into_iter().map(|alarm| alarm.number).collect()
    };
    let waiting = numbers(desk.archive.unpublished_alarms(10).await.unwrap());
    assert_eq!(waiting.len(), 4);
    assert_eq!(
        numbers(desk.archive.unpublished_alarms(2).await.unwrap()),
        waiting[..2]
    );
    for taken in &waiting[..3] {
        desk.archive.alarm_published(*taken).await.unwrap();
    }
    let after = async |heard: i64, since_ms: i64| {
        numbers(desk.archive.alarms_after(heard, since_ms, 10).await.unwrap())
    };
    assert_eq!(
        numbers(desk.archive.unpublished_alarms(10).await.unwrap()),
        waiting[3..]
    );
    // What nobody has taken, however old; of the others what is recent.
    assert_eq!(after(0, i64::MAX).await, waiting[3..]);
    assert_eq!(after(0, times[1]).await, waiting[1..]);
    assert_eq!(after(waiting[1], times[1]).await, waiting[2..]);
    assert!(after(waiting[3], 0).await.is_empty());
    assert_eq!(
        desk.archive.untold_alarms(10).await.unwrap().len(),
        4,
        "the webhook's are its own"
    );
}

#[tokio::test]
async fn a_question_opens_a_routine_case_whichever_comes_first() {
    let desk = Desk::new().await;
    let hear = |word: ClinicWord| {
        let (archive, rules) = (desk.archive.clone(), desk.rules.clone());
        async move { archive.hear(&clinic(), &word, &rules, NOW).await.unwrap().outcome }
    };
    desk.result("2.25.1", 1, Urgency::Routine).await;
    desk.triage().await;
    assert_eq!(hear(ask(ID, "2.25.1", "is it?")).await, Outcome::Stored);
    assert_eq!(hear(ask(ID, "2.25.1", "is it?")).await, Outcome::Duplicate);
    assert_eq!(hear(ask(ID, "2.25.1", "other words")).await, Outcome::IdReused);
    let case = desk.case("2.25.1").await;
    assert!(case.asked && case.life.state == State::Waiting && case.unseen == 1);

    let before = "01ARZ3NDEKTSV4RRFFQ69G5FAW";
    assert_eq!(hear(ask(before, "2.25.2", "look")).await, Outcome::Stored);
    assert!(desk.archive.case(&key("2.25.2")).await.unwrap().is_none());
    desk.result("2.25.2", 1, Urgency::Routine).await;
    assert_eq!(desk.triage().await, 1);
    assert_eq!(desk.case("2.25.2").await.unseen, 1);
    desk.archive.messages_seen(&key("2.25.2")).await.unwrap();
    assert_eq!(desk.case("2.25.2").await.unseen, 0);
    assert_eq!(desk.archive.messages(&key("2.25.2")).await.unwrap().len(), 1);

    let opinion = ClinicWord::Opinion(Opinion {
        id: ID.into(),
        case: CaseId::new("2.25.1").unwrap(),
        version: 1,
        finding: barefoot_domain::FindingCode::new("pneumonia").unwrap(),
        present: false,
        at_ms: NOW,
    });
    assert_eq!(hear(opinion.clone()).await, Outcome::Stored);
    assert_eq!(hear(opinion).await, Outcome::Duplicate);
    let opinions = desk.archive.clinic_opinions(&key("2.25.1")).await.unwrap();
    assert_eq!(opinions, [("pneumonia".to_owned(), false, NOW)]);
}

#[tokio::test]
async fn a_draft_outlives_the_page_and_an_older_page_does_not_overwrite_it() {
    let desk = Desk::new().await;
    desk.result("2.25.1", 1, Urgency::Review).await;
    desk.triage().await;
    desk.act("2.25.1", claim("wang")).await.unwrap();
    let save = |content: &'static [u8], seen| {
        let (archive, rules) = (desk.archive.clone(), desk.rules.clone());
        async move {
            archive
                .save_draft(&key("2.25.1"), "wang", content, seen, &rules, NOW + MINUTE)
                .await
        }
    };
    assert_eq!(save(b"one", 0).await.unwrap().revision, 1);
    assert_eq!(save(b"two", 1).await.unwrap().revision, 2);
    assert!(matches!(save(b"late", 1).await, Err(NotActed::StaleDraft)));
    let draft = desk.archive.draft(&key("2.25.1"), "wang").await.unwrap().unwrap();
    assert_eq!((draft.content.as_slice(), draft.revision), (b"two".as_slice(), 2));
    let case = desk.case("2.25.1").await;
    assert_eq!(case.life.lease.unwrap().until_ms, NOW + 16 * MINUTE);
    let other = desk
        .archive
        .save_draft(&key("2.25.1"), "li", b"x", 0, &desk.rules, NOW)
        .await;
    assert!(matches!(other, Err(NotActed::Refused(Refused::NotHolder))));
}

#[tokio::test]
async fn what_changes_a_case_stands_in_the_audit_log_and_what_changes_nothing_does_not() {
    let desk = Desk::new().await;
    desk.result("2.25.1", 1, Urgency::Review).await;
    desk.triage().await;
    let entry = Entry::new(
        audit::Actor::person("wang", "Wang"),
        Action::Claim,
        Object::none(),
    );
    let by = By::person("wang", "claimed");
    let wangs = key("2.25.1");
    let act = async |event: Event| {
        let acted = desk
            .archive
            .act_noted(&wangs, &event, by, &entry, &desk.rules, NOW);
        acted.await.map(drop)
    };
    let lines = async || {
        let all = desk.archive.audit_entries(&AuditFilter::default(), 10).await;
        all.unwrap().len()
    };
    act(claim("wang")).await.unwrap();
    assert_eq!(lines().await, 1);
    assert!(act(claim("li")).await.is_err());
    act(claim("wang")).await.unwrap();
    assert_eq!(lines().await, 1, "refused, and the same again");
}

#[tokio::test]
async fn a_signed_report_is_sent_and_comes_back_as_delivered_and_read() {
    let desk = Desk::new().await;
    desk.result("2.25.1", 1, Urgency::Review).await;
    desk.triage().await;
    desk.act("2.25.1", claim("wang")).await.unwrap();
    let (first, proof) = (report("2.25.1", ID, None), signed(&report("2.25.1", ID, None)));
    let statements = [StatementRow {
        finding: "pneumonia".into(),
        presence: Presence::Absent,
        called: Some(true),
    }];
    let corrections = [barefoot_domain::Correction {
        id: "01ARZ3NDEKTSV4RRFFQ69G5FAC".into(),
        case: CaseId::new("2.25.1").unwrap(),
        version: 1,
        finding: barefoot_domain::FindingCode::new("pneumonia").unwrap(),
        present: false,
        regions: vec![],
        recorded_at_ms: NOW,
    }];
    let new = NewReport {
        report: &first,
        signed: &proof,
        signer: "wang",
        corrections: &corrections,
        statements: &statements,
    };
    let acted = desk
        .archive
        .sign_report(&new, None, &desk.rules, NOW)
        .await
        .unwrap();
    assert_eq!(acted.case.life.state, State::Signed);
    // A second press of the button changes nothing.
    assert!(
        desk.archive
            .sign_report(&new, None, &desk.rules, NOW)
            .await
            .is_err()
    );
    assert_eq!(desk.archive.reports_of(&key("2.25.1")).await.unwrap().len(), 1);

    let waiting = desk.archive.unsettled(&clinic()).await.unwrap();
    let kinds: Vec<v1::Kind> = waiting.iter().map(|one| one.kind).collect();
    assert!(kinds.contains(&v1::Kind::Report) && kinds.contains(&v1::Kind::Correction));
    let envelope = waiting.iter().find(|one| one.kind == v1::Kind::Report).unwrap();
    assert!(desk.archive.just_delivered(10).await.unwrap().is_empty());
    desk.archive
        .settle(&clinic(), &envelope.envelope_id, None, NOW)
        .await
        .unwrap();
    assert_eq!(desk.archive.just_delivered(10).await.unwrap(), [key("2.25.1")]);
    desk.act("2.25.1", Event::Delivered).await.unwrap();
    assert!(desk.archive.just_delivered(10).await.unwrap().is_empty());

    let read = ClinicWord::ReportRead(ReportRead {
        report: ID.into(),
        case: CaseId::new("2.25.1").unwrap(),
        at_ms: NOW,
    });
    desk.archive
        .hear(&clinic(), &read, &desk.rules, NOW)
        .await
        .unwrap();
    assert_eq!(desk.case("2.25.1").await.life.state, State::Read);

    let addendum = report("2.25.1", "01ARZ3NDEKTSV4RRFFQ69G5FAE", Some(ID));
    let proof = signed(&addendum);
    let more = NewReport {
        report: &addendum,
        signed: &proof,
        signer: "wang",
        corrections: &[],
        statements: &[],
    };
    desk.archive.add_to_report(&more, NOW + 1).await.unwrap();
    let stray = report(
        "2.25.1",
        "01ARZ3NDEKTSV4RRFFQ69G5FAF",
        Some("01ARZ3NDEKTSV4RRFFQ69G5FAG"),
    );
    let stray = NewReport {
        report: &stray,
        ..more
    };
    assert!(matches!(
        desk.archive.add_to_report(&stray, NOW).await,
        Err(NotActed::Unknown)
    ));
    assert_eq!(desk.archive.reports_of(&key("2.25.1")).await.unwrap().len(), 2);
}

#[tokio::test]
async fn two_readers_opinions_are_kept_until_a_third_decides() {
    let desk = Desk::new().await;
    desk.result("2.25.1", 1, Urgency::Review).await;
    desk.triage().await;
    desk.act("2.25.1", claim("wang")).await.unwrap();
    desk.act("2.25.1", Event::WantSecond { by: "wang".into() })
        .await
        .unwrap();
    let opine = |person: &'static str, agrees| {
        let (archive, rules) = (desk.archive.clone(), desk.rules.clone());
        async move {
            archive
                .give_opinion(&key("2.25.1"), person, person.as_bytes(), agrees, &rules, NOW)
                .await
        }
    };
    assert_eq!(opine("wang", None).await.unwrap().case.life.stage, Stage::Second);
    desk.act("2.25.1", claim("li")).await.unwrap();
    let acted = opine("li", Some(false)).await.unwrap();
    assert_eq!(acted.case.life.stage, Stage::Adjudication);
    let kept = desk.archive.reader_opinions(&key("2.25.1"), 1).await.unwrap();
    assert_eq!(kept.len(), 2);
    assert_eq!((kept[0].stage, kept[1].person.as_str()), (Stage::First, "li"));
}

#[tokio::test]
async fn a_list_holds_what_its_reader_may_read_the_most_urgent_first() {
    let desk = Desk::new().await;
    for (case, urgency) in [
        ("2.25.1", Urgency::Review),
        ("2.25.2", Urgency::Critical),
        ("2.25.3", Urgency::Review),
    ] {
        desk.result(case, 1, urgency).await;
    }
    desk.triage().await;
    let filter = |person: &str, scope| Filter {
        scope,
        person: person.into(),
        tier: Tier::County,
        kinds: vec!["radiography".into()],
        modality: None,
        clinic: None,
        urgency: None,
        only_tier: None,
        teaching: false,
        offset: 0,
        limit: 2,
    };
    let page = desk
        .archive
        .list_cases(&filter("wang", Scope::Open))
        .await
        .unwrap();
    assert_eq!((page.total, page.cases.len(), page.goes_on), (3, 2, true));
    assert_eq!(page.cases[0].case.as_str(), "2.25.2");
    let other = Filter {
        kinds: vec!["ultrasound".into()],
        ..filter("wang", Scope::Open)
    };
    assert_eq!(desk.archive.list_cases(&other).await.unwrap().total, 0);
    desk.act("2.25.1", claim("wang")).await.unwrap();
    let mine = desk
        .archive
        .list_cases(&filter("wang", Scope::Mine))
        .await
        .unwrap();
    assert_eq!((mine.total, mine.cases[0].case.as_str()), (1, "2.25.1"));
    assert_eq!(desk.archive.loads().await.unwrap().len(), 1);
    // A group of the tier reads for this clinic: who is not in it does not see its cases.
    let group = Group {
        id: "g".into(),
        name: "County hospital".into(),
        tier: Tier::County,
        members: vec!["li".into()],
        clinics: vec!["clinic-7".into()],
    };
    desk.archive.put_group(&group).await.unwrap();
    desk.archive.put_group(&group).await.unwrap();
    assert_eq!(desk.archive.groups().await.unwrap(), [group]);
    for (person, reads) in [("wang", false), ("li", true)] {
        let page = desk
            .archive
            .list_cases(&filter(person, Scope::Open))
            .await
            .unwrap();
        assert_eq!(page.total == 3, reads, "{person}");
        let asked = desk
            .archive
            .reads_for(person, Tier::County, &clinic())
            .await
            .unwrap();
        assert_eq!(asked, reads);
    }
    assert!(
        desk.archive
            .reads_for("zhao", Tier::City, &clinic())
            .await
            .unwrap()
    );
    assert!(desk.archive.remove_group("g").await.unwrap());
}
