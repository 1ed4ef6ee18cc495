use std::path::{Path, PathBuf};

use barefoot_domain::{Call, CaseId, FindingCode, FindingResult, Score, StudyUid};
use barefoot_imaging::{header, pixels};
use barefoot_inference::{EngineWish, PrecisionWish};
use tempfile::TempDir;

use super::super::{Consent, SecureAggregation};
use super::*;
use crate::case_index::{CaseState, CaseView, Delivery};
use crate::case_log::{self, Entry, PatientText};
use crate::config::ModelConfig;
use crate::labels::{ConsentFor, Giver, Label, LabelSource, Labels, Word};
use crate::site_policy::Policy;
use crate::study_folder::{StudyKey, instance_stem};

const UID: &str = "1.2.826.0.1.3680043.9.1";

/// A box with one model and one study of one picture.
struct Clinic {
    folder: TempDir,
    state: StateDirectory,
    cases: CaseIndex,
    models: ModelHandle,
    dataset: Dataset,
    status: LearningStatus,
}

fn policy(consent: Consent) -> Policy {
    Policy {
        consent,
        minimum_cohort: 2,
        clip_norm: 1.0,
        noise_multiplier: 0.0,
        secure_aggregation: SecureAggregation::Allowed,
        epsilon_budget: None,
        delta: 1e-5,
        minimum_examples: 1,
        daily_hours: None,
        rounds: true,
        follow_site: true,
        models: None,
    }
}

fn say(view: &mut CaseView, allowed: bool) {
    let word = Word {
        allowed,
        giver: Giver::Patient,
        at_ms: 1,
    };
    view.labels.set_word(ConsentFor::Learning, word);
}

fn key() -> StudyKey {
    StudyKey::of(&StudyUid::new(UID).unwrap())
}

impl Clinic {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDirectory::open(folder.path()).unwrap();
        let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("../inference/tests/data/tiny");
        let config = ModelConfig {
            engine: EngineWish::Tract,
            precision: PrecisionWish::F32,
            ..ModelConfig::new(bundle)
        };
        let (models, _) = ModelHandle::new();
        models.set_active(Some(Arc::new(
            crate::model::open(&config.bundle, &config).unwrap(),
        )));
        let clinic = Self {
            state,
            cases: CaseIndex::default(),
            models,
            dataset: Dataset::default(),
            status: LearningStatus::default(),
            folder,
        };
        clinic.store_study();
        clinic
    }

    fn finding(&self) -> FindingCode {
        let active = self.models.active().unwrap();
        active.model.findings().next().unwrap().clone()
    }

    fn picture(&self) -> PathBuf {
        self.state
            .instances(&key())
            .join(format!("{}.dcm", instance_stem("1.2.3")))
    }

    fn store_study(&self) {
        let instances = self.state.instances(&key());
        std::fs::create_dir_all(&instances).unwrap();
        std::fs::write(self.picture(), dicom(&[("1.2.3", UID)])).unwrap();
        let settled = Entry::Settled {
            version: 1,
            at_ms: 1,
            received_at_ms: 1,
            study_uid: UID.into(),
            instances: vec![self.picture().file_name().unwrap().to_str().unwrap().into()],
            modality: "DX".into(),
            patient: PatientText::default(),
            conflicts: 0,
            strangers: 0,
        };
        case_log::append(&self.state.case_log(&key()), &[settled]).unwrap();
        self.cases.put(assessed(UID));
    }

    /// A study of which only the features are there, and what somebody confirmed about it.
    fn confirmed(&self, number: usize, features: &[f32], present: bool) {
        let uid = format!("{UID}.{number}");
        let mut view = assessed(&uid);
        view.labels.say(Label {
            correction_id: uid.clone(),
            source: LabelSource::Clinic,
            version: 1,
            finding: self.finding(),
            present,
        });
        let active = self.models.active().unwrap();
        let root = self.folder.path().join("training/features");
        let cabinet = Cabinet::open(&root, active.model.backbone()).unwrap();
        let kept = StudyFeatures {
            findings: vec![features::FindingFeatures {
                code: self.finding().as_str().to_owned(),
                instance: String::new(),
                score: 0.0,
                features: features.to_vec(),
            }],
        };
        cabinet.put(&(view.study.clone(), 1), &kept).unwrap();
        self.cases.put(view);
    }

    /// How sure a call with this score is on this site.
    fn confidence(&self, score: f32) -> f32 {
        let score = Score::new(score).unwrap();
        let mut said = [FindingResult {
            code: self.finding(),
            score,
            call: Call::Positive,
            confidence: score,
        }];
        self.models.active().unwrap().confidence.apply(&mut said);
        said[0].confidence.value()
    }

    fn label(&self, id: &str, present: bool) {
        let label = Label {
            correction_id: id.into(),
            source: LabelSource::Clinic,
            version: 1,
            finding: self.finding(),
            present,
        };
        self.cases.update(&key(), |view| {
            view.labels.say(label);
        });
    }

    fn keeper(&self, policy: Option<Policy>) -> Keeper {
        self.busy_keeper(policy, &Idle::default())
    }

    fn busy_keeper(&self, policy: Option<Policy>, idle: &Idle) -> Keeper {
        Keeper::new(Parts {
            cases: self.cases.clone(),
            state: self.state.clone(),
            models: self.models.clone(),
            policy: PolicyHandle::of_learning(policy),
            idle: idle.clone(),
            status: self.status.clone(),
            dataset: self.dataset.clone(),
        })
    }

    /// Works until nothing is left to do; how many studies were computed.
    fn settle(&self, keeper: &mut Keeper) -> usize {
        let mut computed = 0;
        while keeper.round().unwrap() {
            computed += 1;
        }
        computed
    }

    fn examples(&self) -> Vec<LabelledFeatures> {
        let examples = self.dataset.get();
        [examples.training(), examples.held_out()].concat()
    }

    fn features(&self) -> PathBuf {
        let backbone = self.models.active().unwrap().model.backbone().to_owned();
        let name = format!("{}-1", key());
        self.folder
            .path()
            .join("training/features")
            .join(backbone)
            .join(name)
    }
}

