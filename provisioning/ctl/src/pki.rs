//! Certificates of a region. A key is never overwritten: losing one by a typo would lock a clinic out.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use barefoot_domain::ClinicId;
use barefoot_trust::{Authority, Role};
use clap::Subcommand;
use time::{Duration, OffsetDateTime};

/// The file name of the hub's certificate and key.
const HUB: &str = "hub";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes the authority: authority.crt goes to every box, authority.key to none.
    Init {
        /// A folder that only the operator reads; made when missing.
        directory: PathBuf,
        /// The authority's name, shown in every certificate.
        #[arg(long)]
        name: String,
    },
    /// Makes an authority below this one, for the hub to issue with while this one's key is locked away: authority.crt (this
    /// one follows in it), authority.key.
    Below(Another),
    /// Makes the authority that takes this one's place. What it issues is trusted by all who trust this one.
    Successor(Another),
    /// Issues the hub's certificate and key: hub.crt, hub.key.
    Hub {
        /// The authority's folder.
        directory: PathBuf,
        /// A name or address the clinics reach the hub under; several times for several.
        #[arg(long = "host", required = true)]
        hosts: Vec<String>,
        /// How many days the certificate is valid.
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(i64).range(1..=3650))]
        days: i64,
    },
    /// Issues the certificate and key of one clinic's box: ID.crt, ID.key.
    Clinic {
        /// The authority's folder.
        directory: PathBuf,
        /// The clinic's id: 1 to 64 of a-z, 0-9 and '-'.
        id: String,
        /// How many days the certificate is valid.
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(i64).range(1..=3650))]
        days: i64,
    },
    /// Issues a model maintainer's certificate and key: NAME.crt, NAME.key. Maintainers run rounds and publish releases.
    Maintainer(Person),
    /// Issues an expert's certificate and key: NAME.crt, NAME.key. Experts correct findings.
    Expert(Person),
    /// Issues an operator's certificate and key: NAME.crt, NAME.key. Operators let boxes in and shut them out.
    Operator(Person),
    /// Issues the certificate and key of a lamp, a pager or a screen that hears of alarms: NAME.crt, NAME.key.
    Listener(Person),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Another {
    /// The authority's folder.
    directory: PathBuf,
    /// The folder of the new one; made when missing.
    #[arg(long)]
    out: PathBuf,
    /// The new one's name, shown in every certificate.
    #[arg(long)]
    name: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Person {
    /// The authority's folder.
    directory: PathBuf,
    /// Who: 1 to 64 of letters, digits, '.', '_', '-'.
    name: String,
    /// How many days the certificate is valid.
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(i64).range(1..=3650))]
    days: i64,
}

/// What was done, for people.
pub(crate) fn run(command: &Command, now: OffsetDateTime) -> anyhow::Result<String> {
    match command {
        Command::Init { directory, name } => init(directory, name, now),
        Command::Below(another) => {
            make_room(&another.out, &another.name)?;
            load(&another.directory)?.create_below(&another.out, &another.name, now)?;
            Ok(format!(
                "Made the authority \"{1}\" in {0}. The hub issues with it ([enrolment] authority = \"{0}\"), and every box and the hub get {0}/authority.crt. Lock {2}/authority.key away now.",
                another.out.display(),
                another.name,
                another.directory.display()
            ))
        }
        Command::Successor(another) => {
            make_room(&another.out, &another.name)?;
            load(&another.directory)?.create_successor(&another.out, &another.name, now)?;
            Ok(format!(
                "Made the authority \"{1}\" in {0}; the one before it follows in {0}/authority.crt. Give that file to the hub first: boxes take it over when they renew.",
                another.out.display(),
                another.name
            ))
        }
        Command::Hub {
            directory,
            hosts,
            days,
        } => {
            refuse_existing(directory, HUB)?;
            load(directory)?
                .issue_hub(hosts, now, Duration::days(*days))
                .with_context(|| format!("cannot issue a certificate for {}", hosts.join(", ")))?
                .save(directory, HUB)?;
            Ok(issued(directory, HUB, *days))
        }
        Command::Clinic { directory, id, days } => {
            let clinic = ClinicId::new(id.as_str())?;
            if [HUB, "authority"].contains(&clinic.as_str()) {
                bail!("the clinic id \"{clinic}\" would take the {clinic}'s own file names: choose another");
            }
            refuse_existing(directory, clinic.as_str())?;
            load(directory)?
                .issue_clinic(&clinic, now, Duration::days(*days))?
                .save(directory, clinic.as_str())?;
            Ok(issued(directory, clinic.as_str(), *days))
        }
        Command::Maintainer(person) => issue(person, Role::Maintainer, now),
        Command::Expert(person) => issue(person, Role::Expert, now),
        Command::Operator(person) => issue(person, Role::Operator, now),
        Command::Listener(person) => issue(person, Role::Listener, now),
    }
}

fn issue(person: &Person, role: Role, now: OffsetDateTime) -> anyhow::Result<String> {
    let Person {
        directory,
        name,
        days,
    } = person;
    // The name becomes a file's: its rule is checked before.
    barefoot_trust::Person::new(role, name)?;
    if [HUB, "authority"].contains(&name.as_str()) || name.starts_with('.') {
        bail!("the name \"{name}\" would take other files' names: choose another");
    }
    refuse_existing(directory, name)?;
    load(directory)?
        .issue_person(role, name, now, Duration::days(*days))?
        .save(directory, name)?;
    Ok(format!(
        "Issued {0}/{name}.crt and {0}/{name}.key for a{1} {2}, valid {days} days. They go with authority.crt to {name} alone: `barefootctl --identity DIR/{name} …`.",
        directory.display(),
        if matches!(role, Role::Expert | Role::Operator) {
            "n"
        } else {
            ""
        },
        role.unit()
    ))
}

