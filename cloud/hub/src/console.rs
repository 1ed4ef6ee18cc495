//! What an operator does on the hub's own machine: accounts, programs' tokens, a copy of the audit log. The hub may run
//! meanwhile.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use barefoot_trust::TlsIdentity;
use clap::Subcommand;
use futures_util::TryStreamExt;

use crate::archive::{self, Archive};
use crate::at_rest::{self, Vault};
use crate::audit::{self, Action, Actor, Audit, Entry, Form, Object, export};
use crate::clock::Clock;
use crate::config::Config;
use crate::people::{
    self, AccountError, People, ProgramError, ProgramRole, SetUpCode, TypedProfile, tier_word,
};
use crate::state::{self, StateDirectory, database_of};

/// Accounts of people.
#[derive(Debug, Subcommand)]
pub enum PersonCommand {
    /// Makes an account and prints the one-time code it is set up with.
    Add(NewPerson),
    /// Lists all accounts.
    List,
    /// Takes an account out of use: its sessions end at once.
    Disable {
        /// The sign-in name.
        name: String,
    },
    /// Links an account with one at the sign-in provider ([people.oidc]).
    Link {
        /// The sign-in name.
        name: String,
        /// The provider's number for the person: its claim `sub`.
        #[arg(long)]
        subject: String,
    },
    /// Takes the link away; sessions that began at the provider end at once.
    Unlink {
        /// The sign-in name.
        name: String,
    },
    /// Voids password, authenticator and signing key, and prints a new one-time code.
    Reset {
        /// The sign-in name.
        name: String,
    },
}

/// A new account.
#[derive(Debug, clap::Args)]
pub struct NewPerson {
    /// What is typed to sign in: small letters, digits, '.', '_', '-'.
    #[arg(long)]
    name: String,
    /// As it stands on reports.
    #[arg(long)]
    display_name: String,
    #[arg(long, default_value = "")]
    title: String,
    #[arg(long, default_value = "")]
    institution: String,
    /// reader, chief, operator, maintainer or auditor; several times for several.
    #[arg(long = "role", required = true)]
    roles: Vec<String>,
    /// county, city or province.
    #[arg(long, default_value = "county")]
    tier: String,
    /// Short codes with a space between; none: all.
    #[arg(long, default_value = "")]
    subspecialties: String,
    /// zh or en.
    #[arg(long, default_value = "zh")]
    language: String,
}

/// Tokens of programs.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Makes a token and prints it, this once.
    Add {
        /// What it is for, for instance the program's name.
        #[arg(long)]
        name: String,
        /// viewer: lists and fetches; reader: works on the list and stores too; sender: only stores; monitor: counts only.
        #[arg(long)]
        role: String,
        /// How many days it is good for.
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
    },
    /// Lists all tokens, without what is secret.
    List,
    /// Takes a token back at once.
    Revoke {
        /// Its name.
        name: String,
    },
}