fn assessed(uid: &str) -> CaseView {
    CaseView {
        study: StudyKey::of(&StudyUid::new(uid).unwrap()),
        study_uid: uid.into(),
        case: CaseId::new("2.25.77").unwrap(),
        version: 1,
        modality: "DX".into(),
        instances: 1,
        patient: PatientText::default(),
        state: CaseState::Assessed,
        received_at_ms: 1,
        assessed_at_ms: None,
        assessment: None,
        has_preview: false,
        has_heat_map: false,
        has_presented: false,
        delivery: Delivery::None,
        conflicts: 0,
        labels: Labels::default(),
        reading: crate::reading::Reading::default(),
        images_removed_at_ms: None,
    }
}

/// A grey square, Explicit VR Little Endian (PS3.5 section 7.1).
fn dicom(uids: &[(&str, &str); 1]) -> Vec<u8> {
    let [(instance, study)] = uids;
    let element = |group: u16, number: u16, vr: &str, value: &[u8]| {
        let mut value = value.to_vec();
        if value.len() % 2 == 1 {
            value.push(if vr == "UI" { 0 } else { b' ' });
        }
        let mut bytes = [group.to_le_bytes(), number.to_le_bytes()].concat();
        bytes.extend(vr.as_bytes());
        if vr == "OW" || vr == "OB" {
            bytes.extend([0, 0]);
            bytes.extend((value.len() as u32).to_le_bytes());
        } else {
            bytes.extend((value.len() as u16).to_le_bytes());
        }
        bytes.extend(value);
        bytes
    };
    let number = |number, value: u16| element(0x28, number, "US", &value.to_le_bytes());
    let class = b"1.2.840.10008.5.1.4.1.1.1.1";
    let meta = [
        element(2, 0x01, "OB", &[0, 1]),
        element(2, 0x02, "UI", class),
        element(2, 0x03, "UI", instance.as_bytes()),
        element(2, 0x10, "UI", b"1.2.840.10008.1.2.1"),
        element(2, 0x12, "UI", b"1.2.3.4"),
    ]
    .concat();
    let pixels: Vec<u8> = (0..32 * 32_u32).map(|place| (place % 256) as u8).collect();
    let length = element(2, 0, "UL", &(meta.len() as u32).to_le_bytes());
    [
        vec![0; 128],
        b"DICM".to_vec(),
        length,
        meta,
        element(0x08, 0x16, "UI", class),
        element(0x08, 0x18, "UI", instance.as_bytes()),
        element(0x08, 0x60, "CS", b"DX"),
        element(0x20, 0x0d, "UI", study.as_bytes()),
        element(0x20, 0x0e, "UI", b"1.2.9"),
        number(0x02, 1),
        element(0x28, 0x04, "CS", b"MONOCHROME2"),
        number(0x10, 32),
        number(0x11, 32),
        number(0x100, 8),
        number(0x101, 8),
        number(0x102, 7),
        number(0x103, 0),
        element(0x7fe0, 0x10, "OW", &pixels),
    ]
    .concat()
}

