//! How long a clinic waits for a study, and where the time goes: from the last byte sent to the result on the page, beside
//! Orthanc, which assesses nothing, with the picture on its page; study by study in turn.
//!
//! - `dx`: a radiograph of 2500×3000 pixels, 16 bit, with the default bundle.
//! - `ct`: 300 slices in one association, with a model that takes every slice: the default bundle under another manifest,
//!   since only its work counts here.
//!
//! The settling time is set to zero, so that only work counts. Pages are asked every 5 ms. Shares are of the time in the
//! stages, as the box counts them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use barefoot_test_support::Charset;
use barefoot_test_support::bundle;
use barefoot_test_support::daemons::{Edge, EdgeOptions, Region};
use barefoot_test_support::http::get;
use barefoot_test_support::phantom::{Chest, CtSlice, Size};
use barefoot_test_support::processes::memory_mib;
use barefoot_test_support::scanner::{DicomFile, Scanner};
use serde_json::json;

use crate::orthanc::Orthanc;
use crate::report::{Report, latencies, rounds};

pub(crate) const NAME: &str = "study";

const RADIOGRAPHS: usize = 100;
const SCANS: usize = 5;
const SLICES: u32 = 300;
const PATIENCE: Duration = Duration::from_secs(120);
const ASK_EVERY: Duration = Duration::from_millis(5);

/// Seconds in each stage since the start, as the box counts them.
type Stages = BTreeMap<String, f64>;

pub(crate) async fn run() -> anyhow::Result<Report> {
    let region = Region::new()?;
    let mut hub = region.hub("en", "127.0.0.1:0")?;
    hub.start().await?;
    let (orthanc, _) = Orthanc::start(region.folder()).await?;
    let mut shown = Shown {
        ours: BTreeMap::new(),
        theirs: BTreeMap::new(),
        runs: Vec::new(),
        sent: 0,
    };
    for (kind, usual) in [("dx", RADIOGRAPHS), ("ct", SCANS)] {
        let bundle = match kind {
            "ct" => bundle::of_slices(region.folder())?,
            _ => EdgeOptions::default().bundle,
        };
        let options = EdgeOptions {
            after_release_ms: 0,
            bundle,
            more: "[metrics]\nlisten = \"127.0.0.1:0\"\n".to_owned(),
            ..EdgeOptions::default()
        };
        let mut edge = region.edge(kind, hub.address("mqtt")?, &options)?;
        edge.start().await?;
        shown.measure(kind, rounds(usual)?, &edge, &orthanc).await?;
        edge.stop().await?;
    }
    hub.stop().await?;
    let peers = BTreeMap::from([("orthanc".to_owned(), shown.theirs)]);
    Ok(Report::new(NAME, shown.ours, peers, shown.runs))
}

/// What was measured so far.
struct Shown {
    ours: BTreeMap<String, f64>,
    theirs: BTreeMap<String, f64>,
    runs: Vec<serde_json::Value>,
    /// Images Orthanc has.
    sent: usize,
}

impl Shown {
    async fn measure(
        &mut self,
        kind: &str,
        studies: usize,
        edge: &Edge,
        orthanc: &Orthanc,
    ) -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let (mut our_waits, mut their_waits) = (Vec::new(), Vec::new());
        let before = stages(edge).await?;
        for number in 0..studies {
            let files = study(kind, number as u64, folder.path().to_owned())?;
            let study_uid = files.first().and_then(|file| file.study_uid.clone());
            let study_uid = study_uid.context("a study has a name")?;
            let last_byte = send(edge.address("dicom")?, &files).await?;
            until_shown(edge, &study_uid).await?;
            our_waits.push(last_byte.elapsed());
            self.sent += files.len();
            let last_byte = send(&orthanc.dicom, &files).await?;
            orthanc.picture_of(self.sent).await?;
            their_waits.push(last_byte.elapsed());
        }
        let spent = since(&before, &stages(edge).await?);
        let in_all: f64 = spent.values().sum();
        for (stage, seconds) in &spent {
            let share = 100.0 * seconds / in_all.max(f64::MIN_POSITIVE);
            self.ours.insert(format!("{kind}_{stage}_percent"), share);
        }
        for (waits, figures) in [(&our_waits, &mut self.ours), (&their_waits, &mut self.theirs)] {
            for (figure, value) in latencies(waits) {
                figures.insert(format!("{kind}_{figure}"), value);
            }
        }
        let peak =
            |pid: Option<u32>| memory_mib(pid.context("it runs")?, "VmHWM").map_err(anyhow::Error::from);
        self.ours.insert(format!("{kind}_peak_mib"), peak(edge.pid())?);
        self.theirs
            .insert(format!("{kind}_peak_mib"), peak(Some(orthanc.pid()))?);
        for (ours, theirs) in our_waits.iter().zip(&their_waits) {
            self.runs.push(json!({
                "study": kind,
                "ours_ms": ours.as_secs_f64() * 1000.0,
                "orthanc_ms": theirs.as_secs_f64() * 1000.0,
            }));
        }
        Ok(())
    }
}

fn study(kind: &str, number: u64, folder: PathBuf) -> anyhow::Result<Vec<DicomFile>> {
    let instances: Vec<_> = match kind {
        "ct" => (1..=SLICES)
            .map(|slice| {
                let slice = CtSlice {
                    seed: number,
                    number: slice,
                    charset: Charset::Utf8,
                };
                slice.instance()
            })
            .collect(),
        _ => {
            let chest = Chest {
                seed: number,
                size: Size::Full,
                ..Chest::default()
            };
            vec![chest.instance()]
        }
    };
    let save = |(place, instance): (usize, &barefoot_test_support::Instance)| {
        let path = folder.join(format!("{place}.dcm"));
        instance.save(&path)?;
        Ok(DicomFile::open(&path)?)
    };
    instances.iter().enumerate().map(save).collect()
}

/// When the last byte of the last image was sent.
async fn send(address: &str, files: &[DicomFile]) -> anyhow::Result<Instant> {
    let scanner = Scanner::new(address, "BAREFOOT", "SIM_DR1");
    let (mut last_byte, mut error) = (None, None);
    scanner
        .send(files, |outcome| {
            last_byte = last_byte.max(outcome.last_byte_at);
            error = error.take().or(outcome.error);
        })
        .await;
    if let Some(error) = error {
        anyhow::bail!("an image was not taken: {error}");
    }
    last_byte.context("images were sent")
}

async fn until_shown(edge: &Edge, study_uid: &str) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let cases = edge.cases().await?;
        let case = cases.iter().find(|case| case.study_uid == study_uid);
        if case.is_some_and(|case| case.state == "assessed") {
            return Ok(());
        }
        anyhow::ensure!(begun.elapsed() < PATIENCE, "the result never showed");
        tokio::time::sleep(ASK_EVERY).await;
    }
}

async fn stages(edge: &Edge) -> anyhow::Result<Stages> {
    let text = String::from_utf8(get(edge.address("metrics")?, "/metrics").await?)?;
    let of_stage = |line: &str| {
        let (stage, seconds) = line
            .strip_prefix("barefoot_edge_stage_seconds_total{stage=\"")?
            .split_once("\"} ")?;
        Some((stage.to_owned(), seconds.parse().ok()?))
    };
    Ok(text.lines().filter_map(of_stage).collect())
}

fn since(before: &Stages, after: &Stages) -> Stages {
    let spent = |(stage, seconds): (&String, &f64)| {
        let earlier = before.get(stage).copied().unwrap_or_default();
        (stage.clone(), seconds - earlier)
    };
    after.iter().map(spent).collect()
}
