//! `barefoot-edge`: the daemon in the clinic.

mod service_manager;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use barefoot_edge::audit::{ConsoleAct, Form};
use barefoot_edge::config::Config;
use barefoot_edge::users::{Roles, Users};
use barefoot_edge::{
    at_rest, audit, console_command, enrol_command, identify, import_command, logging, pipeline, research,
    self_test_command, site_policy, status_command, stick_commands, store_check,
};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Receives DICOM from the clinic's scanners, assesses it, shows it, and queues results for the hub.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The site file (see provisioning/sites/example.toml).
    #[arg(long)]
    config: PathBuf,
    /// Only check the site file.
    #[arg(long)]
    check_config: bool,
    /// Only look through everything that is stored and print what was found, as JSON. The daemon must not run.
    #[arg(long)]
    check_store: bool,
    /// With --check-store: name every stored file.
    #[arg(long, requires = "check_store")]
    list: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lets the daemon that runs here import images from below [import] directory, and waits for the end.
    Import {
        /// One folder of it, as a stick's name. Default: all that is there.
        #[arg(long)]
        folder: Option<String>,
    },
    /// Says how the daemon that runs here is. Exit code 0: all is well; 1: somebody should look; 69: it does not run.
    Status {
        /// All of it, for scripts.
        #[arg(long)]
        json: bool,
    },
    /// Lets the daemon that runs here test itself with a picture that is nobody's. Exit code 0: all that was tried works.
    SelfTest,
    /// Says on a few lines what somebody in front of this machine must know: addresses, clinic, line. For a login prompt.
    Console,
    /// Writes the results that wait for the hub into a folder, as a stick's, sealed so that only the hub can read them.
    /// They stay in the queue until the hub's receipts are here. Images do not go by stick.
    ExportQueue {
        /// Where to write them.
        folder: PathBuf,
    },
    /// Gives the daemon that runs here the receipts that barefoot-hub import-queue wrote.
    ImportReceipts {
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Sets the box up with a code from `barefootctl site add`, as its first page and a stick do; a box that belongs to a clinic
    /// already becomes anew what the code says. One line is read from standard input: the hub's address, a slash, the code. A
    /// daemon that works already is to be restarted afterwards.
    Enrol,
    /// Adds somebody who may sign in to the clinic page, or gives somebody a new PIN. The PIN is read from standard input. The
    /// daemon may run.
    User {
        #[command(subcommand)]
        command: UserCommand,
    },
    /// The log of who did what on this box.
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Gives the box a new key for what it keeps, and seals every study's key with it. The daemon must not run.
    RotateBoxKey {
        /// Where the new key is written. Needed where the key is a systemd credential, which then must be made anew of it.
        #[arg(long)]
        into: Option<PathBuf>,
    },
    /// Destroys the box's key and all that is kept: images, results, what waits for the hub. Nobody brings it back. The daemon
    /// must not run.
    EraseBox {
        /// Without it nothing is done.
        #[arg(long, required = true)]
        yes_destroy_everything: bool,
    },
    /// What may leave this clinic, to whom, and what is learnt.
    Policy {
        #[command(subcommand)]
        command: PolicyCommand,
    },
    /// Writes images of patients who agreed to research into a folder, as a stick's, for a recipient that the policy names:
    /// de-identified more strictly than for care, under names of the recipient's own. The daemon may run.
    ExportResearch {
        /// Its name in the policy.
        recipient: String,
        /// A folder that is empty or not there yet.
        folder: PathBuf,
    },
    /// Says which of this clinic's studies and patients a name from the hub stands for: a case, a patient's pseudonym, or a
    /// UID of an image. The answer is identity: for the clinic's eyes.
    Identify {
        /// For instance 2.25.1234 or P0123456789ABCDEF0123456789ABCDEF.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Prints the policy that holds, as a file for `set`.
    Show,
    /// Puts the policy in FILE in its place, and says what differs. A daemon that runs follows at once.
    Set {
        file: PathBuf,
        /// Confirms that more leaves, or with less protection, than now.
        #[arg(long)]
        loosen: bool,
    },
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Writes all of it into a new file, for barefootctl audit verify. The daemon may run.
    Export {
        /// As DICOM audit messages (XML) instead, for other systems; they hold no signatures.
        #[arg(long)]
        dicom: bool,
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Adds a user; without any role a manager who may do everything.
    Add {
        name: String,
        #[arg(long)]
        doctor: bool,
        #[arg(long)]
        technician: bool,
        #[arg(long)]
        manager: bool,
    },
    /// Gives a user a new PIN, and lets them in again where they were locked out.
    SetPin { name: String },
}

/// sysexits.h: the configuration is wrong; starting again will not help.
const CONFIG_ERROR: u8 = 78;
/// sysexits.h: the daemon does not run.
const UNAVAILABLE: u8 = 69;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = match Config::load(&arguments.config) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("barefoot-edge: {:#}", anyhow::Error::new(error));
            return ExitCode::from(CONFIG_ERROR);
        }
    };
    if arguments.check_config {
        println!("{} is in order.", arguments.config.display());
        return ExitCode::SUCCESS;
    }
    if arguments.check_store {
        return check_store(&config, arguments.list);
    }
    match arguments.command {
        Some(Command::Import { folder }) => return import(&config, folder.as_deref()),
        Some(Command::Status { json }) => return status(&config, json),
        Some(Command::SelfTest) => return self_test(&config),
        Some(Command::Console) => {
            console_command::lines(&config)
                .iter()
                .for_each(|line| println!("{line}"));
            return ExitCode::SUCCESS;
        }
        Some(Command::ExportQueue { folder }) => {
            let tell = |line: &str| println!("{line}");
            return done(stick_commands::export(&config, &folder, tell));
        }
        Some(Command::ImportReceipts { files }) => {
            let tell = |line: &str| println!("{line}");
            return done(stick_commands::import_receipts(&config, &files, tell));
        }
        Some(Command::Enrol) => return done(enrol(&config)),
        Some(Command::Audit {
            command: AuditCommand::Export { dicom, file },
        }) => {
            let form = if dicom { Form::Dicom } else { Form::Signed };
            return done(audit::export(&config, &file, form));
        }
        Some(Command::Policy { command }) => return done(policy(&config, command)),
        Some(Command::ExportResearch { recipient, folder }) => {
            let tell = |line: &str| println!("{line}");
            return done(research::export(&config, &recipient, &folder, tell));
        }
        Some(Command::Identify { name }) => return identify(&config, &name),
        Some(Command::RotateBoxKey { into }) => return done(rotate(&config, into.as_deref())),
        Some(Command::EraseBox { .. }) => {
            return done(at_rest::erase(&config.storage.directory, &config.at_rest));
        }
        Some(Command::User { command }) => return done(user(&config, command)),
        None => {}
    }
    match serve(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "The daemon ends.");
            ExitCode::FAILURE
        }
    }
}

