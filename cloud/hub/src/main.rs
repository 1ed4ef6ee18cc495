//! The daemon `barefoot-hub`: arguments, configuration, logs, run, exit code.

mod logging;
mod service_manager;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use barefoot_hub::backup::{self, Progress};
use barefoot_hub::console::{self, AuditCommand, PersonCommand, TokenCommand};
use barefoot_hub::{Config, Shutdown, at_rest, health, import_queue, viewer_assets};
use clap::{Parser, Subcommand};
use time::Date;
use time::macros::format_description;
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
    /// Copies all the hub keeps into a new folder below this one, while the hub runs. Images and other files that an earlier
    /// backup there has are linked, not copied. The hub's key is left out: keep a copy of it elsewhere.
    Backup {
        /// Where backups are kept; not within the state directory.
        folder: PathBuf,
        /// Puts the hub's key into the backup: whoever has that folder can read everything.
        #[arg(long)]
        with_key: bool,
    },
    /// Fills an empty state directory from a backup. The daemon must not run.
    Restore {
        /// One backup: the folder that is named by its time.
        backup: PathBuf,
        /// The hub's key, where the backup does not hold it.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Asks all boxes to send again what they have receipts for since then: for a hub whose disk was put back to an older state
    /// by other means than `restore`. What is here already is not stored again. The hub may run meanwhile.
    AskAgain {
        /// A day, as 2026-11-23; omitted: everything they still have.
        #[arg(long, value_name = "DAY", value_parser = day)]
        since: Option<i64>,
    },
    /// Whether the hub that runs with this configuration answers on its ports. Exit code 0: it does.
    Health,
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
        Some(Command::Backup { folder, with_key }) => back_up(&config, &folder, with_key),
        Some(Command::Restore { backup, key }) => restore(&config, &backup, key.as_deref()),
        Some(Command::AskAgain { since }) => ask_again(&config, since.unwrap_or_default()),
        Some(Command::Health) => healthy(&config),
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

fn healthy(config: &Config) -> anyhow::Result<()> {
    println!("open: {}", health::check(config)?.join(", "));
    Ok(())
}

fn how_far(progress: Progress) {
    eprintln!("  {} files, {} MiB", progress.files, progress.bytes >> 20);
}

#[tokio::main]
async fn back_up(config: &Config, folder: &Path, with_key: bool) -> anyhow::Result<()> {
    let made = backup::make(config, folder, with_key, &mut how_far).await?;
    let (progress, path) = (made.progress, made.path.display());
    println!(
        "{path}: {} files, {} MiB; {} of them were in the backup before.",
        progress.files,
        progress.bytes >> 20,
        progress.linked
    );
    for file in &made.missing {
        println!("The hub itself has lost {file}; the backup lacks it too.");
    }
    println!(
        "{}",
        if made.with_key {
            "The hub's key IS in it: whoever has this folder can read everything. Keep it as you keep the key."
        } else {
            "The hub's key is NOT in it: without a copy of the key this backup opens nothing. The settings, the certificates and \
             the authority that issues to boxes are not in it either."
        }
    );
    Ok(())
}

#[tokio::main]
async fn restore(config: &Config, from: &Path, key: Option<&Path>) -> anyhow::Result<()> {
    let restored = backup::restore(config, from, key, &mut how_far).await?;
    println!(
        "Restored {} files, {} MiB into {}. Before the hub is started and reached by the clinics:\n",
        restored.progress.files,
        restored.progress.bytes >> 20,
        config.directory.display()
    );
    for line in &restored.to_check {
        println!("{line}");
    }
    Ok(())
}

#[tokio::main]
async fn ask_again(config: &Config, since_ms: i64) -> anyhow::Result<()> {
    backup::ask_again(config, since_ms).await?;
    println!(
        "Boxes send again what was receipted since then, each as soon as it has said that it is there: within ten minutes."
    );
    Ok(())
}

/// The beginning of a day, UTC.
fn day(text: &str) -> Result<i64, String> {
    let form = format_description!("[year]-[month]-[day]");
    let day = Date::parse(text, form).map_err(|_| "a day is written as 2026-11-23".to_owned())?;
    Ok(day.midnight().assume_utc().unix_timestamp() * 1000)
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
