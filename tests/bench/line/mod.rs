//! What a township's line has to carry, and how soon somebody at the other end sees something.
//!
//! - The line carries real packets between two network stacks ([`barefoot_test_support::packets`]): 256 kbit/s, 300 ms there
//!   and back, 3 % lost, each way. Bytes are those of IP packets that went either way, lost ones and connecting included.
//! - `result_batch_bytes`: a backlog of results, queued while the line was down, until all are receipted, divided by their
//!   number. `result_single_bytes`: one after the other on a line that stands, each receipted before the next comes.
//! - The study: one radiograph of 2500 by 3000 pixels. Ours: from the box's assessment until the hub shows the first picture,
//!   and until it has every pixel. `c-store`: the same file by dcmtk's `storescu` over the same line to Orthanc; the first
//!   picture is there when the image is.
//!
//! Needs root: network namespaces and TUN devices.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use barefoot_test_support::daemons::{Edge, EdgeOptions, Hub, Region};
use barefoot_test_support::http::get_json;
use barefoot_test_support::line::Quality;
use barefoot_test_support::packets::PacketLine;
use barefoot_test_support::phantom::{Chest, Size};
use barefoot_test_support::scanner::{DicomFile, Scanner};
use barefoot_test_support::wait::wait_for;
use barefoot_test_support::{Instance, bundle};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::orthanc::Orthanc;
use crate::report::{Report, Target};

pub(crate) const NAME: &str = "line";

const BACKLOG: u64 = 200;
const SINGLE: u64 = 10;
const SIDE: u16 = 32;
/// 15 MB at 256 kbit/s take eight minutes where nothing is lost.
const PATIENCE: Duration = Duration::from_secs(3600);
/// Nothing arrives at all.
const DEAD: Quality = Quality {
    latency: Duration::ZERO,
    bandwidth: None,
    loss: 1.0,
};

pub(crate) async fn run() -> anyhow::Result<Report> {
    let (ours, plain) = (our_way().await?, by_c_store().await?);
    let runs = vec![
        json!({ "side": "barefoot", "figures": ours }),
        json!({ "side": "c-store", "figures": plain }),
    ];
    let limit = BTreeMap::from([("result_batch_bytes".to_owned(), 1_536.0)]);
    let peers = BTreeMap::from([("c-store".to_owned(), plain), ("limit".to_owned(), limit)]);
    let mut report = Report::new(NAME, ours, peers, runs);
    report.targets = vec![
        Target::at_most("limit.result_batch_bytes".into(), 1.0),
        Target::at_most("c-store.first_picture_s".into(), 0.1),
        Target::at_most("c-store.study_bytes".into(), 0.6),
    ];
    Ok(report)
}

fn carried(line: &PacketLine) -> u64 {
    line.up().bytes + line.down().bytes
}

async fn our_way() -> anyhow::Result<BTreeMap<String, f64>> {
    let line = PacketLine::start(Quality::TOWNSHIP).await?;
    let region = Region::for_hosts(&[PacketLine::HUB.to_string()])?;
    let mut hub = region.imaging_hub()?;
    listen_on(hub.config(), &PacketLine::HUB.to_string())?;
    hub.start().await?;
    let options = EdgeOptions {
        after_release_ms: 0,
        bundle: bundle::urgent(region.folder())?,
        dicom_listen: format!("{}:0", PacketLine::PAGES),
        page_listen: format!("{}:0", PacketLine::PAGES),
        link: "max_backoff_s = 2\n".to_owned(),
        more: format!(
            "[images]\nhub = \"{}\"\nmax_backoff_s = 2\n",
            hub.address("images")?
        ),
        ..EdgeOptions::default()
    };
    let mut edge = region.edge("clinic-7", hub.address("mqtt")?, &options)?;
    edge.set_policy("[hub]\nimages_of = [\"critical\"]\n")?;
    edge.within = line.in_clinic();
    edge.start().await?;
    let folder = tempfile::tempdir()?;
    let mut figures = BTreeMap::new();

    // The first one pays for the connection.
    send_small(&edge, folder.path(), 0..1).await?;
    receipted(&edge, 1).await?;
    let before = carried(&line);
    for number in 1..=SINGLE {
        send_small(&edge, folder.path(), number..number + 1).await?;
        receipted(&edge, number as usize + 1).await?;
    }
    let single = (carried(&line) - before) as f64 / SINGLE as f64;
    figures.insert("result_single_bytes".to_owned(), single);
    println!("A result by itself: {single:.0} bytes.");

    line.set(DEAD);
    send_small(&edge, folder.path(), 100..100 + BACKLOG).await?;
    let queued = wait_for("the backlog", PATIENCE, async || {
        let pending = edge
            .status()
            .await
            .map_err(|error| error.to_string())?
            .queue
            .pending;
        if BACKLOG <= pending {
            Ok(())
        } else {
            Err(pending.to_string())
        }
    });
    queued.await?;
    let before = carried(&line);
    line.set(Quality::TOWNSHIP);
    receipted(&edge, (1 + SINGLE + BACKLOG) as usize).await?;
    let batch = (carried(&line) - before) as f64 / BACKLOG as f64;
    figures.insert("result_batch_bytes".to_owned(), batch);
    println!("A result of a backlog of {BACKLOG}: {batch:.0} bytes.");

    let file = radiograph(folder.path())?;
    let before = carried(&line);
    store(&edge, &file).await?;
    let study = file.study_uid.clone().context("a study")?;
    let case = wait_for("the assessment", PATIENCE, async || {
        let cases = edge.cases().await.map_err(|error| error.to_string())?;
        let found = cases
            .into_iter()
            .find(|case| case.study_uid == study && case.state == "assessed");
        found.ok_or_else(|| "not yet".to_owned())
    });
    case.await?;
    let detected = Instant::now();
    let first = at_hub(&hub, |images| {
        images.get("quick_look") == Some(&Value::Bool(true))
    })
    .await?;
    figures.insert("first_picture_s".to_owned(), (first - detected).as_secs_f64());
    println!(
        "The first picture after {:.1} s.",
        (first - detected).as_secs_f64()
    );
    let whole = at_hub(&hub, |images| {
        images.get("instances").and_then(Value::as_u64) == Some(1)
    })
    .await?;
    figures.insert("study_s".to_owned(), (whole - detected).as_secs_f64());
    figures.insert("study_bytes".to_owned(), (carried(&line) - before) as f64);
    println!("The study after {:.1} s.", (whole - detected).as_secs_f64());
    edge.stop().await?;
    hub.stop().await?;
    Ok(figures)
}

