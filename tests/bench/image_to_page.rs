//! How long a clinic waits, beside Orthanc on the same images in the same run, image by image in turn.
//!
//! - `store`: the whole association, from the call to the release.
//! - `page`: from the last byte sent to what the page shows: for us the assessed case in the list, for Orthanc, which
//!   assesses nothing, the picture. The settling time is set to zero, so that only work counts. Pages are asked every
//!   25 ms.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use barefoot_test_support::daemons::{Daemon, Edge, EdgeOptions, Region};
use barefoot_test_support::phantom::{Chest, CtSlice, Size};
use barefoot_test_support::processes::memory_mib;
use barefoot_test_support::scanner::{DicomFile, Scanner};
use barefoot_test_support::wait::wait_for;
use barefoot_test_support::{Charset, Instance};
use serde_json::json;

use crate::orthanc::Orthanc;
use crate::report::{Report, latencies};

pub(crate) const NAME: &str = "image-to-page";

const IMAGES: u64 = 40;
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn run() -> anyhow::Result<Report> {
    let region = Region::new()?;
    let (mut ours, mut theirs) = (BTreeMap::new(), BTreeMap::new());
    let mut runs = Vec::new();

    let mut hub = region.hub("en", "127.0.0.1:0")?;
    ours.insert("hub_start_ms".to_owned(), started(&mut hub).await?);
    let options = EdgeOptions {
        after_release_ms: 0,
        ..EdgeOptions::default()
    };
    let mut edge = region.edge("bench", hub.address("mqtt")?, &options)?;
    ours.insert("start_ms".to_owned(), started(&mut edge).await?);
    let (orthanc, start) = Orthanc::start(region.folder()).await?;
    theirs.insert("start_ms".to_owned(), milliseconds(start));
    // Start-up work is over when nothing is asked of them any more.
    tokio::time::sleep(Duration::from_secs(2)).await;
    ours.insert("hub_idle_mib".to_owned(), memory_mib(pid(&hub)?, "VmRSS")?);
    ours.insert("idle_mib".to_owned(), memory_mib(pid(&edge)?, "VmRSS")?);
    theirs.insert("idle_mib".to_owned(), memory_mib(orthanc.pid(), "VmRSS")?);

    let mut sent = 0;
    for kind in ["dx_2500x3000", "ct_512x512"] {
        let mut waits: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
        for number in 1..=IMAGES {
            let instance = picture(kind, number);
            let path = region.folder().join("bench.dcm");
            instance.save(&path)?;
            sent += 1;
            let (store, page) = to_us(&edge, &instance, &path).await?;
            let (their_store, their_page) = to_orthanc(&orthanc, sent, &path).await?;
            runs.push(json!({
                "picture": kind,
                "ours": { "store_ms": milliseconds(store), "page_ms": milliseconds(page) },
                "orthanc": { "store_ms": milliseconds(their_store), "page_ms": milliseconds(their_page) },
            }));
            for (what, wait) in [
                ("our store", store),
                ("our page", page),
                ("their store", their_store),
                ("their page", their_page),
            ] {
                waits.entry(what).or_default().push(wait);
            }
        }
        for (side, figures) in [("our", &mut ours), ("their", &mut theirs)] {
            for what in ["store", "page"] {
                let key = format!("{side} {what}");
                for (figure, value) in latencies(waits.get(key.as_str()).map_or(&[], Vec::as_slice)) {
                    figures.insert(format!("{kind}_{what}_{figure}"), value);
                }
            }
        }
    }
    ours.insert("peak_mib".to_owned(), memory_mib(pid(&edge)?, "VmHWM")?);
    theirs.insert("peak_mib".to_owned(), memory_mib(orthanc.pid(), "VmHWM")?);
    edge.stop().await?;
    hub.stop().await?;
    for name in ["barefoot-edge", "barefoot-hub"] {
        let program = std::env::current_exe()?.with_file_name(name);
        let bytes = program.metadata().context("the programs lie side by side")?.len();
        ours.insert(format!("{name}_binary_mib"), bytes as f64 / 1_048_576.0);
    }
    Ok(Report::new(
        NAME,
        ours,
        BTreeMap::from([("orthanc".to_owned(), theirs)]),
        runs,
    ))
}

fn picture(kind: &str, number: u64) -> Instance {
    if kind.starts_with("ct") {
        return CtSlice {
            seed: number,
            number: 1,
            charset: Charset::Utf8,
        }
        .instance();
    }
    Chest {
        seed: number,
        size: Size::Full,
        ..Chest::default()
    }
    .instance()
}

/// Time to store, and from then to the result on the page.
async fn to_us(edge: &Edge, instance: &Instance, path: &Path) -> anyhow::Result<(Duration, Duration)> {
    let (store, last_byte) = send(edge.address("dicom")?, path).await?;
    wait_for("the result on the page", PATIENCE, async || {
        let cases = edge.cases().await.map_err(|error| error.to_string())?;
        let case = cases.iter().find(|case| case.study_uid == instance.study_uid);
        match case {
            Some(case) if case.state == "assessed" => Ok(()),
            Some(case) => Err(case.state.clone()),
            None => Err("not listed".to_owned()),
        }
    })
    .await?;
    Ok((store, last_byte.elapsed()))
}

async fn to_orthanc(orthanc: &Orthanc, number: usize, path: &Path) -> anyhow::Result<(Duration, Duration)> {
    let (store, last_byte) = send(&orthanc.dicom, path).await?;
    orthanc.picture_of(number).await?;
    Ok((store, last_byte.elapsed()))
}

/// The time of the association, and when the last byte was sent.
async fn send(address: &str, path: &Path) -> anyhow::Result<(Duration, Instant)> {
    let file = DicomFile::open(path)?;
    let scanner = Scanner::new(address, "BAREFOOT", "SIM_DR1");
    let begun = Instant::now();
    let mut last_byte = None;
    let mut error = None;
    scanner
        .send(&[file], |outcome| {
            last_byte = outcome.last_byte_at;
            error = outcome.error;
        })
        .await;
    let store = begun.elapsed();
    if let Some(error) = error {
        anyhow::bail!("the image was not taken: {error}");
    }
    Ok((store, last_byte.context("one image, one outcome")?))
}

async fn started(daemon: &mut Daemon) -> anyhow::Result<f64> {
    let begun = Instant::now();
    daemon.start().await?;
    Ok(milliseconds(begun.elapsed()))
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn pid(daemon: &Daemon) -> anyhow::Result<u32> {
    daemon.pid().context("it runs")
}
