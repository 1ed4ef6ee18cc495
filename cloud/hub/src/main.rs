//! The daemon `barefoot-hub`: arguments, configuration, logs, run, exit code.

mod logging;
mod service_manager;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use barefoot_hub::console::{self, AuditCommand, PersonCommand, TokenCommand};
use barefoot_hub::{Config, Shutdown, at_rest, import_queue, viewer_assets};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

/// As in sysexits.h: the configuration is wrong, starting again will not help.
const EXIT_CONFIGURATION: u8 = 78;

/// The regional hub of Barefoot.
#[derive(Parser)]
#[command(version, long_version = viewer_assets::LONG_VERSION)]
struct Arguments {
    /// The configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Only check the configuration: exit code 0 or 78.
    #[arg(long)]
    check_config: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Takes results that a clinic without a line has sent by hand (barefoot-edge export-queue), and writes the receipts
    /// to carry back beside each file. The hub may run meanwhile. The same file again changes nothing.
    ImportQueue {
        /// What the clinic's box wrote.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Accounts of people who work at the hub.
    #[command(subcommand)]
    Person(PersonCommand),
    /// Tokens of programs: DICOMweb clients, RIS, scripts.
    #[command(subcommand)]
    Token(TokenCommand),
    /// The audit log.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Gives the hub a new key for what it keeps. The daemon must not run.
    RotateHubKey {
        /// Where the new key is written. Needed where the key is a systemd credential, which then must be made anew of it.
        #[arg(long, value_name = "FILE")]
        into: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    logging::start();
    let config = match Config::load(&arguments.config) {
        Err(error) => return end(&error.into(), EXIT_CONFIGURATION),
        Ok(_) if arguments.check_config => return ExitCode::SUCCESS,
        Ok(config) => config,
    };
    let done = match arguments.command {
        Some(Command::ImportQueue { files }) => import(&config, &files),
        Some(Command::Person(command)) => say(console::person(&config, command)),
        Some(Command::Token(command)) => say(console::token(&config, command)),
        Some(Command::Audit(command)) => say(console::audit(&config, command)),
        Some(Command::RotateHubKey { into }) => rotate(&config, into.as_deref()),
        None => serve(config),
    };
    done.map_or_else(|error| end(&error, 1), |()| ExitCode::SUCCESS)
}

fn end(error: &anyhow::Error, code: u8) -> ExitCode {
    tracing::error!("The hub cannot run: {error:#}.");
    ExitCode::from(code)
}

#[tokio::main]
async fn say(done: impl Future<Output = Result<String, console::Error>>) -> anyhow::Result<()> {
    println!("{}", done.await?);
    Ok(())
}

fn rotate(config: &Config, into: Option<&Path>) -> anyhow::Result<()> {
    let keys = at_rest::rotate(&config.directory, &config.at_rest, into)?;
    println!("The hub has a new key; {keys} keys are sealed with it. Copy it to where its backup is kept.");
    Ok(())
}

#[tokio::main]
async fn import(config: &Config, files: &[PathBuf]) -> anyhow::Result<()> {
    import_queue::run(config, files, |imported| {
        println!(
            "{}: {} results are here, {} refused; receipts for the clinic: {}",
            imported.clinic,
            imported.stored,
            imported.refused,
            imported.receipts.display()
        );
    })
    .await?;
    Ok(())
}

#[tokio::main]
async fn serve(config: Config) -> anyhow::Result<()> {
    let shutdown = Shutdown::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let asked = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} };
        service_manager::stopping();
        asked.trigger();
    });
    tokio::spawn(service_manager::signs_of_life());
    barefoot_hub::run(config, shutdown, service_manager::ready)
        .await
        .context("stopped")
}