fn check_store(config: &Config, list: bool) -> ExitCode {
    match store_check::check(config, list) {
        Ok(report) => {
            let in_order = report.problems.is_empty();
            match serde_json::to_string_pretty(&report) {
                Ok(json) => println!("{json}"),
                Err(error) => eprintln!("barefoot-edge: the report cannot be written: {error}"),
            }
            if in_order {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("barefoot-edge: {:#}", anyhow::Error::new(error));
            ExitCode::FAILURE
        }
    }
}

fn import(config: &Config, folder: Option<&str>) -> ExitCode {
    let tell = |line: &str| println!("{line}");
    done(import_command::run(&config.storage.directory, folder, tell))
}

fn status(config: &Config, json: bool) -> ExitCode {
    match status_command::ask(&config.storage.directory) {
        Ok(report) => {
            if json {
                println!("{:#}", report.json);
            } else {
                report.lines().iter().for_each(|line| println!("{line}"));
            }
            if report.troubles.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("barefoot-edge: {:#}", anyhow::Error::new(error));
            ExitCode::from(UNAVAILABLE)
        }
    }
}

fn self_test(config: &Config) -> ExitCode {
    match self_test_command::run(&config.storage.directory) {
        Ok((lines, is_well)) => {
            lines.iter().for_each(|line| println!("{line}"));
            if is_well {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("barefoot-edge: {:#}", anyhow::Error::new(error));
            ExitCode::from(UNAVAILABLE)
        }
    }
}

fn done<E: Into<anyhow::Error>>(outcome: Result<(), E>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("barefoot-edge: {:#}", error.into());
            ExitCode::FAILURE
        }
    }
}

