//! A week of a region, minute by minute, over the real archive: cases come as clinics work, readers keep shifts, are away,
//! forget cases they took, refer some upward and differ on others. No case may be lost, and the deadlines that held are counted.

use std::collections::HashMap;
use std::sync::Arc;

use barefoot_domain::{
    Assessment, Call, CaseId, ClinicId, FindingCode, FindingResult, Part, QualityGrade, QualityVerdict,
    Reader, Report, Score, Tier, Urgency,
};
use barefoot_wire::{MadeBy, StudyResult, encode_report, v1};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::life::{Actor, Event, Stage, State};
use super::roster::Candidate;
use super::rules::{Assignment, SecondRead};
use super::*;
use crate::archive::{Absence, Arrival, Detected, DetectedBy, Filter, Scope, Shift};

const MINUTE: i64 = 60_000;
/// Monday 2026-11-23, 00:00 in China.
const MONDAY: i64 = 1_795_363_200_000;
const WEEK_MINUTES: i64 = 7 * 24 * 60;
const CHINA: i32 = 480;

struct Worker {
    person: &'static str,
    tier: Tier,
    /// First hour and hours of each day's shift; the days from Monday.
    from_hour: u32,
    hours: u32,
    days: std::ops::Range<u32>,
    /// Minutes for a case.
    pace: i64,
}

const WORKERS: [Worker; 7] = [
    worker("county-wang", Tier::County, 8, 9, 0..7, 12),
    worker("county-li", Tier::County, 8, 9, 0..6, 9),
    worker("county-night", Tier::County, 17, 15, 0..7, 15),
    worker("city-zhao", Tier::City, 8, 10, 0..7, 10),
    worker("city-sun", Tier::City, 18, 14, 0..7, 12),
    worker("province-qian", Tier::Province, 0, 12, 0..7, 10),
    worker("province-zhou", Tier::Province, 12, 12, 0..7, 10),
];

const fn worker(
    person: &'static str,
    tier: Tier,
    from_hour: u32,
    hours: u32,
    days: std::ops::Range<u32>,
    pace: i64,
) -> Worker {
    Worker {
        person,
        tier,
        from_hour,
        hours,
        days,
        pace,
    }
}

/// What somebody is doing, and until when; `None` where they took a case and forgot it.
struct Hand {
    case: CaseKey,
    done_at: Option<i64>,
}

struct Region {
    archive: Archive,
    rules: Rules,
    reconciler: Reconciler,
    random: SmallRng,
    hands: HashMap<&'static str, Hand>,
    /// When each case came and of what urgency.
    came: HashMap<CaseKey, (i64, Urgency)>,
    signed: HashMap<CaseKey, i64>,
    serial: u32,
    roster: roster::Roster,
}

impl Region {
    async fn new(folder: &std::path::Path, seed: u64) -> Self {
        let archive = Archive::open_with_keys(&folder.join("hub.db")).await.unwrap();
        let rules = Rules {
            assignment: Assignment::Push,
            second_read: SecondRead::Critical,
            ..rules::Worklist::default().rules().unwrap()
        };
        let dispatch = Dispatch::new(archive.clone());
        let worklist = Worklist::new(archive.clone(), rules.clone(), Changes::new(), dispatch);
        let candidates: Vec<Candidate> = WORKERS
            .iter()
            .map(|one| Candidate {
                person: one.person.into(),
                tier: one.tier,
                subspecialties: vec![],
            })
            .collect();
        let reconciler = Reconciler {
            worklist,
            readers: Arc::new(move || {
                let candidates = candidates.clone();
                Box::pin(async move { Ok(candidates) })
            }),
            utc_offset_minutes: CHINA,
        };
        for one in &WORKERS {
            for day in one.days.clone() {
                let shift = Shift {
                    id: format!("{}-{day}", one.person),
                    person: one.person.into(),
                    from_minute: day * 24 * 60 + one.from_hour * 60,
                    minutes: one.hours * 60,
                };
                archive.put_shift(&shift).await.unwrap();
            }
        }
        // Wednesday: one of the county's two is ill.
        let ill = Absence {
            id: "ill".into(),
            person: "county-wang".into(),
            from_ms: MONDAY + 2 * 24 * 60 * MINUTE,
            to_ms: MONDAY + 3 * 24 * 60 * MINUTE,
        };
        archive.put_absence(&ill).await.unwrap();
        let roster = roster::Roster {
            shifts: archive.shifts().await.unwrap(),
            absences: archive.absences(MONDAY).await.unwrap(),
            utc_offset_minutes: CHINA,
        };
        Self {
            archive,
            rules,
            reconciler,
            random: SmallRng::seed_from_u64(seed),
            hands: HashMap::new(),
            came: HashMap::new(),
            signed: HashMap::new(),
            serial: 0,
            roster,
        }
    }

