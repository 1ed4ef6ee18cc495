//! The intake beside other people's: instances a second, processor time and memory of C-STORE, one client and one
//! corpus for all, in one run.
//!
//! - The client is ours: instances lie in memory cut into PDUs before the time begins, `TCP_NODELAY`, `TCP_QUICKACK`
//!   (without it a peer that answers in two writes loses 40 ms an image). The time runs from the first connection to the
//!   last release; each association is a thread. Instances are dealt to associations in equal runs.
//! - Every server starts fresh with an empty folder for every measurement; the servers take turns, figures are medians
//!   over the rounds. Between measurements the file system is synced and files are emptied, not removed, so that none
//!   pays for another's.
//! - `barefoot` is the release build with its model loaded and its settings as shipped, but for: studies settle after ten
//!   minutes, so that no assessment runs beside the intake, and its hub is not there. Orthanc has its default settings
//!   (it syncs each file). `storescp` and `dicom-rs` (`--non-blocking`) sync nothing.
//! - `disk` is no server: what the same file system takes of the same bytes, durably, from as many threads without any
//!   network (see `ceiling`).
//! - `cpu_ms` is the server's processor time for one instance, its children's included. `peak_mib` is of one process;
//!   with `--fork` the children are not in it.

mod ceiling;
mod corpus;
mod load;
mod servers;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use barefoot_test_support::daemons::Region;
use serde_json::{Value, json};

use crate::report::{self, Report, Target, percentile};
use corpus::Corpus;
use servers::Kind;

pub(crate) const NAME: &str = "dicom";

const ASSOCIATIONS: [usize; 3] = [1, 4, 8];
const ROUNDS: usize = 5;

/// What the sync ceiling of the disk is called among the peers.
const DISK: &str = "disk";

type Figures = BTreeMap<String, Vec<f64>>;

pub(crate) async fn run() -> anyhow::Result<Report> {
    let rounds = report::rounds(ROUNDS)?;
    println!(
        "Making the corpus: {} CT slices, {} radiographs.",
        corpus::CT_SLICES,
        corpus::RADIOGRAPHS
    );
    let corpora = [corpus::ct()?, corpus::radiographs()?];
    let region = Region::new()?;
    let mut sides: BTreeMap<&str, Figures> = BTreeMap::new();
    let mut runs = Vec::new();
    for round in 0..rounds {
        for corpus in &corpora {
            for associations in ASSOCIATIONS {
                for kind in Kind::ALL {
                    rustix::fs::sync();
                    let figures = measure(kind, &region, corpus, associations)
                        .await
                        .with_context(|| format!("{} with {associations} associations", kind.name()))?;
                    note(&mut sides, &mut runs, kind.name(), round, figures);
                }
                let folder = region
                    .folder()
                    .join(format!("disk-{round}-{}-{associations}", corpus.name));
                let figures = disk(&folder, corpus, associations, round)?;
                note(&mut sides, &mut runs, DISK, round, figures);
            }
            println!("Round {} of {rounds}: {} measured.", round + 1, corpus.name);
        }
    }
    let mut medians: BTreeMap<String, BTreeMap<String, f64>> = sides
        .into_iter()
        .map(|(side, figures)| (side.to_owned(), medians(&figures)))
        .collect();
    let ours = medians
        .remove(Kind::Barefoot.name())
        .context("ours was measured")?;
    if let Some(disk) = medians.get_mut(DISK) {
        best_of_ways(disk);
    }
    let mut report = Report::new(NAME, ours, medians, runs);
    report.targets = targets();
    Ok(report)
}

fn targets() -> Vec<Target> {
    let mut targets = Vec::new();
    for (associations, least) in [(1, 2.0), (4, 3.0), (8, 3.0)] {
        targets.push(Target::at_least(
            format!("orthanc.ct_{associations}_instances_per_s"),
            least,
        ));
        targets.push(Target::at_most(
            format!("orthanc.ct_{associations}_cpu_ms"),
            1.0 / 3.0,
        ));
    }
    targets.push(Target::at_least("storescp.ct_8_instances_per_s".into(), 0.8));
    for associations in ASSOCIATIONS {
        for figure in ["ct_{}_instances_per_s", "dr_{}_mb_per_s"] {
            let figure = figure.replace("{}", &associations.to_string());
            targets.push(Target::at_least(format!("{DISK}.{figure}"), 0.7));
        }
    }
    targets
}