#[test]
fn a_labelled_study_becomes_an_example_with_the_models_own_features() {
    let clinic = Clinic::new();
    let mut keeper = clinic.keeper(Some(policy(Consent::OptOut)));
    assert_eq!(clinic.settle(&mut keeper), 0);
    clinic.label("a", true);
    assert_eq!(clinic.settle(&mut keeper), 1);
    let [example] = &clinic.examples()[..] else {
        panic!("one example");
    };
    assert!(example.present && example.finding == 0);
    let active = clinic.models.active().unwrap();
    let header = header::read_header(&clinic.picture()).unwrap();
    let image = pixels::load_gray(&clinic.picture(), &header).unwrap();
    let pooled = active.model.pooled_features(&image).unwrap();
    assert_eq!(&*example.features, pooled.values);
    let view = clinic.status.view();
    assert_eq!((view.examples, view.pending), (1, 0));

    // Corrected: the same features under another label, nothing computed again.
    clinic.label("b", false);
    assert_eq!(clinic.settle(&mut keeper), 0);
    assert!(!clinic.examples()[0].present);
}

#[test]
fn features_survive_a_restart_and_damaged_ones_are_made_again() {
    let clinic = Clinic::new();
    clinic.label("a", true);
    assert_eq!(
        clinic.settle(&mut clinic.keeper(Some(policy(Consent::OptOut)))),
        1
    );
    let before = clinic.examples();
    assert_eq!(
        clinic.settle(&mut clinic.keeper(Some(policy(Consent::OptOut)))),
        0
    );
    assert_eq!(clinic.examples(), before);
    let mut bytes = std::fs::read(clinic.features()).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(clinic.features(), bytes).unwrap();
    assert_eq!(
        clinic.settle(&mut clinic.keeper(Some(policy(Consent::OptOut)))),
        1
    );
    assert_eq!(clinic.examples(), before);
}

#[test]
fn a_patient_who_says_no_is_forgotten_and_one_who_says_yes_again_is_not() {
    let clinic = Clinic::new();
    clinic.label("a", true);
    let mut keeper = clinic.keeper(Some(policy(Consent::OptOut)));
    clinic.settle(&mut keeper);
    assert!(clinic.features().exists());
    clinic.cases.update(&key(), |view| say(view, false));
    clinic.settle(&mut keeper);
    assert!(!clinic.features().exists());
    assert!(clinic.examples().is_empty());
    clinic.cases.update(&key(), |view| say(view, true));
    assert_eq!(clinic.settle(&mut keeper), 1);
    assert_eq!(clinic.examples().len(), 1);
}

#[test]
fn without_a_policy_or_consent_nothing_is_kept_and_what_was_kept_goes() {
    let clinic = Clinic::new();
    clinic.label("a", true);
    assert_eq!(clinic.settle(&mut clinic.keeper(Some(policy(Consent::OptIn)))), 0);
    assert!(clinic.examples().is_empty());
    clinic.settle(&mut clinic.keeper(Some(policy(Consent::OptOut))));
    assert!(clinic.features().exists());
    let mut none = clinic.keeper(None);
    assert_eq!(clinic.settle(&mut none), 0);
    assert!(!clinic.folder.path().join("training/features").exists());
    assert!(clinic.examples().is_empty());
    // What could be trained is still known, so that the hub hears why this clinic does not.
    assert!(clinic.dataset.get().trainable().is_some());
    assert!(!clinic.status.view().has_policy);
}

#[test]
fn a_minors_study_is_learnt_from_by_the_guardians_word_only_and_other_models_not_at_all() {
    let clinic = Clinic::new();
    clinic.label("a", true);
    clinic.cases.update(&key(), |view| {
        view.patient.birth_date = "20200101".into();
        view.patient.study_date = "20261101".into();
        say(view, true);
    });
    let mut keeper = clinic.keeper(Some(policy(Consent::OptOut)));
    assert_eq!(clinic.settle(&mut keeper), 0);
    clinic.cases.update(&key(), |view| {
        let word = Word {
            allowed: true,
            giver: Giver::Guardian,
            at_ms: 2,
        };
        view.labels.set_word(ConsentFor::Learning, word);
    });
    assert_eq!(clinic.settle(&mut keeper), 1);
    assert_eq!(clinic.examples().len(), 1);
    let mut other_model = policy(Consent::OptOut);
    other_model.models = Some(vec!["another".into()]);
    assert_eq!(clinic.settle(&mut clinic.keeper(Some(other_model))), 0);
    assert!(clinic.examples().is_empty());
}