/// The audit log.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Writes the whole log, signed, to a new file; `barefootctl audit verify` checks it.
    Export {
        /// As DICOM audit messages (XML) instead, for other systems; they hold no signatures.
        #[arg(long)]
        dicom: bool,
        /// The file; it must not exist.
        file: PathBuf,
    },
}

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the certificate settings under [tls] are not usable")]
    Identity { source: barefoot_trust::Error },
    #[error("the state directory is not usable")]
    State { source: state::Error },
    #[error("what the hub keeps cannot be opened")]
    AtRest { source: at_rest::Error },
    #[error("the archive is not usable")]
    Archive { source: archive::Error },
    #[error("the account was not made or changed")]
    Account {
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the token was not made or taken back")]
    Token {
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the role of a token is viewer, reader, sender or monitor")]
    TokenRole,
    #[error("the audit log was not copied")]
    Audit {
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("cannot write {path}")]
    Write { path: String, source: io::Error },
}

impl From<AccountError> for Error {
    fn from(source: AccountError) -> Self {
        Self::Account {
            source: source.into(),
        }
    }
}

impl From<people::Error> for Error {
    fn from(source: people::Error) -> Self {
        Self::Account {
            source: source.into(),
        }
    }
}

impl From<ProgramError> for Error {
    fn from(source: ProgramError) -> Self {
        Self::Token {
            source: source.into(),
        }
    }
}

impl From<audit::Error> for Error {
    fn from(source: audit::Error) -> Self {
        Self::Audit {
            source: source.into(),
        }
    }
}

struct Console {
    archive: Archive,
    identity: Arc<TlsIdentity>,
}

impl Console {
    async fn open(config: &Config) -> Result<Self, Error> {
        let identity = TlsIdentity::load(&config.tls).map_err(|source| Error::Identity { source })?;
        // The first account is made before the hub ever ran.
        StateDirectory::make(&config.directory).map_err(|source| Error::State { source })?;
        let vault = Vault::open(&config.directory, &config.at_rest);
        let vault = Arc::new(vault.map_err(|source| Error::AtRest { source })?);
        let archive = Archive::open(&database_of(&config.directory), vault)
            .await
            .map_err(|source| Error::Archive { source })?;
        Ok(Self {
            archive,
            identity: Arc::new(identity),
        })
    }

    fn people(&self, config: &Config) -> Result<People, Error> {
        let settings = config.people.clone().unwrap_or_default();
        let identity = Arc::clone(&self.identity);
        Ok(People::new(
            self.archive.clone(),
            identity,
            settings,
            &config.page,
            Clock::system(),
        )?)
    }
}

/// What was done, for people.
///
/// # Errors
/// When the hub's settings or database cannot be used, or what was asked for cannot be done.
pub async fn person(config: &Config, command: PersonCommand) -> Result<String, Error> {
    let console = Console::open(config).await?;
    let people = console.people(config)?;
    let said = match command {
        PersonCommand::Add(new) => {
            let typed = TypedProfile {
                display_name: new.display_name,
                title: new.title,
                institution: new.institution,
                roles: new.roles.join(" "),
                tier: new.tier,
                subspecialties: new.subspecialties,
                language: new.language,
                active: true,
            };
            let code = people.add(Actor::Console, &new.name, &typed).await?;
            told(&people, &code)
        }
        PersonCommand::List => {
            let lines = people.list().await?.into_iter().map(|person| {
                let state = match (person.active, person.set_up) {
                    (false, _) => "disabled",
                    (true, false) => "not set up",
                    (true, true) => "active",
                };
                let (name, tier) = (person.name, tier_word(person.tier));
                format!(
                    "{name}\t{}\t{}\t{tier}\t{state}",
                    person.display_name, person.roles
                )
            });
            lines.collect::<Vec<_>>().join("\n")
        }
        PersonCommand::Disable { name } => {
            let person = people.by_name(&name).await?;
            people.disable(Actor::Console, &person).await?;
            format!("{} is disabled; all sessions have ended.", person.name)
        }
        PersonCommand::Link { name, subject } => {
            let person = people.by_name(&name).await?;
            people.link(Actor::Console, &person.id, &subject).await?;
            format!(
                "{} is linked; the first sign-in by the provider asks for the password and a code once.",
                person.name
            )
        }
        PersonCommand::Unlink { name } => {
            let person = people.by_name(&name).await?;
            people.unlink(Actor::Console, &person.id).await?;
            format!("{} is no longer linked.", person.name)
        }
        PersonCommand::Reset { name } => {
            let person = people.by_name(&name).await?;
            let code = people.reset(Actor::Console, &person.id).await?;
            told(&people, &code)
        }
    };
    console.archive.close().await;
    Ok(said)
}

fn told(people: &People, made: &SetUpCode) -> String {
    format!(
        "{} ({}) sets the account up with this one-time code, valid {} hours:\n\n  {}\n\nin a browser: {}\n\n\
         It is shown this once. Give it to this person alone.",
        made.person.display_name,
        made.person.name,
        made.hours,
        made.code,
        people.set_up_link(&made.code)
    )
}

/// As [`person`], for tokens.
///
/// # Errors
/// As [`person`].
pub async fn token(config: &Config, command: TokenCommand) -> Result<String, Error> {
    let console = Console::open(config).await?;
    let people = console.people(config)?;
    let said = match command {
        TokenCommand::Add { name, role, days } => {
            let role = ProgramRole::parse(&role).ok_or(Error::TokenRole)?;
            let token = people.add_program(Actor::Console, &name, role, days).await?;
            format!(
                "The token of \"{name}\", valid {days} days, shown this once:\n\n  {token}\n\nThe program sends it with each \
                 request: Authorization: Bearer TOKEN"
            )
        }
        TokenCommand::List => {
            let now = Clock::system().now_ms();
            let lines = people.programs().await?.into_iter().map(|program| {
                let state = match program.revoked_at_ms {
                    Some(_) => "revoked",
                    None if program.expires_at_ms <= now => "expired",
                    None => "active",
                };
                let until = crate::web::iso_time(program.expires_at_ms);
                format!(
                    "{}\t{}\tuntil {until}\t{state}",
                    program.name,
                    program.role.word()
                )
            });
            lines.collect::<Vec<_>>().join("\n")
        }
        TokenCommand::Revoke { name } => {
            people.revoke_program(Actor::Console, &name).await?;
            format!("The token of \"{name}\" is revoked.")
        }
    };
    console.archive.close().await;
    Ok(said)
}

/// As [`person`], for the audit log.
///
/// # Errors
/// As [`person`], or when the file exists or cannot be written.
pub async fn audit(config: &Config, command: AuditCommand) -> Result<String, Error> {
    let AuditCommand::Export { dicom, file } = command;
    let form = if dicom { Form::Dicom } else { Form::Signed };
    let console = Console::open(config).await?;
    let audit = Audit::new(console.archive.clone(), Arc::clone(&console.identity));
    let entry = Entry::new(Actor::Console, Action::Export, Object::subject("audit"));
    let recorded = audit.record(entry).await;
    recorded.map_err(|source| Error::Archive { source })?;
    write(audit, form, &file).await?;
    console.archive.close().await;
    Ok(match form {
        Form::Signed => format!("Wrote {}. `barefootctl audit verify` checks it.", file.display()),
        Form::Dicom => format!("Wrote {}.", file.display()),
    })
}

async fn write(audit: Audit, form: Form, path: &Path) -> Result<(), Error> {
    let failed = |source| Error::Write {
        path: path.display().to_string(),
        source,
    };
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    let pieces = export(audit, form).await?;
    tokio::pin!(pieces);
    while let Some(piece) = pieces.try_next().await? {
        file.write_all(piece.as_bytes()).map_err(failed)?;
    }
    file.sync_all().map_err(failed)
}
