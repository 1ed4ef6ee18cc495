//! A clinic, its line and its hub, and the questions the tests ask of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use barefoot_test_support::daemons::{Broker, Edge, EdgeOptions, Hub, Region, workspace};
use barefoot_test_support::http::get_json;
use barefoot_test_support::line::Line;
use barefoot_test_support::phantom::{Chest, CtSlice, Size};
use barefoot_test_support::scanner::{Associations, DicomFile, Outcome, Scanner};
use barefoot_test_support::wait::wait_for;
use serde_json::Value;

pub(crate) const CLINIC: &str = "clinic-7";

/// Generous: the machine may be busy with something else.
pub(crate) const SOON: Duration = Duration::from_secs(90);

pub(crate) struct Story {
    pub(crate) edge: Edge,
    pub(crate) hub: Hub,
    pub(crate) line: Line,
    /// Kept running until the story ends.
    _broker: Option<Broker>,
    // Last, so that its folder goes after the programs that use it.
    pub(crate) region: Region,
}

impl Story {
    /// Hub and clinic running, with the hub as the clinics' own endpoint.
    pub(crate) async fn begin(options: &EdgeOptions) -> Self {
        let region = Region::new().unwrap();
        let mut hub = region.hub("en", "127.0.0.1:0").unwrap();
        hub.start().await.unwrap();
        let line = Line::start(hub.address("mqtt").unwrap()).await.unwrap();
        Self::with(region, hub, line, None, options).await
    }

    /// The same with Mosquitto between the two.
    pub(crate) async fn begin_behind_broker(options: &EdgeOptions) -> Self {
        let region = Region::new().unwrap();
        let broker = Broker::start(&region).await.unwrap();
        let mut hub = region.hub_behind(&broker).unwrap();
        hub.start().await.unwrap();
        let line = Line::start(broker.address()).await.unwrap();
        Self::with(region, hub, line, Some(broker), options).await
    }

    /// Of parts that a test has started in its own way.
    pub(crate) fn of(region: Region, hub: Hub, line: Line, edge: Edge) -> Self {
        Self {
            edge,
            hub,
            line,
            _broker: None,
            region,
        }
    }

    /// A hub that takes images, and a line of their own for them. `images` goes into the site file's `[images]`.
    pub(crate) async fn begin_with_images(options: &EdgeOptions, images: &str) -> (Self, Line) {
        let region = Region::new().unwrap();
        let hub = region.imaging_hub().unwrap();
        Self::with_images(region, hub, options, images).await
    }

    /// A hub at which experts read cases, its page where it was told to be.
    pub(crate) async fn begin_with_experts(options: &EdgeOptions, page_listen: &str) -> (Self, Line) {
        let region = Region::new().unwrap();
        let hub = region.reading_hub(page_listen).unwrap();
        Self::with_images(region, hub, options, "").await
    }

    async fn with_images(region: Region, mut hub: Hub, options: &EdgeOptions, images: &str) -> (Self, Line) {
        hub.start().await.unwrap();
        let line = Line::start(hub.address("mqtt").unwrap()).await.unwrap();
        let image_line = Line::start(hub.address("images").unwrap()).await.unwrap();
        let options = EdgeOptions {
            more: format!(
                "{}\n[images]\nhub = \"{}\"\nmax_backoff_s = 1\n{images}\n",
                options.more, image_line.address
            ),
            ..options.clone()
        };
        (Self::with(region, hub, line, None, &options).await, image_line)
    }

    async fn with(
        region: Region,
        hub: Hub,
        line: Line,
        broker: Option<Broker>,
        options: &EdgeOptions,
    ) -> Self {
        let mut edge = region.edge(CLINIC, &line.address.to_string(), options).unwrap();
        edge.start().await.unwrap();
        Self {
            edge,
            hub,
            line,
            _broker: broker,
            region,
        }
    }

    pub(crate) fn scanner(&self) -> Scanner {
        Scanner::new(self.edge.address("dicom").unwrap(), "BAREFOOT", "SIM_DR1")
    }

