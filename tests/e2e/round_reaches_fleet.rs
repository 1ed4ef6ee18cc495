//! The second line, through the real programs: an expert's corrections become labels in clinics, a round makes a better
//! head, the gate lets it pass, keys that the hub does not hold sign it, the canary takes it, the fleet follows, and the
//! next assessment names it. What is worse stops at the gate; what fails on the box goes no further.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::browser::draw;
use barefoot_test_support::daemons::{Ctl, Edge, EdgeOptions, Hub, Region, workspace};
use barefoot_test_support::http::get_json;
use barefoot_test_support::phantom::{Chest, Size};
use barefoot_test_support::scanner::{DicomFile, Scanner};
use barefoot_test_support::wait::wait_for;
use barefoot_trust::Role;
use ring::digest::{SHA256, digest};
use serde_json::Value;

const CLINICS: [&str; 3] = ["clinic-1", "clinic-2", "clinic-3"];
/// Labelled pictures of each clinic.
const PICTURES: u64 = 6;
const MODEL: &str = "cxr-pneumonia";
/// Rounds, gates and rollouts on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);

const POLICY: &str = "[minors]\nunknown_age = \"adult\"\n\n[learning]\nconsent = \"opt_out\"\nminimum_cohort = 3\nclip_norm = inf\n\
     noise_multiplier = 0.0\nsecure_aggregation = \"required\"\nminimum_examples = 2\n";

const RUN: &str = "model = \"cxr-pneumonia\"\nbase = \"0.2.0\"\nrounds = 2\nplan = \"PLAN\"\n\
     [cohort]\nquorum = 3\ntarget = 3\nstage_ms = 60000\nlate = \"drop\"\n\
     [strategy]\nname = \"FedAvg\"\n\
     [fit]\nepochs = 30\nbatch_size = 32\nlearning_rate = 1.0\nl2 = 0.001\nminimum_examples = 2\n\
     [privacy]\nclip_norm = 10.0\nnoise_multiplier = 0.0\nsecure_aggregation = true\n";

const PLAN: &str = "schema = 1\nname = \"drawn-chests\"\nmodel = \"cxr-pneumonia\"\n\
     rationale = \"A test: opacities of drawn chests.\"\n\
     [change]\ntensors = [\"weight\", \"bias\"]\nlargest_relative_distance = inf\n\
     [recalibration]\ntemperature = \"keep\"\noperating_point = \"keep\"\n\
     [[gate]]\nset = \"drawn-chests\"\nfinding = \"pneumonia\"\nminimum_present = 5\nminimum_absent = 5\n\
     auc = { at_least = 0.7, judged_by = \"point\" }\n\
     [subgroups]\nminimum_present = 20\nminimum_absent = 20\nlargest_drop = { auc = 0.5 }\nnot_covered = \"report\"\n";

const ROLLOUT: &str = "canary = { clinics = [\"clinic-1\"] }\nrings = [100]\non_limit = \"roll_back\"\n\
     [soak]\nshadow_studies = 1\ntrial_studies = 1\nstudies = 1\nminimum_minutes = 0\ndeadline_minutes = 60\nquorum = 1.0\n\
     [limits]\nminimum_studies = 1\nerror_rate = 1.0\nlatency_ratio = 1000.0\nreview_rate_change = 1.0\ndrift = 100.0\n\
     disagreement = 1.0\nrefusing_boxes = 0\n";

