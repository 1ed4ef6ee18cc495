//! The play: start both ends, send, perhaps cut the line, tell what happens, end.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use barefoot_test_support::daemons::{Edge, EdgeOptions, Hub, Region};
use barefoot_test_support::line::Line;
use tokio::signal::unix::{SignalKind, signal};

use crate::account::Account;
use crate::cases::{Seen, Sent, Stage, Summary};
use crate::sending::{self, CALLING, Log, Picture};

const CLINIC: &str = "demo-clinic";

/// Where the pages stand in a browser, unless something else stands there.
const CLINIC_PAGE: &str = "127.0.0.1:18080";
const HUB_PAGE: &str = "127.0.0.1:18090";

/// How long the last study may take after everything was sent and the line stands.
const PATIENCE: Duration = Duration::from_secs(60);
const PATIENCE_PER_FILE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) once: bool,
    pub(crate) offline_for: Option<Duration>,
}

#[derive(Debug)]
pub(crate) enum End {
    Finished(Summary),
    Interrupted,
}

/// Everything that runs.
struct Set {
    edge: Edge,
    line: Line,
    hub: Hub,
    // Last, so that the folder goes after the programs that use it.
    region: Region,
}

impl Script {
    /// Plays, and puts everything away however it ends.
    pub(crate) async fn play(self) -> anyhow::Result<End> {
        let pictures = if self.files.is_empty() {
            sending::drawn()
        } else {
            sending::named(&self.files)?
        };
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut stage = None;
        let outcome = tokio::select! {
            outcome = self.run(pictures, &mut stage) => outcome.map(End::Finished),
            _ = interrupt.recv() => Ok(End::Interrupted),
            _ = terminate.recv() => Ok(End::Interrupted),
        };
        if let Some(stage) = stage {
            stage.put_away(matches!(outcome, Ok(End::Interrupted))).await;
        }
        outcome
    }