async fn by_c_store() -> anyhow::Result<BTreeMap<String, f64>> {
    let line = PacketLine::start(Quality::TOWNSHIP).await?;
    let folder = tempfile::tempdir()?;
    let (orthanc, _) = Orthanc::start(folder.path()).await?;
    let port = orthanc.dicom.rsplit_once(':').context("a port")?.1.to_owned();
    let file = radiograph(folder.path())?;
    let mut words = line.in_clinic().into_iter();
    let mut command = Command::new(words.next().context("a command")?);
    command.args(words).args(["storescu", "-aec", "BAREFOOT"]);
    command.arg(PacketLine::HUB.to_string()).arg(port).arg(&file.path);
    let begun = Instant::now();
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    ensure!(
        output.status.success(),
        "storescu failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    orthanc.picture_of(1).await?;
    let seconds = begun.elapsed().as_secs_f64();
    println!("By C-STORE after {seconds:.1} s.");
    Ok(BTreeMap::from([
        ("first_picture_s".to_owned(), seconds),
        ("study_s".to_owned(), seconds),
        ("study_bytes".to_owned(), carried(&line) as f64),
    ]))
}

/// A hub that serves the line instead of loopback.
fn listen_on(config: &Path, host: &str) -> anyhow::Result<()> {
    let text = fs::read_to_string(config)?;
    Ok(fs::write(
        config,
        text.replace("127.0.0.1:0", &format!("{host}:0")),
    )?)
}

fn radiograph(folder: &Path) -> anyhow::Result<DicomFile> {
    let path = folder.join("radiograph.dcm");
    let chest = Chest {
        seed: 11,
        size: Size::Full,
        ..Chest::default()
    };
    chest.instance().save(&path)?;
    Ok(DicomFile::open(&path)?)
}

async fn send_small(edge: &Edge, folder: &Path, numbers: std::ops::Range<u64>) -> anyhow::Result<()> {
    for number in numbers {
        let samples = (0..i16::try_from(SIDE * SIDE)?).map(|at| at ^ (number as i16));
        let instance = Instance::filler_slice(&format!("line {number}"), 1, SIDE, samples.collect());
        let path = folder.join(format!("{number}.dcm"));
        instance.save(&path)?;
        store(edge, &DicomFile::open(&path)?).await?;
    }
    Ok(())
}

async fn store(edge: &Edge, file: &DicomFile) -> anyhow::Result<()> {
    let scanner = Scanner::new(edge.address("dicom")?, "BAREFOOT", "SIM_DR1");
    let mut status = None;
    scanner
        .send(std::slice::from_ref(file), |outcome| status = outcome.status)
        .await;
    ensure!(status == Some(0), "the box answered {status:?}");
    Ok(())
}

async fn receipted(edge: &Edge, results: usize) -> anyhow::Result<()> {
    let done = wait_for("the receipts", PATIENCE, async || {
        let cases = edge.cases().await.map_err(|error| error.to_string())?;
        let done = cases.iter().filter(|case| case.delivery == "receipted").count();
        if done == results {
            Ok(())
        } else {
            Err(format!("{done} of {results}"))
        }
    });
    Ok(done.await?)
}

/// When a result's images are as wanted.
async fn at_hub(hub: &Hub, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Instant> {
    let seen = wait_for("the images", PATIENCE, async || {
        let answer = get_json(
            hub.address("page").map_err(|error| error.to_string())?,
            "/api/results?limit=1000",
        )
        .await
        .map_err(|error| error.to_string())?;
        let results = answer
            .get("results")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        match results
            .iter()
            .any(|result| result.get("images").is_some_and(&wanted))
        {
            true => Ok(Instant::now()),
            false => Err("not yet".to_owned()),
        }
    });
    Ok(seen.await?)
}