#[test]
fn a_study_of_doubtful_identity_or_without_a_usable_picture_gives_no_example() {
    let clinic = Clinic::new();
    clinic.label("a", true);
    clinic.cases.update(&key(), |view| view.conflicts = 1);
    let mut keeper = clinic.keeper(Some(policy(Consent::OptOut)));
    assert_eq!(clinic.settle(&mut keeper), 0);
    clinic.cases.update(&key(), |view| view.conflicts = 0);
    std::fs::write(clinic.picture(), b"not a picture").unwrap();
    assert_eq!(clinic.settle(&mut keeper), 1);
    assert!(clinic.examples().is_empty());
    assert_eq!(clinic.status.view().pending, 0);
    assert_eq!(clinic.settle(&mut keeper), 0, "it is not tried again and again");
}

#[test]
fn without_a_model_there_is_nothing_to_learn_with() {
    let clinic = Clinic::new();
    clinic.label("a", true);
    let mut keeper = clinic.keeper(Some(policy(Consent::OptOut)));
    clinic.settle(&mut keeper);
    let features = clinic.features();
    clinic.models.set_active(None);
    assert_eq!(clinic.settle(&mut keeper), 0);
    assert_eq!(clinic.dataset.get().trainable(), None);
    assert!(features.exists());
}

#[test]
fn a_no_takes_effect_while_the_processor_is_busy() {
    let clinic = Clinic::new();
    clinic.label("a", true);
    let idle = Idle::default();
    let mut keeper = clinic.busy_keeper(Some(policy(Consent::OptOut)), &idle);
    clinic.settle(&mut keeper);
    // A second study that waits for the processor.
    let other = StudyKey::of(&StudyUid::new("1.2.826.0.1.3680043.9.2").unwrap());
    let first = clinic.cases.get(&key()).unwrap();
    let mut waiting = CaseView::clone(&first);
    waiting.study = other.clone();
    clinic.cases.put(waiting);
    idle.set_busy(true);
    assert!(keeper.round().unwrap());
    assert_eq!((clinic.examples().len(), clinic.status.view().pending), (1, 1));
    clinic.cases.update(&key(), |view| say(view, false));
    assert!(keeper.round().unwrap());
    assert!(clinic.examples().is_empty());
    assert!(!clinic.features().exists());
    // The one that waited may not be learnt from either, and is not computed once there is time.
    clinic.cases.update(&other, |view| say(view, false));
    idle.set_busy(false);
    assert!(!keeper.round().unwrap());
}

#[test]
fn a_no_takes_effect_without_a_model() {
    let clinic = Clinic::new();
    clinic.label("a", true);
    clinic.settle(&mut clinic.keeper(Some(policy(Consent::OptOut))));
    let features = clinic.features();
    assert!(features.exists());
    clinic.models.set_active(None);
    clinic.cases.update(&key(), |view| say(view, false));
    clinic.settle(&mut clinic.keeper(Some(policy(Consent::OptOut))));
    assert!(!features.exists());
}

#[test]
fn confidence_follows_enough_confirmed_cases_while_they_may_serve() {
    let clinic = Clinic::new();
    let active = clinic.models.active().unwrap();
    let channels = active.model.channels();
    let weights = active.model.head().0[..channels].to_vec();
    let square: f32 = weights.iter().map(|weight| weight * weight).sum();
    let towards = |logit: f32| -> Vec<f32> { weights.iter().map(|weight| weight * logit / square).collect() };
    let mut keeper = clinic.keeper(Some(policy(Consent::OptOut)));
    // The model is sure of itself and right every other time.
    let mut number = 0;
    for (logit, cases) in [(4.0, 29), (-4.0, 29)] {
        for _ in 0..cases {
            number += 1;
            clinic.confirmed(number, &towards(logit), number % 2 == 0);
        }
    }
    keeper.round().unwrap();
    assert!(clinic.confidence(0.9) == 0.9 && clinic.status.view().site_fits.is_empty());
    for _ in 0..4 {
        number += 1;
        clinic.confirmed(number, &towards(4.0), number % 2 == 0);
    }
    keeper.round().unwrap();
    let humble = clinic.confidence(0.9);
    assert!((0.5..0.85).contains(&humble), "{humble}");
    let [fit] = &clinic.status.view().site_fits[..] else {
        panic!("one fit");
    };
    assert_eq!((&fit.finding, fit.cases), (&clinic.finding(), 62));
    assert!(fit.error_after < fit.error_before, "{fit:?}");

    // The site's policy goes, and with it what was learnt under it.
    let mut closed = clinic.keeper(None);
    closed.round().unwrap();
    assert_eq!(clinic.confidence(0.9), 0.9);
    assert!(clinic.status.view().site_fits.is_empty());
}
