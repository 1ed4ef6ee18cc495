//! Models: from registration, through the gate, to a signed release and the fleet.

mod fetch;
mod upload;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use barefoot_inference::Bundle;
use barefoot_trust::release::NewRelease;
use barefoot_wire::v1;
use clap::Subcommand;
use time::OffsetDateTime;

use crate::bundle::{self, Head, Manifest, Report};
use crate::hub;
use crate::repository::{self, Keys};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes a bundle's model known to the hub: runs may start from it.
    Register {
        /// The bundle's folder.
        bundle: PathBuf,
    },
    /// All versions the hub knows, with their states and on how many boxes they run.
    List,
    /// Whether a candidate passed its gate, and why not.
    Report {
        model: String,
        version: String,
        /// Writes the report for people.
        #[arg(long)]
        html: Option<PathBuf>,
        /// Writes the report for programs.
        #[arg(long)]
        json: Option<PathBuf>,
    },
    /// Fetches a candidate that passed its gate, with its report, into a new folder.
    Candidate {
        model: String,
        version: String,
        #[arg(long)]
        out: PathBuf,
    },
    /// Makes the release bundle of a candidate, without any line: the base's network, the candidate's head, golden
    /// answers computed here, the gate's figures in the card.
    Bundle {
        /// The bundle of the version the candidate was trained from.
        #[arg(long)]
        base: PathBuf,
        /// The folder `model candidate` wrote.
        #[arg(long)]
        candidate: PathBuf,
        /// The new bundle's folder.
        #[arg(long)]
        out: PathBuf,
    },
    /// Adds a bundle to the repository and signs as far as the given keys go. Without any line.
    Sign {
        bundle: PathBuf,
        #[arg(long)]
        repository: PathBuf,
        #[command(flatten)]
        keys: Keys,
        /// Signs without opening the bundle first, for a machine too small for it. Boxes test it anyway, and refuse what
        /// does not give its golden answers.
        #[arg(long)]
        untested: bool,
    },
    /// Takes a release back: it is offered no more, and its version never used again. Without any line; boxes hear of it
    /// with the next `model release`.
    Withdraw {
        model: String,
        version: String,
        #[arg(long)]
        repository: PathBuf,
        #[command(flatten)]
        keys: Keys,
    },
    /// Brings what the repository has published to the hub.
    Release {
        #[arg(long)]
        repository: PathBuf,
    },
    /// Sends a published release to the boxes by a plan; without --plan says how far it is.
    Rollout {
        model: String,
        version: String,
        /// TOML; `provisioning/rollouts/example.toml` explains every key.
        #[arg(long)]
        plan: Option<PathBuf>,
    },
    /// Stops a rollout: boxes keep what they run.
    Halt { model: String, version: String },
    /// Sends every box back to what it had marked good before.
    Rollback { model: String, version: String },
}

pub(crate) async fn run(
    command: &Command,
    options: &hub::Options,
    now: OffsetDateTime,
) -> anyhow::Result<String> {
    match command {
        Command::Register { bundle } => register(bundle, options).await,
        Command::List => {
            let hub = options.hub()?;
            let models = hub.maintenance().list_models(v1::ListModelsRequest {}).await;
            Ok(words::list(
                &models.map_err(|status| hub.told(&status))?.into_inner().model,
            ))
        }
        Command::Report {
            model,
            version,
            html,
            json,
        } => report(&name(model, version), html.as_deref(), json.as_deref(), options).await,
        Command::Candidate { model, version, out } => fetch::candidate(model, version, out, options).await,
        Command::Bundle { base, candidate, out } => bundle::build(base, candidate, out),
        Command::Sign {
            bundle,
            repository,
            keys,
            untested,
        } => sign(bundle, repository, keys, *untested, now),
        Command::Withdraw {
            model,
            version,
            repository,
            keys,
        } => {
            keys.load()?;
            let mut editor = repository::open(repository)?;
            editor.withdraw(model, version, now)?;
            let done = repository::sign(&mut editor, keys, now)?;
            Ok(repository::progress(&done, repository))
        }
        Command::Release { repository } => upload::release(repository, options).await,
        Command::Rollout { model, version, plan } => {
            rollout(name(model, version), plan.as_deref(), options).await
        }
        Command::Halt { model, version } => {
            let hub = options.hub()?;
            let done = hub.maintenance().halt_rollout(name(model, version)).await;
            done.map_err(|status| hub.told(&status))?;
            Ok(format!(
                "The rollout of {model} {version} goes no further; boxes keep what they run."
            ))
        }
        Command::Rollback { model, version } => {
            let hub = options.hub()?;
            let done = hub.maintenance().roll_back(name(model, version)).await;
            done.map_err(|status| hub.told(&status))?;
            Ok(format!(
                "Every box goes back from {model} {version} when it next asks. `barefootctl model rollout {model} {version}` says how far it is."
            ))
        }
    }
}

