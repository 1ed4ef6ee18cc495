//! Studies through the stage, with one model and with several.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use barefoot_domain::{Assessment, FindingCode, Reason, Urgency};
use barefoot_inference::{EngineWish, PrecisionWish};
use tempfile::TempDir;

use crate::assess::{Assessor, Config, PanelConfig};
use crate::config::ModelConfig;
use crate::films::Films;
use crate::model::{ActiveModel, ModelHandle, Role, Silence};
use crate::model_slot::tests::studies;
use crate::picture_quality::PictureQuality;
use crate::quality::Grader;
use crate::stage_times::StageTimes;
use crate::study_folder::StateDirectory;

const LONG: Duration = Duration::from_secs(600);

struct Clinic {
    folder: TempDir,
    models: ModelHandle,
}

impl Clinic {
    fn new() -> Self {
        let clinic = Self {
            folder: tempfile::tempdir().unwrap(),
            models: ModelHandle::new().0,
        };
        clinic.models.set_active(Some(clinic.model("first", |text| text)));
        clinic
    }

    /// A small model of its own name, its manifest changed.
    fn model(&self, id: &str, change: impl Fn(String) -> String) -> Arc<ActiveModel> {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../inference/tests/data/tiny");
        let to = self.folder.path().join(id);
        fs::create_dir_all(to.join("golden")).unwrap();
        for file in [
            "f32.onnx",
            "int8.onnx",
            "head.safetensors",
            "golden/golden.json",
            "golden/0.png",
            "golden/1.png",
        ] {
            fs::copy(from.join(file), to.join(file)).unwrap();
        }
        let manifest = fs::read_to_string(from.join("manifest.toml")).unwrap();
        let named = manifest.replace("id = \"tiny\"", &format!("id = \"{id}\""));
        fs::write(to.join("manifest.toml"), change(named)).unwrap();
        let config = ModelConfig {
            engine: EngineWish::Tract,
            precision: PrecisionWish::F32,
            ..ModelConfig::new(to)
        };
        Arc::new(crate::model::open(&config.bundle, &config).unwrap())
    }

    fn assess(&self) -> Assessment {
        let state = StateDirectory::open(&self.folder.path().join("state")).unwrap();
        let grader = Grader::new(
            PictureQuality::open(&state).unwrap(),
            Films::default(),
            time::UtcOffset::UTC,
        );
        let assessor = Assessor::new(
            &Config::default(),
            self.models.clone(),
            Arc::new(grader),
            StageTimes::default(),
        )
        .asking(LONG, PanelConfig::default());
        let study = studies::write(self.folder.path());
        assessor
            .assess(&study, &self.folder.path().join("pictures"))
            .assessment
    }

    fn others(&self, others: Vec<(Role, Arc<ActiveModel>)>) {
        self.models.set_others(others);
    }
}

/// It works on something that does not end before the sender goes.
fn busy(model: &ActiveModel) -> SyncSender<()> {
    let (end, ended) = sync_channel::<()>(0);
    let endless = move || {
        let _ = ended.recv();
        Ok(())
    };
    assert_eq!(
        model.runner.within(Duration::ZERO, endless),
        Err(Silence::TooSlow)
    );
    end
}

/// Everything is called, or nothing.
fn point(point: &'static str) -> impl Fn(String) -> String {
    move |text| {
        text.replace("operating_point = 0.3", &format!("operating_point = {point}"))
            .replace("operating_point = 0.5", &format!("operating_point = {point}"))
    }
}

#[test]
fn a_model_that_does_not_end_holds_up_neither_its_study_nor_the_next() {
    let clinic = Clinic::new();
    let end = busy(&clinic.models.active().unwrap());
    for _ in 0..2 {
        let said = clinic.assess();
        assert!(said.reasons.contains(&Reason::ModelTooSlow), "{:?}", said.reasons);
        assert_eq!(said.urgency, Urgency::Review);
        assert!(said.findings.is_empty() && said.model.is_none());
    }
    drop(end);
    let answered = std::iter::repeat_with(|| clinic.assess()).find(|said| said.model.is_some());
    assert!(!answered.unwrap().reasons.contains(&Reason::ModelTooSlow));
}

#[test]
fn a_panel_that_does_not_agree_sends_the_study_to_review() {
    let clinic = Clinic::new();
    clinic
        .models
        .set_active(Some(clinic.model("first", point("1.0"))));
    clinic.others(vec![(Role::Panel, clinic.model("second", point("0.0")))]);
    let said = clinic.assess();
    let stripes = FindingCode::new("stripes").unwrap();
    assert!(
        said.reasons.contains(&Reason::Disagreement(stripes)),
        "{:?}",
        said.reasons
    );
    assert_eq!(said.model.unwrap().id, "first");
    let [other] = &said.others[..] else {
        unreachable!("one further model")
    };
    assert_eq!((other.model.id.as_str(), other.findings.len()), ("second", 2));
}

#[test]
fn one_of_a_panel_that_fails_is_told_and_the_others_answer() {
    let clinic = Clinic::new();
    let second = clinic.model("second", |text| text);
    let end = busy(&second);
    clinic.others(vec![(Role::Panel, second)]);
    let said = clinic.assess();
    assert!(
        said.reasons.contains(&Reason::PanelIncomplete),
        "{:?}",
        said.reasons
    );
    assert_eq!(said.findings.len(), 2);
    assert_eq!(said.others.len(), 1);
    assert!(said.others[0].findings.is_empty());
    drop(end);
}

#[test]
fn a_study_finds_the_model_that_takes_it() {
    let clinic = Clinic::new();
    let for_ct = |text: String| text.replace("[\"DX\", \"CR\"]", "[\"CT\"]");
    clinic.models.set_active(Some(clinic.model("for-ct", for_ct)));
    assert!(clinic.assess().reasons.contains(&Reason::OutsideIntendedUse));
    clinic.others(vec![
        (Role::Fallback, clinic.model("stand-in", |text| text)),
        (Role::Also, clinic.model("for-dx", |text| text)),
    ]);
    let said = clinic.assess();
    assert!(
        !said.reasons.contains(&Reason::OutsideIntendedUse),
        "{:?}",
        said.reasons
    );
    // No model of the panel took it: the stand-in speaks, and the further one adds nothing to it.
    assert_eq!(said.model.unwrap().id, "stand-in");
    assert_eq!(said.findings.len(), 2);
}
