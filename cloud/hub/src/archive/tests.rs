use barefoot_domain::{
    Assessment, Call, CaseId, FindingCode, FindingResult, ModelVersion, QualityGrade, QualityVerdict, Reason,
    Score, Urgency,
};
use barefoot_wire::MadeBy;
use barefoot_wire::images::ObjectId;

use super::*;

fn arrival(id: u32, case: u32, version: u32, score: f32) -> Arrival {
    let score = Score::new(score).unwrap();
    Arrival {
        clinic: ClinicId::new("clinic-7").unwrap(),
        envelope_id: format!("01ARZ3NDEKTSV4RRFF{id:08}"),
        sequence: 1,
        sent_at_ms: 5,
        clock_offset_ms: None,
        detected: Detected {
            at_ms: 2,
            by: DetectedBy::Box,
        },
        result: StudyResult {
            case: CaseId::new(format!("2.25.{case}")).unwrap(),
            version,
            modality: "DX".into(),
            instances: 1,
            received_at_ms: 1,
            assessed_at_ms: 2,
            clock_offset_ms: None,
            made_by: MadeBy::default(),
            assessment: Assessment {
                model: Some(ModelVersion {
                    id: "m".into(),
                    version: "1".into(),
                    demonstration: true,
                }),
                engine: None,
                findings: vec![FindingResult {
                    code: FindingCode::new("pneumonia").unwrap(),
                    score,
                    call: Call::Positive,
                    confidence: score,
                }],
                quality: QualityVerdict {
                    grade: QualityGrade::A,
                    problems: vec![],
                },
                urgency: Urgency::Critical,
                reasons: vec![Reason::Confident],
                regions: Vec::new(),
                others: Vec::new(),
            },
        },
    }
}

async fn open(dir: &tempfile::TempDir) -> Archive {
    Archive::open_with_keys(&dir.path().join("barefoot.db"))
        .await
        .unwrap()
}

#[tokio::test]
async fn what_was_committed_is_there_once_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let archive = open(&dir).await;
    let first = arrival(1, 1, 1, 0.5);
    let outcomes = archive
        .commit(&[first.clone(), first.clone(), arrival(2, 2, 1, 0.5)], 3, 10)
        .await
        .unwrap();
    assert_eq!(outcomes, [Outcome::Stored, Outcome::Duplicate, Outcome::Stored]);
    archive.close().await;

    let archive = open(&dir).await;
    assert_eq!(
        archive.commit(std::slice::from_ref(&first), 0, 20).await.unwrap(),
        [Outcome::Duplicate]
    );
    let results = archive.results(10).await.unwrap();
    assert_eq!(results.len(), 2);
    assert_eq!(results[1].result, first.result);
    assert_eq!((results[1].committed_at_ms, results[1].newest_version), (10, 1));
    let counts = Counts {
        results: 2,
        envelopes: 2,
        duplicates: 2,
        refused: 3,
    };
    assert_eq!(archive.counts().await.unwrap(), counts);
    assert_eq!(archive.clinics().await.unwrap(), [(first.clinic, 10)]);
}

/// A hub that knew less kept a result without what made its images; its box repeats it to the hub that came after.
#[tokio::test]
async fn what_an_older_hub_kept_is_still_known_when_it_comes_again() {
    let dir = tempfile::tempdir().unwrap();
    let archive = open(&dir).await;
    let bare = arrival(1, 1, 1, 0.5);
    let mut whole = bare.clone();
    whole.result.made_by = MadeBy::new("DR1", "O0123ABCD");
    assert_eq!(
        archive.commit(std::slice::from_ref(&bare), 0, 1).await.unwrap(),
        [Outcome::Stored]
    );
    assert_eq!(
        archive.commit(&[whole.clone()], 0, 2).await.unwrap(),
        [Outcome::Duplicate]
    );
    whole.envelope_id = arrival(2, 1, 1, 0.5).envelope_id;
    assert_eq!(
        archive.commit(&[whole], 0, 3).await.unwrap(),
        [Outcome::Duplicate]
    );
    assert_eq!(archive.results(10).await.unwrap()[0].result, bare.result);
}