fn policy(config: &Config, command: PolicyCommand) -> anyhow::Result<()> {
    match command {
        PolicyCommand::Show => print!("{}", site_policy::show(config)?),
        PolicyCommand::Set { file, loosen } => {
            site_policy::set(config, &file, loosen, |line: &str| println!("{line}"))?;
        }
    }
    Ok(())
}

fn enrol(config: &Config) -> anyhow::Result<()> {
    eprintln!("HUB:PORT/CODE:");
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .context("the code cannot be read")?;
    let clinic = enrol_command::run(config, &line)?;
    println!("This box belongs to {clinic} now.");
    Ok(())
}

fn rotate(config: &Config, into: Option<&Path>) -> anyhow::Result<()> {
    let keys = at_rest::rotate(&config.storage.directory, &config.at_rest, into)?;
    println!("The box has a new key; {keys} keys are sealed with it.");
    Ok(())
}

fn user(config: &Config, command: UserCommand) -> anyhow::Result<()> {
    at_rest::unlock(&config.storage.directory, &config.at_rest)?;
    let users = Users::open(&config.storage.directory)?;
    eprintln!("PIN:");
    let mut pin = String::new();
    std::io::stdin()
        .read_line(&mut pin)
        .context("the PIN cannot be read")?;
    match command {
        UserCommand::Add {
            name,
            doctor,
            technician,
            manager,
        } => {
            let is_everything = !doctor && !technician && !manager;
            let roles = Roles {
                doctor: doctor || is_everything,
                technician: technician || is_everything,
                manager: manager || is_everything,
            };
            let user = &users.add(&name, roles, pin.trim())?;
            audit::note(config, ConsoleAct::AccountAdded { user, roles })?;
            println!("{name} may sign in.");
        }
        UserCommand::SetPin { name } => {
            let id = users.id_of(&name).context("there is no such user")?;
            users.set_pin(&id, pin.trim())?;
            audit::note(config, ConsoleAct::PinChanged { user: &id })?;
            println!("{name} has a new PIN.");
        }
    }
    Ok(())
}

fn identify(config: &Config, name: &str) -> ExitCode {
    match identify::find(config, name) {
        Ok(found) if found.is_empty() => {
            eprintln!("barefoot-edge: nothing of this clinic has that name");
            ExitCode::FAILURE
        }
        Ok(found) => {
            if let Err(error) = audit::note(config, ConsoleAct::Identified { pseudonym: name }) {
                eprintln!("barefoot-edge: {:#}", anyhow::Error::new(error));
                return ExitCode::FAILURE;
            }
            for one in found {
                println!("{one}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("barefoot-edge: {:#}", anyhow::Error::new(error));
            ExitCode::FAILURE
        }
    }
}

fn serve(config: Config) -> anyhow::Result<()> {
    #[cfg(target_env = "gnu")]
    give_freed_memory_back();
    logging::start()?;
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no runtime")?;
    runtime.block_on(async {
        let shutdown = CancellationToken::new();
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let stop = shutdown.clone();
        tokio::spawn(async move {
            tokio::select! { _ = term.recv() => {} _ = int.recv() => {} }
            service_manager::stopping();
            stop.cancel();
        });
        tokio::spawn(service_manager::signs_of_life());
        // Boxed: it holds every part while they start.
        Box::pin(pipeline::run(config, shutdown, service_manager::ready))
            .await
            .map_err(anyhow::Error::new)
    })
}

/// The C library keeps what was freed for each thread that freed it, pictures of thirty megabytes among it, and then needs
/// several times the memory. It listens to its environment only, and only at the start: the program starts once more, as
/// the same process. Where that fails, or somebody set it already, things stay as they are.
#[cfg(target_env = "gnu")]
fn give_freed_memory_back() {
    use std::os::unix::process::CommandExt;
    const SETTING: &str = "MALLOC_MMAP_THRESHOLD_";
    const BYTES: &str = "1048576";
    if std::env::var_os(SETTING).is_some() {
        return;
    }
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    let mut names = std::env::args_os();
    let mut again = std::process::Command::new(program);
    if let Some(name) = names.next() {
        again.arg0(name);
    }
    // Comes back only where it failed.
    let error = again.args(names).env(SETTING, BYTES).exec();
    eprintln!("barefoot-edge: goes on with the C library's own use of memory: {error}");
}

/// Each association is an open file, and the usual soft limit is 1024.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "The limit of open files could not be raised; many associations at once may be refused.");
    }
}