fn name(model: &str, version: &str) -> v1::ModelName {
    v1::ModelName {
        id: model.to_owned(),
        version: version.to_owned(),
    }
}

async fn register(directory: &Path, options: &hub::Options) -> anyhow::Result<String> {
    // Read whole, with every hash right.
    let bundle = Bundle::load(directory).with_context(|| directory.display().to_string())?;
    let manifest = Manifest::load(directory)?;
    let (parameters, content) = Head::load(&directory.join(manifest.head_file()?))?.to_wire();
    let artefacts = manifest.artefacts()?;
    let findings = manifest
        .settings()?
        .into_iter()
        .map(|setting| v1::FindingSetting {
            code: setting.code,
            temperature: setting.temperature,
            operating_point: setting.operating_point,
        });
    let request = v1::RegisterModelRequest {
        id: bundle.version().id.clone(),
        version: bundle.version().version.clone(),
        backbone: artefacts.into_iter().map(|artefact| artefact.sha256).collect(),
        finding: findings.collect(),
        parameters: Some(parameters),
        content,
    };
    let model = format!("{} {}", request.id, request.version);
    let hub = options.hub()?;
    let reply = hub.maintenance().register_model(request).await;
    let known = reply
        .map_err(|status| hub.told(&status))?
        .into_inner()
        .known_before;
    Ok(if known {
        format!("The hub knows {model} already, exactly as it is here.")
    } else {
        format!("The hub knows {model} now: runs may start from it.")
    })
}

async fn report(
    name: &v1::ModelName,
    html: Option<&Path>,
    json: Option<&Path>,
    options: &hub::Options,
) -> anyhow::Result<String> {
    let hub = options.hub()?;
    let report = hub.maintenance().get_report(name.clone()).await;
    let report = report.map_err(|status| hub.told(&status))?.into_inner();
    for (path, content) in [(html, &report.html), (json, &report.json)] {
        if let Some(path) = path {
            fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    let read = Report::parse(report.json.as_bytes())?;
    Ok(words::report(name, report.passed, &read))
}

fn sign(
    directory: &Path,
    repository: &Path,
    keys: &Keys,
    untested: bool,
    now: OffsetDateTime,
) -> anyhow::Result<String> {
    keys.load()?;
    let mut editor = repository::open(repository)?;
    // Nobody signs unawares what a box would send back.
    let tested = if untested {
        "its golden answers were not tested here".to_owned()
    } else {
        format!("its golden answers hold with {}", bundle::prove(directory)?)
    };
    let version = Bundle::load(directory)?.version().clone();
    let (base_version, report_sha256) = Manifest::load(directory)?.origin();
    let release = NewRelease {
        model: version.id,
        version: version.version,
        demonstration: version.demonstration,
        report_sha256,
        base_version,
    };
    let details = editor.add_release(directory, release, now)?;
    let done = repository::sign(&mut editor, keys, now)?;
    Ok(format!(
        "Staged {} {}, sequence {}; {tested}.\n{}",
        details.model,
        details.version,
        details.sequence,
        repository::progress(&done, repository)
    ))
}

async fn rollout(name: v1::ModelName, plan: Option<&Path>, options: &hub::Options) -> anyhow::Result<String> {
    let hub = options.hub()?;
    if let Some(path) = plan {
        let plan_toml =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let request = v1::StartRolloutRequest {
            model: Some(name.clone()),
            plan_toml,
        };
        let done = hub.maintenance().start_rollout(request).await;
        done.map_err(|status| hub.told(&status))?;
    }
    let view = hub.maintenance().get_rollout(name).await;
    let view = view.map_err(|status| hub.told(&status))?.into_inner();
    if view.model.is_none() {
        bail!("the hub gave no rollout");
    }
    Ok(words::rollout(&view))
}
