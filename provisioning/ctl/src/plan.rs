//! Plans of allowed changes.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use barefoot_wire::v1::RegisterPlanRequest;
use clap::Subcommand;

use crate::hub;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Writes a plan down at the hub, before the run it is for. The same name never means another content.
    Register {
        /// TOML; `provisioning/plans/example.toml` explains every key.
        file: PathBuf,
    },
}

pub(crate) async fn run(command: &Command, options: &hub::Options) -> anyhow::Result<String> {
    let Command::Register { file } = command;
    let toml = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let hub = options.hub()?;
    let reply = hub
        .maintenance()
        .register_plan(RegisterPlanRequest { toml })
        .await
        .map_err(|status| hub.told(&status))?
        .into_inner();
    Ok(format!(
        "The plan {} is registered, SHA-256 {}.",
        reply.name, reply.sha256
    ))
}