/// A folder for a new authority.
fn make_room(directory: &Path, name: &str) -> anyhow::Result<()> {
    if name.trim().is_empty() {
        bail!("the authority needs a name");
    }
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    refuse_existing(directory, "authority")
}

fn init(directory: &Path, name: &str, now: OffsetDateTime) -> anyhow::Result<String> {
    make_room(directory, name)?;
    Authority::create(directory, name, now)?;
    Ok(format!(
        "Made the authority \"{name}\" in {0}.\nEvery box and the hub get authority.crt. Keep {0}/authority.key here, and a copy of it offline.",
        directory.display()
    ))
}

/// Before anything is made, so that a refusal leaves nothing behind.
fn refuse_existing(directory: &Path, name: &str) -> anyhow::Result<()> {
    for ending in ["key", "crt"] {
        let path = directory.join(format!("{name}.{ending}"));
        if path.exists() {
            bail!(
                "{} exists already and is never overwritten: move it away to make a new one",
                path.display()
            );
        }
    }
    Ok(())
}

fn load(directory: &Path) -> anyhow::Result<Authority> {
    Authority::load(directory).with_context(|| {
        format!(
            "there is no authority in {0}: make one with `barefootctl pki init {0} --name NAME`",
            directory.display()
        )
    })
}

fn issued(directory: &Path, name: &str, days: i64) -> String {
    format!(
        "Issued {0}/{name}.crt and {0}/{name}.key, valid {days} days. Its machine needs both, and {0}/authority.crt.",
        directory.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use barefoot_trust::{TlsIdentity, TlsPaths};

    fn now() -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }

    fn init(directory: &Path) {
        let command = Command::Init {
            directory: directory.to_owned(),
            name: "Test region".into(),
        };
        run(&command, now()).unwrap();
    }

    fn clinic(directory: &Path, id: &str) -> anyhow::Result<String> {
        let command = Command::Clinic {
            directory: directory.to_owned(),
            id: id.into(),
            days: 30,
        };
        run(&command, now())
    }

    fn hub(directory: &Path, host: &str) -> anyhow::Result<String> {
        let command = Command::Hub {
            directory: directory.to_owned(),
            hosts: vec![host.into()],
            days: 30,
        };
        run(&command, now())
    }

    #[test]
    fn what_is_issued_can_be_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("pki");
        init(&directory);
        hub(&directory, "127.0.0.1").unwrap();
        clinic(&directory, "clinic-7").unwrap();
        for name in ["hub", "clinic-7"] {
            let identity = TlsIdentity::load(&TlsPaths {
                authority: directory.join("authority.crt"),
                certificate: directory.join(format!("{name}.crt")),
                key: directory.join(format!("{name}.key")),
            })
            .unwrap();
            identity.client_config().unwrap();
            assert_eq!(identity.clinic().is_ok(), name == "clinic-7");
        }
    }

    #[test]
    fn keys_are_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path();
        init(directory);
        clinic(directory, "a").unwrap();
        hub(directory, "hub.example").unwrap();
        let before = fs::read(directory.join("a.key")).unwrap();
        let again = [
            clinic(directory, "a"),
            hub(directory, "hub.example"),
            run(
                &Command::Init {
                    directory: directory.to_owned(),
                    name: "Other".into(),
                },
                now(),
            ),
        ];
        for refusal in again {
            let text = refusal.unwrap_err().to_string();
            assert!(text.contains("never overwritten"), "{text}");
        }
        assert_eq!(fs::read(directory.join("a.key")).unwrap(), before);
    }

    #[test]
    fn people_have_certificates_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path();
        init(directory);
        let person = |name: &str| Person {
            directory: directory.to_owned(),
            name: name.into(),
            days: 30,
        };
        run(&Command::Maintainer(person("li.wei")), now()).unwrap();
        run(&Command::Expert(person("dr-chen")), now()).unwrap();
        for name in ["li.wei", "dr-chen"] {
            let identity = TlsIdentity::load(&TlsPaths {
                authority: directory.join("authority.crt"),
                certificate: directory.join(format!("{name}.crt")),
                key: directory.join(format!("{name}.key")),
            })
            .unwrap();
            assert!(identity.clinic().is_err(), "a person is no clinic");
        }
        for name in ["li.wei", "hub", "authority", ".hidden", "a/b", ""] {
            assert!(run(&Command::Expert(person(name)), now()).is_err(), "{name}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("{:#}", clinic(folder.path(), "a").unwrap_err());
        assert!(text.contains("pki init"), "{text}");
        init(folder.path());
        let text = format!("{:#}", clinic(folder.path(), "Clinic 7").unwrap_err());
        assert!(text.contains("a-z"), "{text}");
        let text = format!("{:#}", clinic(folder.path(), "authority").unwrap_err());
        assert!(text.contains("choose another"), "{text}");
        assert!(hub(folder.path(), "no such name\u{e9}").is_err());
        assert!(
            !folder.path().join("hub.key").exists(),
            "a refusal leaves nothing"
        );
    }
}