#[tokio::test]
async fn one_row_per_version_of_a_case_and_no_silent_change() {
    let dir = tempfile::tempdir().unwrap();
    let archive = open(&dir).await;
    let check = async |arrival: Arrival, expected: Outcome| {
        assert_eq!(archive.commit(&[arrival], 0, 1).await.unwrap(), [expected]);
    };
    check(arrival(1, 1, 1, 0.5), Outcome::Stored).await;
    check(arrival(2, 1, 1, 0.5), Outcome::Duplicate).await;
    check(arrival(2, 1, 1, 0.5), Outcome::Duplicate).await;
    check(arrival(3, 1, 1, 0.6), Outcome::VersionTaken).await;
    check(arrival(1, 9, 1, 0.5), Outcome::IdReused).await;
    check(arrival(4, 1, 2, 0.6), Outcome::Stored).await;
    let mut foreign = arrival(1, 1, 1, 0.5);
    foreign.clinic = ClinicId::new("clinic-8").unwrap();
    check(foreign, Outcome::Stored).await;

    let newest: Vec<_> = archive
        .results(10)
        .await
        .unwrap()
        .iter()
        .map(|stored| (stored.result.version, stored.newest_version))
        .collect();
    assert_eq!(
        newest,
        [(1, 1), (2, 2), (1, 2)],
        "newest first, a superseded version says so"
    );
}

#[tokio::test]
async fn a_database_that_cannot_be_used_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("barefoot.db");
    std::fs::write(&path, b"this is no database, not even nearly one".repeat(100)).unwrap();
    let error = Archive::open_with_keys(&path).await.unwrap_err().to_string();
    assert!(
        error.contains("barefoot.db") && error.contains("restore the newest backup"),
        "{error}"
    );

    std::fs::remove_file(&path).unwrap();
    let archive = open(&dir).await;
    sqlx::raw_sql("PRAGMA user_version = 99")
        .execute(&archive.pool)
        .await
        .unwrap();
    archive.close().await;
    let error = Archive::open_with_keys(&path).await.unwrap_err().to_string();
    assert!(
        error.contains("version 99") && error.contains("newer hub"),
        "{error}"
    );
}

impl Archive {
    /// For tests that break the database, or make an older one of it.
    pub(crate) async fn execute(&self, sql: String) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&self.pool)
            .await
            .unwrap();
    }
}

/// What the versions after the seventh added.
const OF_THE_SEVENTH: &str = "DROP TABLE restorations; DROP TABLE box_starts; DROP TABLE identities; DROP TABLE audit_told; DROP TABLE certificates; DROP TABLE enrolled_boxes; DROP TABLE enrolments; DROP TABLE revocations; DROP TABLE case_workitems_pending; DROP TABLE case_workitems; DROP TABLE report_statements; DROP TABLE reports; DROP TABLE reader_opinions; DROP TABLE drafts; \
     DROP TABLE alarms; DROP TABLE group_clinics; DROP TABLE group_members; DROP TABLE reader_groups; DROP TABLE absences; \
     DROP TABLE shifts; DROP TABLE clinic_opinions; DROP TABLE case_messages; DROP TABLE case_events; \
     DROP TABLE reader_settings; DROP TABLE triage_mark; DROP TABLE cases; DROP INDEX outgoing_states; \
     ALTER TABLE outgoing DROP COLUMN case_id; ALTER TABLE outgoing DROP COLUMN kind; \
     DROP TABLE audit_heads; DROP TABLE audit; DROP TABLE program_tokens; DROP TABLE person_keys; DROP TABLE sessions; \
     DROP TABLE set_ups; DROP TABLE failures; DROP TABLE people; DROP TABLE dicom_instances; DROP TABLE dicom_series; DROP TABLE dicom_studies; DROP TABLE dicom_pending; \
     DROP TABLE workitems; DROP TABLE workitem_subscriptions; DROP INDEX results_by_case; \
     DROP TABLE image_sets; DROP TABLE quick_looks; DROP TABLE image_objects; \
     DROP TABLE lines; DROP INDEX results_by_envelope; DROP INDEX results_by_urgency; \
     DROP INDEX envelopes_duplicate; CREATE INDEX results_by_urgency ON results (urgency, assessed_at_ms); \
     ALTER TABLE envelopes DROP COLUMN clock_offset_ms; ALTER TABLE envelopes DROP COLUMN carries_result; \
     ALTER TABLE results DROP COLUMN clock_offset_ms; ALTER TABLE results DROP COLUMN detected_at_ms; \
     ALTER TABLE results DROP COLUMN detected_by; ALTER TABLE results DROP COLUMN scanner; \
     ALTER TABLE results DROP COLUMN operator;";