async fn measure(
    kind: Kind,
    region: &Region,
    corpus: &Corpus,
    associations: usize,
) -> anyhow::Result<BTreeMap<String, f64>> {
    let server = kind.start(region).await?;
    // Start-up work is over when nothing is asked of it any more.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let idle = server.memory_mib("VmRSS")?;
    let messages = load::prepare(server.address(), corpus)?;
    let before = server.processor_seconds()?;
    let seconds = load::run(server.address(), corpus, &messages, associations)?.as_secs_f64();
    let processor = server.settled_processor_seconds().await? - before;
    let peak = server.memory_mib("VmHWM")?;
    let start_ms = server.start.as_secs_f64() * 1000.0;
    server.end().await?;
    let prefix = format!("{}_{associations}", corpus.name);
    let instances = corpus.instances.len() as f64;
    let mut figures = BTreeMap::from([
        (format!("{prefix}_cpu_ms"), processor * 1000.0 / instances),
        (format!("{prefix}_peak_mib"), peak),
        ("idle_mib".to_owned(), idle),
        ("start_ms".to_owned(), start_ms),
    ]);
    figures.extend(pace(corpus, associations, seconds));
    Ok(figures)
}

/// Each way by itself, in turn.
fn disk(
    folder: &Path,
    corpus: &Corpus,
    associations: usize,
    round: usize,
) -> anyhow::Result<BTreeMap<String, f64>> {
    let mut ways = ceiling::Way::ALL;
    if round % 2 == 1 {
        ways.reverse();
    }
    let mut figures = BTreeMap::new();
    for way in ways {
        rustix::fs::sync();
        let seconds = ceiling::seconds(way, &folder.join(way.name()), corpus, associations)?;
        for (figure, value) in pace(corpus, associations, seconds) {
            figures.insert(format!("{figure}_{}", way.name()), value);
        }
    }
    Ok(figures)
}

/// The ceiling: the better way's median. The better of each round would be the luckier.
fn best_of_ways(disk: &mut BTreeMap<String, f64>) {
    let mut best: BTreeMap<String, f64> = BTreeMap::new();
    for way in ceiling::Way::ALL {
        let ending = format!("_{}", way.name());
        for (figure, value) in disk.iter() {
            if let Some(figure) = figure.strip_suffix(&ending) {
                let so_far = best.entry(figure.to_owned()).or_default();
                *so_far = so_far.max(*value);
            }
        }
    }
    disk.extend(best);
}

fn pace(corpus: &Corpus, associations: usize, seconds: f64) -> BTreeMap<String, f64> {
    let bytes: usize = corpus.instances.iter().map(|one| one.data_set.len()).sum();
    let prefix = format!("{}_{associations}", corpus.name);
    BTreeMap::from([
        (
            format!("{prefix}_instances_per_s"),
            corpus.instances.len() as f64 / seconds,
        ),
        (format!("{prefix}_mb_per_s"), bytes as f64 / 1e6 / seconds),
    ])
}

fn note(
    sides: &mut BTreeMap<&'static str, Figures>,
    runs: &mut Vec<Value>,
    side: &'static str,
    round: usize,
    figures: BTreeMap<String, f64>,
) {
    runs.push(json!({ "round": round, "side": side, "figures": figures }));
    let all = sides.entry(side).or_default();
    for (figure, value) in figures {
        all.entry(figure).or_default().push(value);
    }
}

fn medians(figures: &Figures) -> BTreeMap<String, f64> {
    figures
        .iter()
        .filter_map(|(figure, values)| Some((figure.clone(), percentile(values, 50.0)?)))
        .collect()
}
