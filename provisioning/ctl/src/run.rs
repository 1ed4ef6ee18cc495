//! Federated runs: started from a settings file, watched, stopped.

mod settings;
mod words;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use barefoot_wire::v1::{ListRunsRequest, RunName, RunView};
use clap::Subcommand;
use tokio::time::Instant;

use crate::hub::{self, Hub};
use settings::{Overrides, Settings};

/// A hub that restarts goes on with its runs: watching waits for it so long.
const PATIENCE: Duration = Duration::from_secs(600);
const AGAIN: Duration = Duration::from_secs(3);

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Starts a run.
    Start {
        /// TOML; `provisioning/runs/example.toml` explains every key.
        settings: PathBuf,
        #[command(flatten)]
        overrides: Overrides,
        /// Watch it to its end.
        #[arg(long)]
        watch: bool,
    },
    /// Prints what happens in a run until it has ended. Fails when the run does.
    Watch { run: String },
    /// Ends a run; its finished rounds stay in its record.
    Stop { run: String },
    /// All runs.
    List,
}

pub(crate) async fn run(command: Command, options: &hub::Options) -> anyhow::Result<String> {
    match command {
        Command::Start {
            settings,
            overrides,
            watch: watched,
        } => {
            let text = fs::read_to_string(&settings)
                .with_context(|| format!("cannot read {}", settings.display()))?;
            let settings = Settings::parse(&text)
                .with_context(|| format!("{} is wrong", settings.display()))?
                .with(overrides)
                .to_wire();
            let hub = options.hub()?;
            let started = hub
                .maintenance()
                .start_run(settings)
                .await
                .map_err(|status| hub.told(&status))?;
            let name = started.into_inner().run;
            if watched {
                println!("Started the run {name}.");
                return watch(&hub, &name).await;
            }
            Ok(format!(
                "Started the run {name}. `barefootctl run watch {name}` follows it."
            ))
        }
        Command::Watch { run } => watch(&options.hub()?, &run).await,
        Command::Stop { run } => {
            let hub = options.hub()?;
            let stopped = hub.maintenance().stop_run(RunName { run: run.clone() }).await;
            stopped.map_err(|status| hub.told(&status))?;
            Ok(format!("The run {run} is stopped."))
        }
        Command::List => {
            let hub = options.hub()?;
            let runs = hub.maintenance().list_runs(ListRunsRequest {}).await;
            Ok(words::list(
                &runs.map_err(|status| hub.told(&status))?.into_inner().run,
            ))
        }
    }
}

/// Goes on watching after the hub was away, for a while.
async fn watch(hub: &Hub, name: &str) -> anyhow::Result<String> {
    let mut seen: Option<RunView> = None;
    let mut last_heard = Instant::now();
    loop {
        let opened = hub
            .maintenance()
            .watch_run(RunName { run: name.to_owned() })
            .await;
        let problem = match opened {
            Err(status) => status,
            Ok(stream) => {
                let mut views = stream.into_inner();
                loop {
                    match views.message().await {
                        Ok(Some(view)) => {
                            last_heard = Instant::now();
                            for line in words::news(seen.as_ref(), &view) {
                                println!("{line}");
                            }
                            seen = Some(view);
                        }
                        Ok(None) => match seen.as_ref().filter(|view| view.state != "running") {
                            Some(ended) => return conclude(ended),
                            None => break tonic::Status::unavailable("the hub stopped telling"),
                        },
                        Err(status) => break status,
                    }
                }
            }
        };
        let away = problem.code() == tonic::Code::Unavailable || hub::cause(&problem).is_some();
        if !away || PATIENCE < last_heard.elapsed() {
            return Err(hub.told(&problem));
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn conclude(ended: &RunView) -> anyhow::Result<String> {
    let run = &ended.run;
    if ended.state != "finished" {
        bail!("the run {run} has {}: {}", words::how(&ended.state), ended.reason);
    }
    let model = ended
        .settings
        .as_ref()
        .map_or("", |settings| settings.model_id.as_str());
    if ended.candidate_version.is_empty() {
        return Ok(format!("The run {run} is finished."));
    }
    Ok(format!(
        "The run {run} is finished. Its candidate is {model} {0}; `barefootctl model report {model} {0}` says whether it passed the gate.",
        ended.candidate_version
    ))
}