    async fn arrive(&mut self, now: i64) {
        let hour = (now - MONDAY) / (60 * MINUTE) % 24;
        let an_hour = if (8..18).contains(&hour) { 3.0 } else { 0.5 };
        if !self.random.random_bool(an_hour / 60.0) {
            return;
        }
        self.serial += 1;
        let urgency = if self.random.random_bool(0.15) {
            Urgency::Critical
        } else {
            Urgency::Review
        };
        let key = CaseKey {
            clinic: ClinicId::new(format!("clinic-{}", self.serial % 5)).unwrap(),
            case: CaseId::new(format!("2.25.{}", self.serial)).unwrap(),
        };
        let score = Score::new(0.6).unwrap();
        let arrival = Arrival {
            clinic: key.clinic.clone(),
            envelope_id: ulid::Ulid::generate().to_string(),
            sequence: u64::from(self.serial),
            sent_at_ms: now,
            clock_offset_ms: None,
            detected: Detected {
                at_ms: now,
                by: DetectedBy::Sending,
            },
            result: StudyResult {
                case: key.case.clone(),
                version: 1,
                modality: "DX".into(),
                instances: 1,
                received_at_ms: now,
                assessed_at_ms: now,
                clock_offset_ms: None,
                made_by: MadeBy::default(),
                assessment: Assessment {
                    model: None,
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
                    urgency,
                    reasons: vec![],
                    regions: Vec::new(),
                    others: Vec::new(),
                },
            },
        };
        self.archive.commit(&[arrival], 0, now).await.unwrap();
        self.came.insert(key, (now, urgency));
    }

    async fn work(&mut self, one: &Worker, now: i64, any_open: bool) {
        let present = self.roster.on_duty(one.person, now);
        match self.hands.get(one.person) {
            Some(hand) if hand.done_at.is_some_and(|done| done <= now) => {
                let case = hand.case.clone();
                self.hands.remove(one.person);
                self.finish(one, case, now).await;
            }
            Some(hand) if hand.done_at.is_some() => {
                if now % (2 * MINUTE) != 0 {
                    return;
                }
                // The page keeps the lease while it is open.
                let event = Event::Renew {
                    by: one.person.to_owned(),
                };
                let _ = self.archive.renew(&hand.case, &event, &self.rules, now).await;
            }
            // Forgotten: the lease lapses some day, and with it what this reader believed to have.
            Some(_) if present => {
                self.hands.remove(one.person);
            }
            Some(_) => {}
            None if present && any_open => self.take(one, now).await,
            None => {}
        }
    }

    async fn take(&mut self, one: &Worker, now: i64) {
        let filter = |scope| Filter {
            scope,
            person: one.person.into(),
            tier: one.tier,
            kinds: vec![],
            modality: None,
            clinic: None,
            urgency: None,
            only_tier: Some(one.tier).filter(|_| scope == Scope::Open),
            teaching: false,
            offset: 0,
            limit: 20,
        };
        let all = Filter {
            only_tier: None,
            ..filter(Scope::Open)
        };
        // What their own tier has time for first, then what the others left.
        let mut wanted = self.archive.list_cases(&filter(Scope::Mine)).await.unwrap().cases;
        wanted.extend(self.archive.list_cases(&filter(Scope::Open)).await.unwrap().cases);
        let late = self.archive.list_cases(&all).await.unwrap().cases;
        wanted.extend(late.into_iter().filter(|case| case.life.overdue));
        let actor = Actor {
            person: one.person.into(),
            tier: one.tier,
            chief: false,
            fits: true,
        };
        let Some(case) = wanted
            .into_iter()
            .find(|case| case.life.may_claim(&actor, now, &self.rules).is_ok())
        else {
            return;
        };
        let key = CaseKey {
            clinic: case.clinic,
            case: case.case,
        };
        let event = Event::Claim { by: actor };
        let by = By::person(one.person, "claimed");
        if self.archive.act(&key, &event, by, &self.rules, now).await.is_ok() {
            let forgets = self.random.random_bool(0.03);
            self.hands.insert(
                one.person,
                Hand {
                    case: key,
                    done_at: (!forgets).then_some(now + one.pace * MINUTE),
                },
            );
        }
    }