#[tokio::test]
async fn an_older_database_learns_which_ids_only_repeat_something() {
    let dir = tempfile::tempdir().unwrap();
    let archive = open(&dir).await;
    archive
        .commit(&[arrival(1, 1, 1, 0.5), arrival(2, 1, 1, 0.5)], 0, 10)
        .await
        .unwrap();
    archive
        .execute(format!("{OF_THE_SEVENTH} PRAGMA user_version = 7;"))
        .await;
    archive.close().await;
    let archive = open(&dir).await;
    let results = archive.results(10).await.unwrap();
    assert_eq!((results.len(), results[0].detected_at_ms), (1, 2));
    assert_eq!(archive.forget_duplicates(11).await.unwrap(), 1);
    assert_eq!(archive.results(10).await.unwrap(), results);
}

#[tokio::test]
async fn a_forgotten_duplicate_is_still_a_duplicate() {
    let dir = tempfile::tempdir().unwrap();
    let archive = open(&dir).await;
    let check = async |id: u32, expected: Outcome, at: i64| {
        let outcomes = archive.commit(&[arrival(id, 1, 1, 0.5)], 0, at).await.unwrap();
        assert_eq!(outcomes, [expected]);
    };
    check(1, Outcome::Stored, 10).await;
    check(2, Outcome::Duplicate, 20).await;
    check(3, Outcome::Duplicate, 30).await;
    assert_eq!(archive.forget_duplicates(30).await.unwrap(), 1, "older ones only");
    assert_eq!(archive.forget_duplicates(30).await.unwrap(), 0);
    check(2, Outcome::Duplicate, 40).await;
    check(1, Outcome::Duplicate, 40).await;
    assert_eq!(archive.forget_duplicates(1_000).await.unwrap(), 2);
    assert_eq!(
        archive.results(10).await.unwrap().len(),
        1,
        "the result stays with its id"
    );
}

#[tokio::test]
async fn a_later_version_that_arrives_first_stays_the_current_one() {
    let dir = tempfile::tempdir().unwrap();
    let archive = open(&dir).await;
    for (id, version) in [(3, 3), (1, 1), (2, 2)] {
        let outcomes = archive
            .commit(&[arrival(id, 1, version, 0.5)], 0, 1)
            .await
            .unwrap();
        assert_eq!(
            outcomes,
            [Outcome::Stored],
            "an earlier version is kept, as superseded"
        );
    }
    let mut seen: Vec<_> = archive.results(10).await.unwrap();
    seen.sort_by_key(|stored| stored.result.version);
    let versions: Vec<_> = seen
        .iter()
        .map(|stored| (stored.result.version, stored.newest_version))
        .collect();
    assert_eq!(versions, [(1, 3), (2, 3), (3, 3)]);
}

#[tokio::test]
async fn only_the_newest_session_and_health_of_a_clinic_are_kept() {
    use barefoot_wire::v1::{BoxHealth, Presence, PresenceState};
    let dir = tempfile::tempdir().unwrap();
    let archive = open(&dir).await;
    let clinic = ClinicId::new("clinic-7").unwrap();
    let told = async |session: u64, state: PresenceState, at: i64| {
        let presence = Presence {
            state: state.into(),
            session,
            client_version: "1".into(),
            ..Default::default()
        };
        archive.note_presence(&clinic, &presence, at).await.unwrap();
        let line = archive.lines().await.unwrap().remove(0);
        (line.session, line.up, line.since_ms, line.heard_ms)
    };
    assert_eq!(told(5, PresenceState::Up, 10).await, (5, true, 10, 10));
    assert_eq!(told(5, PresenceState::Up, 20).await, (5, true, 10, 20));
    assert_eq!(told(6, PresenceState::Up, 30).await, (6, true, 30, 30));
    assert_eq!(
        told(5, PresenceState::Down, 40).await,
        (6, true, 30, 30),
        "a late Will"
    );
    assert_eq!(told(6, PresenceState::Down, 50).await, (6, false, 50, 50));
    assert_eq!(told(6, PresenceState::Up, 60).await, (6, false, 50, 50));
    for set_aside in [1, 2] {
        let health = BoxHealth {
            set_aside,
            ..BoxHealth::default()
        };
        archive.note_health(&clinic, &health, 70).await.unwrap();
    }
    let line = archive.lines().await.unwrap().remove(0);
    assert_eq!(
        line.health.map(|(health, at)| (health.set_aside, at)),
        Some((2, 70))
    );
}