fn sha256_hex(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A hub that learns, three clinics, a maintainer, an expert, and the maintainers' offline keys.
struct Fleet {
    edges: Vec<Edge>,
    hub: Hub,
    maintainer: Ctl,
    expert: Ctl,
    keys: PathBuf,
    next_picture: u64,
    // Last, so that its folder goes after the programs that use it.
    region: Region,
}

impl Fleet {
    async fn begin() -> Self {
        let region = Region::new().unwrap();
        let keys = region.folder().join("keys");
        fs::create_dir_all(&keys).unwrap();
        Ctl::offline(&["repository", "key", path(&keys.join("all.key"))]).unwrap();
        let (public, secret) = (keys.join("all.pub"), keys.join("all.key"));
        let repository = keys.join("repository");
        let mut init = vec!["repository", "init", path(&repository)];
        for role in ["--root", "--targets", "--snapshot", "--timestamp"] {
            init.extend([role, path(&public)]);
        }
        init.extend(["--key", path(&secret)]);
        Ctl::offline(&init).unwrap();
        let root = keys.join("root.json");
        fs::copy(repository.join("metadata/1.root.json"), &root).unwrap();

        region.person(Role::Maintainer, "li.wei").unwrap();
        region.person(Role::Expert, "dr-chen").unwrap();
        let mut hub = region.learning_hub(Some(&root)).unwrap();
        hub.start().await.unwrap();
        let grpc = hub.address("grpc").unwrap().to_owned();
        let options = EdgeOptions {
            engine: "tract",
            precision: "int8",
            more: format!(
                "[services]\nhub = \"{grpc}\"\npoll_ms = 200\n\n[releases]\nroot = \"{}\"\n",
                root.display()
            ),
            ..EdgeOptions::default()
        };
        let mut edges = Vec::new();
        for clinic in CLINICS {
            let mut edge = region
                .edge(clinic, hub.address("mqtt").unwrap(), &options)
                .unwrap();
            edge.set_policy(POLICY).unwrap();
            edge.start().await.unwrap();
            edges.push(edge);
        }
        Self {
            maintainer: Ctl::new(&region, "li.wei", &grpc),
            expert: Ctl::new(&region, "dr-chen", &grpc),
            edges,
            hub,
            keys,
            next_picture: 10_000,
            region,
        }
    }

    fn folder(&self) -> PathBuf {
        self.region.folder().to_owned()
    }

    fn logs(&self) -> String {
        let edges: String = self.edges.iter().map(|edge| edge.log()).collect();
        format!("hub:\n{}\nclinics:\n{edges}", self.hub.log())
    }

    fn maintain<S: AsRef<std::ffi::OsStr> + std::fmt::Debug>(&self, arguments: &[S]) -> String {
        self.maintainer
            .run(arguments)
            .unwrap_or_else(|error| panic!("barefootctl {arguments:?}: {error}\n{}", self.logs()))
    }

    async fn cases(&self, clinic: usize) -> Vec<Value> {
        let page = self.edges[clinic].address("page").unwrap();
        let answer = get_json(page, "/api/cases?limit=10000").await.unwrap();
        answer["cases"].as_array().unwrap().clone()
    }

    async fn status(&self, clinic: usize) -> Value {
        let page = self.edges[clinic].address("page").unwrap();
        get_json(page, "/api/status").await.unwrap()
    }

    async fn store(&self, clinic: usize, files: &[DicomFile]) {
        let scanner = Scanner::new(
            self.edges[clinic].address("dicom").unwrap(),
            "BAREFOOT",
            "SIM_DR1",
        );
        let mut outcomes = Vec::new();
        scanner.send(files, |outcome| outcomes.push(outcome)).await;
        for outcome in outcomes {
            assert_eq!(outcome.status, Some(0), "{:?}", outcome.error);
        }
    }

    /// One more picture for every clinic; the cases once they are assessed.
    async fn next_pictures(&mut self) -> Vec<Value> {
        let folder = tempfile::tempdir().unwrap();
        let mut cases = Vec::new();
        for clinic in 0..CLINICS.len() {
            self.next_picture += 1;
            let (file, _) = chest(folder.path(), self.next_picture);
            self.store(clinic, std::slice::from_ref(&file)).await;
            let study = file.study_uid.clone().unwrap();
            let case = wait_for("the picture to be assessed", PATIENCE, async || {
                let cases = self.cases(clinic).await;
                cases
                    .into_iter()
                    .find(|case| case["study_uid"] == study && case["state"] == "assessed")
                    .ok_or("not yet")
            })
            .await;
            cases.push(case.unwrap());
        }
        cases
    }

    /// The expert's word on every one of `labelled`, true or turned round; waits until each clinic has it.
    async fn correct(&self, labelled: &[Vec<(String, bool)>], turned: bool) {
        for (clinic, cases) in labelled.iter().enumerate() {
            for (case, present) in cases {
                let word = if *present != turned {
                    "--present"
                } else {
                    "--absent"
                };
                let arguments = [
                    "correct",
                    "--clinic",
                    CLINICS[clinic],
                    "--case",
                    case,
                    "--finding",
                    "pneumonia",
                    word,
                ];
                self.expert
                    .run(&arguments)
                    .unwrap_or_else(|error| panic!("{error}\n{}", self.logs()));
            }
        }
        for (clinic, cases) in labelled.iter().enumerate() {
            let told = wait_for("the corrections to be labels", PATIENCE, async || {
                let all = self.cases(clinic).await;
                let agreed = cases.iter().all(|(id, present)| {
                    let case = all.iter().find(|case| case["case_id"] == **id).unwrap();
                    let labels = case["labels"].as_array().unwrap();
                    labels.iter().any(|label| {
                        label["finding"] == "pneumonia" && label["present"] == (*present != turned)
                    })
                });
                if agreed { Ok(()) } else { Err(format!("{all:?}")) }
            })
            .await;
            told.unwrap_or_else(|error| panic!("{error}\n{}", self.logs()));
            let ready = wait_for("the features to be kept", PATIENCE, async || {
                let learning = self.status(clinic).await["learning"].clone();
                let all = learning["examples"] == cases.len() && learning["pending"] == 0;
                if all { Ok(()) } else { Err(learning.to_string()) }
            })
            .await;
            ready.unwrap_or_else(|error| panic!("{error}\n{}", self.logs()));
        }
    }

    /// A run to its end; the candidate's version.
    fn run(&self, settings: &Path) -> String {
        let told = self.maintain(&["run", "start", path(settings), "--watch"]);
        let (_, version) = told.rsplit_once("model report cxr-pneumonia ").expect(&told);
        version.split('`').next().unwrap().to_owned()
    }

    /// The bundle of a candidate that passed.
    fn bundle(&self, version: &str) -> PathBuf {
        let folder = self.folder();
        let candidate = folder.join(format!("candidate-{version}"));
        self.maintain(&["model", "candidate", MODEL, version, "--out", path(&candidate)]);
        let bundle = folder.join(format!("bundle-{version}"));
        let base = workspace().join("edge/inference/bundles/cxr-pneumonia");
        let build = [
            "model",
            "bundle",
            "--base",
            path(&base),
            "--candidate",
            path(&candidate),
            "--out",
            path(&bundle),
        ];
        Ctl::offline(&build).unwrap();
        bundle
    }

    /// Signs a bundle where no line is.
    fn sign(&self, bundle: &Path, more: &[&str]) -> anyhow::Result<String> {
        let (repository, key) = (self.keys.join("repository"), self.keys.join("all.key"));
        let mut sign = vec!["model", "sign", path(bundle), "--repository", path(&repository)];
        sign.extend(["--key", path(&key)]);
        sign.extend(more);
        Ok(Ctl::offline(&sign)?)
    }

    fn publish(&self) {
        let repository = self.keys.join("repository");
        self.maintain(&["model", "release", "--repository", path(&repository)]);
    }

    fn roll_out(&self, version: &str) {
        let plan = self.folder().join("rollout.toml");
        fs::write(&plan, ROLLOUT).unwrap();
        self.maintain(&["model", "rollout", MODEL, version, "--plan", path(&plan)]);
    }

    fn rollout_says(&self, version: &str) -> String {
        self.maintain(&["model", "rollout", MODEL, version])
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A drawn chest, and whether it has an opacity: every second one.
fn chest(folder: &Path, seed: u64) -> (DicomFile, bool) {
    let consolidation = seed.is_multiple_of(2);
    let file = folder.join(format!("{seed}.dcm"));
    let drawn = Chest {
        seed,
        size: Size::Small,
        consolidation,
        ..Chest::default()
    };
    drawn.instance().save(&file).unwrap();
    (DicomFile::open(&file).unwrap(), consolidation)
}

/// Registers the base, a locked set of drawn chests and the plan; gives the run's settings.
fn prepare(fleet: &Fleet) -> PathBuf {
    let folder = fleet.folder();
    let base = workspace().join("edge/inference/bundles/cxr-pneumonia");
    fleet.maintain(&["model", "register", path(&base)]);
    let images = folder.join("test-set");
    fs::create_dir_all(&images).unwrap();
    let mut table = "image,pneumonia,sex\n".to_owned();
    for seed in 500..524 {
        let (_, present) = chest(&images, seed);
        table.push_str(&format!(
            "{seed}.dcm,{},{}\n",
            u8::from(present),
            ["F", "M"][(seed % 3 % 2) as usize]
        ));
    }
    fs::write(images.join("labels.csv"), table).unwrap();
    let (labels, set) = (images.join("labels.csv"), folder.join("drawn-chests.set"));
    let make = [
        "test-set",
        "make",
        "--bundle",
        path(&base),
        "--images",
        path(&labels),
        "--name",
        "drawn-chests",
        "--purpose",
        "evaluation",
        "--source",
        "Drawn by the test",
        "--precision",
        "int8",
        "--out",
        path(&set),
    ];
    Ctl::offline(&make).unwrap();
    fleet.maintain(&["test-set", "register", path(&set)]);
    let plan = folder.join("plan.toml");
    fs::write(&plan, PLAN).unwrap();
    fleet.maintain(&["plan", "register", path(&plan)]);
    let settings = folder.join("run.toml");
    fs::write(&settings, RUN.replace("PLAN", "drawn-chests")).unwrap();
    settings
}

/// Changes the golden answers and makes the manifest agree: signed, whole, and wrong.
fn spoil_golden(bundle: &Path) {
    let golden = bundle.join("golden/golden.json");
    let before = fs::read(&golden).unwrap();
    let mut answers: Value = serde_json::from_slice(&before).unwrap();
    turn_scores(&mut answers);
    let after = serde_json::to_vec_pretty(&answers).unwrap();
    let manifest = bundle.join("manifest.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let agreed = text.replace(&sha256_hex(&before), &sha256_hex(&after));
    assert_ne!(text, agreed, "the manifest names the golden file's hash");
    fs::write(&golden, after).unwrap();
    fs::write(&manifest, agreed).unwrap();
}

/// Every number in a list becomes one minus it: scores stand in lists, tolerances do not.
fn turn_scores(value: &mut Value) {
    match value {
        Value::Array(items) => {
            for item in items {
                match item.as_f64() {
                    Some(score) => *item = Value::from(1.0 - score),
                    None => turn_scores(item),
                }
            }
        }
        Value::Object(fields) => fields.values_mut().for_each(turn_scores),
        _ => {}
    }
}

/// Runs, releases, a report and the clinic's page, as people see them.
async fn pages_tell(fleet: &Fleet, version: &str, worse: &str) {
    let (hub, clinic) = (
        fleet.hub.address("page").unwrap(),
        fleet.edges[0].address("page").unwrap(),
    );
    for (language, told) in [("zh", ["已完成", "未通过"]), ("en", ["finished", "refused"])] {
        let models = draw(
            &format!("http://{hub}/models?lang={language}"),
            &format!("models-{language}.png"),
        )
        .await;
        for word in told.into_iter().chain([version, worse, "clinic-1"]) {
            assert!(models.contains(word), "the page in {language} lacks \"{word}\"");
        }
        let report = format!("http://{hub}/models/report?id={MODEL}&version={worse}&lang={language}");
        let report = draw(&report, &format!("gate-report-{language}.png")).await;
        assert!(report.contains("AUC"), "{report}");
        let page = format!("http://{clinic}/?lang={language}");
        let page = draw(&page, &format!("clinic-learning-{language}.png")).await;
        assert!(page.contains(version), "the clinic's page names its model");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_reaches_the_fleet_and_what_is_worse_does_not() {
    let mut fleet = Fleet::begin().await;
    let settings = prepare(&fleet);

    // Pictures with known truth in every clinic, and an expert's word on each.
    let folder = tempfile::tempdir().unwrap();
    let mut labelled = Vec::new();
    for clinic in 0..CLINICS.len() {
        let first = 1000 * (clinic as u64 + 1);
        let chests: Vec<_> = (first..first + PICTURES)
            .map(|seed| chest(folder.path(), seed))
            .collect();
        let files: Vec<_> = chests.iter().map(|(file, _)| file.clone()).collect();
        fleet.store(clinic, &files).await;
        let cases = wait_for("every case to be at the hub", PATIENCE, async || {
            let cases = fleet.cases(clinic).await;
            let there = cases
                .iter()
                .filter(|case| case["delivery"] == "receipted")
                .count();
            if there == files.len() {
                Ok(cases)
            } else {
                Err(format!("{there}"))
            }
        })
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", fleet.logs()));
        let of = |file: &DicomFile| {
            let study = file.study_uid.clone().unwrap();
            let case = cases.iter().find(|case| case["study_uid"] == study).unwrap();
            case["case_id"].as_str().unwrap().to_owned()
        };
        labelled.push(
            chests
                .iter()
                .map(|(file, present)| (of(file), *present))
                .collect::<Vec<_>>(),
        );
    }
    fleet.correct(&labelled, false).await;

    // A round, the gate, the keys, the canary, the fleet.
    let version = fleet.run(&settings);
    let report = fleet.maintain(&["model", "report", MODEL, &version]);
    assert!(report.contains("passed"), "{report}");
    fleet.sign(&fleet.bundle(&version), &[]).unwrap();
    fleet.publish();
    fleet.roll_out(&version);
    let named = format!("{MODEL} {version}");
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let cases = fleet.next_pictures().await;
        let models: Vec<_> = cases.iter().map(|case| case["model"].clone()).collect();
        if models.iter().all(|model| *model == named) {
            break;
        }
        // The canary before everybody else.
        assert!(
            models[0] == named || models[1..].iter().all(|model| *model != named),
            "{models:?}"
        );
        assert!(
            tokio::time::Instant::now() < deadline,
            "{models:?}\n{}\n{}",
            fleet.rollout_says(&version),
            fleet.logs()
        );
    }
    wait_for("the rollout to be finished", PATIENCE, async || {
        let told = fleet.rollout_says(&version);
        if told.contains("finished") {
            return Ok(());
        }
        fleet.next_pictures().await;
        Err(told)
    })
    .await
    .unwrap_or_else(|error| panic!("{error}\n{}", fleet.logs()));

    // An expert who errs every time makes a candidate that the gate does not let pass.
    fleet.correct(&labelled, true).await;
    let worse = fleet.run(&settings);
    let verdict = format!("{:?}", fleet.maintainer.run(&["model", "report", MODEL, &worse]));
    assert!(verdict.contains("refused"), "{verdict}");
    let out = fleet.folder().join("never");
    let fetched = fleet
        .maintainer
        .run(&["model", "candidate", MODEL, &worse, "--out", path(&out)])
        .unwrap_err();
    assert!(fetched.to_string().contains("AUC"), "{fetched}");

    // A release that is signed and whole, but does not give its golden answers on the box, stops there.
    fleet.correct(&labelled, false).await;
    let broken = fleet.run(&settings);
    let bundle = fleet.bundle(&broken);
    spoil_golden(&bundle);
    let refused = fleet.sign(&bundle, &[]).unwrap_err();
    assert!(refused.to_string().contains("golden"), "{refused}");
    fleet.sign(&bundle, &["--untested"]).unwrap();
    fleet.publish();
    fleet.roll_out(&broken);
    wait_for("the rollout to be taken back", PATIENCE, async || {
        let told = fleet.rollout_says(&broken);
        if told.contains("rolled back") {
            Ok(())
        } else {
            Err(told)
        }
    })
    .await
    .unwrap_or_else(|error| panic!("{error}\n{}", fleet.logs()));
    let ended = fleet.status(0).await["ended"].clone();
    assert_eq!(ended["model"], format!("{MODEL} {broken}"), "{ended}");
    for case in fleet.next_pictures().await {
        assert_eq!(case["model"], named, "the proven version answers on");
    }
    pages_tell(&fleet, &version, &worse).await;
    // No image and no label left a clinic.
    let hub = fs::read_dir(fleet.hub.state().join("chunks")).unwrap().count();
    assert!(0 < hub, "updates came as chunks");
    assert!(!fleet.logs().contains("panicked"));
}