    async fn finish(&mut self, one: &Worker, key: CaseKey, now: i64) {
        let case = self.archive.case(&key).await.unwrap().unwrap();
        if !case.life.is_held_by(one.person) {
            return;
        }
        if self.random.random_bool(0.05) && one.tier != Tier::Province {
            let event = Event::Refer {
                by: Actor {
                    person: one.person.into(),
                    tier: one.tier,
                    chief: false,
                    fits: true,
                },
                to: None,
            };
            let by = By::person(one.person, "referred");
            if self.archive.act(&key, &event, by, &self.rules, now).await.is_ok() {
                return;
            }
        }
        let agrees = match case.life.stage {
            Stage::First => None,
            Stage::Second => Some(!self.random.random_bool(0.2)),
            Stage::Adjudication => None,
        };
        let second_first = case.life.stage == Stage::First && case.life.second_wanted;
        if second_first || agrees == Some(false) {
            self.archive
                .give_opinion(&key, one.person, b"opinion", agrees, &self.rules, now)
                .await
                .unwrap();
            return;
        }
        let report = Report {
            id: ulid::Ulid::generate().to_string(),
            clinic: key.clinic.clone(),
            case: key.case.clone(),
            version: case.life.version,
            addendum_to: None,
            modality: "DX".into(),
            tier: one.tier,
            urgency: case.life.urgency,
            statements: vec![],
            description: String::new(),
            impression: "x".into(),
            advice: String::new(),
            assessment: None,
            readers: vec![Reader {
                person: ulid::Ulid::generate().to_string(),
                name: one.person.into(),
                title: String::new(),
                institution: String::new(),
                part: Part::First,
                at_ms: now,
            }],
            language: "en".into(),
            signed_at_ms: now,
        };
        let proof = v1::SignedReport {
            content: encode_report(&report),
            signature: vec![1],
            signer: vec![1],
            signer_signature: vec![1],
            certificate: vec![1],
        };
        let new = NewReport {
            report: &report,
            signed: &proof,
            signer: one.person,
            corrections: &[],
            statements: &[],
        };
        self.archive
            .sign_report(&new, agrees, &self.rules, now)
            .await
            .unwrap();
        self.signed.insert(key, now);
    }
}

#[tokio::test]
async fn a_regions_week_loses_no_case() {
    let folder = tempfile::tempdir().unwrap();
    let mut region = Region::new(folder.path(), 7).await;
    let mut minute = 0;
    // After the week nobody brings anything any more, and the readers come to an end.
    loop {
        let now = MONDAY + minute * MINUTE;
        if minute < WEEK_MINUTES {
            region.arrive(now).await;
        } else if region.signed.len() == region.came.len() {
            break;
        }
        assert!(minute < WEEK_MINUTES + 2 * 24 * 60, "cases are left over");
        let any_open = region.reconciler.once(now).await.unwrap().is_some();
        for one in &WORKERS {
            region.work(one, now, any_open).await;
        }
        // The hub is killed each day: nothing of the list was in its memory.
        if minute % (24 * 60) == 700 {
            region.archive.close().await;
            let archive = Archive::open_with_keys(&folder.path().join("hub.db"))
                .await
                .unwrap();
            let dispatch = Dispatch::new(archive.clone());
            region.reconciler.worklist =
                Worklist::new(archive.clone(), region.rules.clone(), Changes::new(), dispatch);
            region.archive = archive;
        }
        minute += 1;
    }
    let (mut held, mut critical, mut critical_held) = (0, 0, 0);
    for (key, (came, urgency)) in &region.came {
        let case = region.archive.case(key).await.unwrap().unwrap();
        assert_eq!(case.life.state, State::Signed, "{key}");
        assert_eq!(region.archive.reports_of(key).await.unwrap().len(), 1, "{key}");
        let took = region.signed[key] - came;
        // Within what all three tiers have together.
        let allowed = 3 * region.rules.span_ms(*urgency);
        held += usize::from(took <= allowed);
        if *urgency == Urgency::Critical {
            critical += 1;
            critical_held += usize::from(took <= 2 * allowed);
        }
    }
    let all = region.came.len();
    println!(
        "{all} cases, all signed; {held} within the tiers' time; of {critical} critical ones, read by two, \
         {critical_held} within an hour"
    );
    assert!(200 < all && all * 9 <= held * 10, "{held} of {all}");
    assert!(
        critical * 9 <= critical_held * 10,
        "{critical_held} of {critical}"
    );
}