#[tokio::test]
async fn what_updates_of_ended_attempts_said_goes_with_the_sixth_version() {
    let dir = tempfile::tempdir().unwrap();
    let archive = open(&dir).await;
    let attempt = |number: u32, ended: &str| {
        format!(
            "INSERT INTO attempts VALUES ('r', 1, {number}, 'failed', '', 0, {ended}, 0, 0, 0); \
             INSERT INTO round_replies VALUES ('r', 1, {number}, 'a', 'fit', zeroblob(32), x'01', 0, 0);"
        )
    };
    let older = format!(
        "INSERT INTO runs (id, settings, tensors, backbone, started_by, started_at_ms, state, reason, candidate) \
         VALUES ('r', x'', x'', '', 'mara', 0, 'running', '', ''); {} {} DROP TABLE rollouts_alive; {OF_THE_SEVENTH} PRAGMA user_version = 5;",
        attempt(1, "7"),
        attempt(2, "NULL"),
    );
    archive.execute(older).await;
    archive.close().await;
    let archive = open(&dir).await;
    let kept: Vec<Vec<u8>> = sqlx::query_scalar("SELECT body FROM round_replies ORDER BY attempt")
        .fetch_all(&archive.pool)
        .await
        .unwrap();
    assert_eq!(kept, [vec![], vec![1]]);
}

#[tokio::test]
async fn whether_an_object_is_needed_is_asked_of_an_index() {
    let dir = tempfile::tempdir().unwrap();
    let archive = open(&dir).await;
    let (clinic, other) = (
        ClinicId::new("clinic-7").unwrap(),
        ClinicId::new("clinic-8").unwrap(),
    );
    let case = CaseId::new("2.25.1").unwrap();
    let new = NewImageSet {
        clinic: &clinic,
        case: &case,
        version: 1,
        objects: &[(ObjectId([7; 32]), "2.25.2".to_owned())],
        withheld: 0,
        result: Vec::new(),
        at_ms: 1,
    };
    archive.commit_images(&new).await.unwrap();
    archive.commit_images(&new).await.unwrap();
    let told = archive.audit_from(1, u64::MAX, 10).await.unwrap();
    assert_eq!(told.len(), 1, "what came twice is told once");
    let told = &told[0].entry;
    assert_eq!(
        (told.action.as_str(), told.actor.as_str()),
        ("images_received", "clinic-7")
    );
    assert_eq!(told.details, "1 images of version 1, 0 stay in the clinic");
    assert!(archive.is_needed(&clinic, ObjectId([7; 32])).await.unwrap());
    assert!(!archive.is_needed(&clinic, ObjectId([8; 32])).await.unwrap());
    assert!(!archive.is_needed(&other, ObjectId([7; 32])).await.unwrap());
    let plan: Vec<(i64, i64, i64, String)> =
        sqlx::query_as("EXPLAIN QUERY PLAN SELECT 1 FROM image_objects WHERE clinic = '' AND sha256 = x''")
            .fetch_all(&archive.pool)
            .await
            .unwrap();
    assert!(
        plan.iter()
            .any(|(.., step)| step.contains("image_objects_by_hash (clinic=? AND sha256=?)")),
        "{plan:?}"
    );
}

#[tokio::test]
async fn a_quick_look_that_was_replaced_needs_its_pictures_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let archive = open(&dir).await;
    let clinic = ClinicId::new("clinic-7").unwrap();
    let case = CaseId::new("2.25.1").unwrap();
    let image = [(ObjectId([9; 32]), "2.25.2".to_owned())];
    let new = NewImageSet {
        clinic: &clinic,
        case: &case,
        version: 1,
        objects: &image,
        withheld: 0,
        result: Vec::new(),
        at_ms: 1,
    };
    archive.commit_images(&new).await.unwrap();
    for pictures in [[1, 2], [2, 3]] {
        let objects = pictures.map(|picture| ObjectId([picture; 32]));
        archive
            .put_quick_look(&clinic, &case, 1, b"", &objects, 2)
            .await
            .unwrap();
    }
    let needed = archive.needed_objects(&clinic).await.unwrap();
    assert_eq!(needed, [2, 3, 9].map(|object| ObjectId([object; 32])).into());
}