    async fn run(&self, pictures: Vec<Picture>, stage: &mut Option<Set>) -> anyhow::Result<Summary> {
        println!("Barefoot demonstration: one clinic's box and one regional hub on this machine.");
        println!("The model is a demonstration and not for clinical use. Nothing is kept.\n");
        let stage = stage.insert(Set::build(self.once).await?);
        println!("  Clinic page  http://{}/", stage.edge.address("page")?);
        println!("  Hub page     http://{}/", stage.hub.address("page")?);
        println!("  DICOM port   {}\n", stage.edge.address("dicom")?);
        let summary = self.tell(pictures, stage).await?;
        println!("\n{}", summary.sentence());
        if !self.once {
            println!("The pages stay open. Ctrl-C ends everything.");
            loop {
                stage.check()?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        Ok(summary)
    }

    /// Sends in the background and tells until everything has arrived or patience is over.
    async fn tell(&self, mut pictures: Vec<Picture>, stage: &mut Set) -> anyhow::Result<Summary> {
        let count = pictures.len();
        println!("Sending {count} image{}.", if count == 1 { "" } else { "s" });
        if self.files.is_empty() {
            println!(
                "They are drawn: they show the way an image takes, and the model's calls on them mean nothing."
            );
            println!("Your own go in with --files PATH…\n");
        }
        let log = Log::default();
        let mut account = Account::default();
        let after_cut = match self.offline_for {
            Some(_) => pictures.split_off(count / 2),
            None => Vec::new(),
        };
        self.send_and_tell(pictures, stage, &log, &mut account, None)
            .await?;
        if let Some(offline) = self.offline_for {
            stage.line.cut();
            let until = Instant::now() + offline;
            println!(
                "  -- The line to the hub is cut for {} s. The clinic goes on. --",
                offline.as_secs()
            );
            self.send_and_tell(after_cut, stage, &log, &mut account, Some(until))
                .await?;
            stage.line.restore();
            println!("  -- The line is back. --");
        }
        let patience = PATIENCE + PATIENCE_PER_FILE * u32::try_from(count).unwrap_or(u32::MAX);
        let deadline = Instant::now() + patience;
        let mut draining = self.offline_for.is_some();
        loop {
            let (sent, seen) = look(stage, &log).await?;
            account.tell(&sent, &seen, false);
            if draining {
                let waiting = stage.edge.status().await?.queue.pending;
                println!("  -- {} --", waits(waiting));
                draining = waiting != 0;
            }
            let arrived = |one: &Sent| one.error.is_some() || seen.stage(one) == Stage::Receipted;
            if sent.iter().all(arrived) || deadline < Instant::now() {
                return Ok(Summary::new(&sent, &seen));
            }
            rest(sent.len()).await;
        }
    }

    /// Until everything is sent; with `offline` also until that moment, telling how the queue grows.
    async fn send_and_tell(
        &self,
        pictures: Vec<Picture>,
        stage: &mut Set,
        log: &Log,
        account: &mut Account,
        offline: Option<Instant>,
    ) -> anyhow::Result<()> {
        let address = stage.edge.address("dicom")?.to_owned();
        let folder = stage.region.folder().join("scanner");
        let sender = tokio::spawn(sending::send(pictures, address, folder, log.clone()));
        let mut told_queue = Instant::now();
        loop {
            let finished = sender.is_finished();
            let (sent, seen) = look(stage, log).await?;
            account.tell(&sent, &seen, offline.is_some());
            if offline.is_some() && Duration::from_secs(2) <= told_queue.elapsed() {
                told_queue = Instant::now();
                let status = stage.edge.status().await?;
                println!(
                    "  -- no line: {} result{} in the box's queue, the clinic page answers --",
                    status.queue.pending,
                    if status.queue.pending == 1 {
                        " waits"
                    } else {
                        "s wait"
                    },
                );
            }
            if finished && offline.is_none_or(|until| until <= Instant::now()) {
                break;
            }
            rest(sent.len()).await;
        }
        sender.await.context("the simulator ended")?
    }
}

/// Both pages, now; and that both daemons still run.
async fn look(stage: &mut Set, log: &Log) -> anyhow::Result<(Vec<Sent>, Seen)> {
    stage.check()?;
    let sent = log.lock().map(|log| log.clone()).unwrap_or_default();
    let cases = stage.edge.cases().await?;
    let results = stage.hub.results().await?;
    let seen = Seen::new(&sent, cases, &results);
    Ok((sent, seen))
}

fn waits(pending: u64) -> String {
    match pending {
        0 => "no result waits in the box's queue".to_owned(),
        1 => "1 result waits in the box's queue".to_owned(),
        more => format!("{more} results wait in the box's queue"),
    }
}

/// Long lists are asked for less often.
async fn rest(files: usize) {
    let longer = u64::try_from(files).unwrap_or(u64::MAX).min(1_000);
    tokio::time::sleep(Duration::from_millis(200 + 2 * longer)).await;
}

impl Set {
    async fn build(once: bool) -> anyhow::Result<Self> {
        let page = |wanted: &str| {
            let free = !once && std::net::TcpListener::bind(wanted).is_ok();
            if free {
                wanted.to_owned()
            } else {
                "127.0.0.1:0".to_owned()
            }
        };
        let region = Region::new()?;
        let mut hub = region.hub("en", &page(HUB_PAGE))?;
        hub.start().await?;
        let line = Line::start(hub.address("mqtt")?).await?;
        let options = EdgeOptions {
            scanners: vec![CALLING.to_owned()],
            page_listen: page(CLINIC_PAGE),
            ..EdgeOptions::default()
        };
        // By name, so that the certificate is checked as it would be at a site.
        let through_line = format!("localhost:{}", line.address.port());
        let mut edge = region.edge(CLINIC, &through_line, &options)?;
        edge.start().await?;
        Ok(Self {
            region,
            hub,
            edge,
            line,
        })
    }

    fn check(&mut self) -> anyhow::Result<()> {
        self.edge.check()?;
        self.hub.check()?;
        Ok(())
    }

    /// In the order of the line, so that neither complains about the other.
    async fn put_away(mut self, say: bool) {
        if say {
            println!("\nStopping.");
        }
        for outcome in [self.edge.stop().await, self.hub.stop().await] {
            match outcome {
                Ok(status) if !status.success() => eprintln!("A daemon ended with {status}."),
                Ok(_) => {}
                Err(error) => eprintln!("{error}"),
            }
        }
    }
}