    pub(crate) async fn send(&self, files: &[DicomFile]) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let scanner = Scanner {
            associations: Associations::PerStudy,
            ..self.scanner()
        };
        scanner.send(files, |outcome| outcomes.push(outcome)).await;
        outcomes
    }

    /// Sends and insists on success.
    pub(crate) async fn store(&self, files: &[DicomFile]) {
        for outcome in self.send(files).await {
            assert_eq!(outcome.status, Some(0), "{:?}\n{}", outcome.error, self.logs());
        }
    }

    pub(crate) async fn cases(&self) -> Vec<Value> {
        let answer = get_json(self.edge.address("page").unwrap(), "/api/cases?limit=10000")
            .await
            .unwrap();
        answer["cases"].as_array().unwrap().clone()
    }

    pub(crate) async fn case_of(&self, file: &DicomFile) -> Option<Value> {
        let study = file.study_uid.as_deref().unwrap();
        self.cases()
            .await
            .into_iter()
            .find(|case| case["study_uid"] == study)
    }

    pub(crate) async fn results(&self) -> Vec<Value> {
        let answer = get_json(self.hub.address("page").unwrap(), "/api/results?limit=10000")
            .await
            .unwrap();
        answer["results"].as_array().unwrap().clone()
    }

    pub(crate) async fn edge_status(&self) -> Value {
        get_json(self.edge.address("page").unwrap(), "/api/status")
            .await
            .unwrap()
    }

    /// Waits until every case of the clinic is assessed.
    pub(crate) async fn all_assessed(&self, cases: usize) -> Vec<Value> {
        let waited = wait_for("every case to be assessed", SOON, async || {
            let all = self.cases().await;
            let done = all.iter().filter(|case| case["state"] == "assessed").count();
            if all.len() == cases && done == cases {
                Ok(all)
            } else {
                Err(format!("{done} of {}", all.len()))
            }
        })
        .await;
        waited.unwrap_or_else(|error| panic!("{error}\n{}", self.logs()))
    }

    /// Waits until every case has its receipt and the queue is empty, and checks that the hub holds exactly those.
    pub(crate) async fn all_receipted(&self, cases: usize) -> Vec<Value> {
        let waited = wait_for("every result to be receipted", SOON, async || {
            let all = self.cases().await;
            let done = all.iter().filter(|case| case["delivery"] == "receipted").count();
            let pending = self.edge_status().await["queue"]["pending"].as_u64();
            if all.len() == cases && done == cases && pending == Some(0) {
                Ok(all)
            } else {
                Err(format!(
                    "{done} of {} receipted, {pending:?} in the queue",
                    all.len()
                ))
            }
        })
        .await;
        let all = waited.unwrap_or_else(|error| panic!("{error}\n{}", self.logs()));
        self.hub_holds_exactly(&all).await;
        all
    }

    /// Nothing lost, nothing doubled, nothing changed on the way.
    pub(crate) async fn hub_holds_exactly(&self, cases: &[Value]) {
        let results = self.results().await;
        let key = |value: &Value| {
            (
                value["case_id"].as_str().unwrap().to_owned(),
                value["version"].as_u64().unwrap(),
            )
        };
        let unique: BTreeSet<_> = results.iter().map(key).collect();
        assert_eq!(unique.len(), results.len(), "a result is at the hub twice");
        let by_key: BTreeMap<_, _> = results.iter().map(|result| (key(result), result)).collect();
        for case in cases {
            let result = by_key
                .get(&key(case))
                .unwrap_or_else(|| panic!("the hub misses {case}"));
            assert_eq!(result["clinic"], CLINIC);
            for same in [
                "findings",
                "urgency",
                "reasons",
                "quality",
                "modality",
                "engine",
                "precision",
            ] {
                assert_eq!(result[same], case[same], "{same}");
            }
        }
    }

    pub(crate) fn logs(&self) -> String {
        let tail = |log: String| {
            log.lines()
                .rev()
                .take(40)
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .collect::<Vec<_>>()
                .join("\n")
        };
        format!(
            "--- edge\n{}\n--- hub\n{}",
            tail(self.edge.log()),
            tail(self.hub.log())
        )
    }
}

/// The folder of real images, where it is at hand.
pub(crate) fn data() -> Option<PathBuf> {
    let folder = workspace().join("../shared/data");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("The folder of real images is not here; this part of the test has nothing to do.");
    None
}

/// Small chest phantoms on disk, each a study of its own.
pub(crate) fn chests(folder: &tempfile::TempDir, seeds: std::ops::Range<u64>) -> Vec<DicomFile> {
    seeds
        .map(|seed| {
            let path = folder.path().join(format!("chest-{seed}.dcm"));
            Chest::varied(seed, Size::Small, Default::default())
                .instance()
                .save(&path)
                .unwrap();
            DicomFile::open(&path).unwrap()
        })
        .collect()
}

/// One CT study.
pub(crate) fn ct(folder: &tempfile::TempDir, slices: u32) -> Vec<DicomFile> {
    (1..=slices)
        .map(|number| {
            let path = folder.path().join(format!("ct-{number}.dcm"));
            CtSlice {
                seed: 9,
                number,
                charset: Default::default(),
            }
            .instance()
            .save(&path)
            .unwrap();
            DicomFile::open(&path).unwrap()
        })
        .collect()
}
