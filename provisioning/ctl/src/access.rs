//! Whose certificates the hub lets in.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use barefoot_domain::ClinicId;
use barefoot_trust::{Fingerprint, Person, Role, certificate_in};
use barefoot_wire::v1;
use barefoot_wire::v1::holder::Who;
use clap::Subcommand;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::hub;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shuts somebody out, at once and on every port of the hub: a stolen box, a lost key, a person who left.
    Revoke {
        #[command(flatten)]
        holder: Holder,
        /// For the hub's log and whoever asks later.
        #[arg(long)]
        reason: String,
    },
    /// Takes a revocation back.
    Restore {
        #[command(flatten)]
        holder: Holder,
    },
    /// Lists who is shut out, the newest first.
    List,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Holder {
    /// Every certificate of this clinic's box.
    #[arg(long, value_name = "ID")]
    clinic: Option<String>,
    /// Every certificate of a person.
    #[arg(long, value_name = "ROLE/NAME")]
    person: Option<String>,
    /// One certificate; the clinic or person may come in with another.
    #[arg(long, value_name = "FILE.crt")]
    certificate: Option<PathBuf>,
    /// The same by its SHA-256 in hexadecimal digits, as `list` and `openssl x509 -fingerprint -sha256` show it.
    #[arg(long, value_name = "SHA256")]
    fingerprint: Option<String>,
}

impl Holder {
    fn message(&self) -> anyhow::Result<v1::Holder> {
        let who = if let Some(clinic) = &self.clinic {
            Who::Clinic(ClinicId::new(clinic.as_str())?.to_string())
        } else if let Some(person) = &self.person {
            let (role, name) = person
                .split_once('/')
                .and_then(|(role, name)| Some((Role::parse(role)?, name)))
                .with_context(|| {
                    format!("--person {person}: give ROLE/NAME with maintainer, expert, operator or listener")
                })?;
            let person = Person::new(role, name)?;
            Who::Person(v1::CertifiedPerson {
                role: person.role.unit().to_owned(),
                name: person.name,
            })
        } else if let Some(file) = &self.certificate {
            Who::CertificateSha256(fingerprint_of(file)?.0.to_vec())
        } else if let Some(digits) = &self.fingerprint {
            let Some(fingerprint) = Fingerprint::parse(digits) else {
                bail!("--fingerprint {digits}: give the 64 hexadecimal digits of a SHA-256");
            };
            Who::CertificateSha256(fingerprint.0.to_vec())
        } else {
            bail!("name a clinic, a person or a certificate");
        };
        Ok(v1::Holder { who: Some(who) })
    }
}

fn fingerprint_of(file: &Path) -> anyhow::Result<Fingerprint> {
    let certificate = certificate_in(file)?;
    Ok(Fingerprint::of(&certificate))
}

fn words(holder: Option<&v1::Holder>) -> String {
    match holder.and_then(|holder| holder.who.as_ref()) {
        Some(Who::Clinic(clinic)) => format!("clinic {clinic}"),
        Some(Who::Person(person)) => format!("{} {}", person.role, person.name),
        Some(Who::CertificateSha256(hash)) => match <[u8; 32]>::try_from(hash.as_slice()) {
            Ok(hash) => format!("certificate {}", Fingerprint(hash)),
            Err(_) => "a certificate".to_owned(),
        },
        None => "somebody this program does not know".to_owned(),
    }
}

pub(crate) async fn run(command: &Command, options: &hub::Options) -> anyhow::Result<String> {
    match command {
        Command::Revoke { holder, reason } => {
            let holder = holder.message()?;
            let hub = options.hub()?;
            let named = words(Some(&holder));
            let request = v1::RevokeRequest {
                holder: Some(holder),
                reason: reason.clone(),
            };
            let asked = hub.sites().revoke(request).await;
            asked.map_err(|status| hub.told(&status))?;
            Ok(format!(
                "Shut out: {named}. What was open is cut; take it back with `barefootctl access restore`."
            ))
        }
        Command::Restore { holder } => {
            let holder = holder.message()?;
            let hub = options.hub()?;
            let named = words(Some(&holder));
            let request = v1::RestoreRequest { holder: Some(holder) };
            let asked = hub.sites().restore(request).await;
            asked.map_err(|status| hub.told(&status))?;
            Ok(format!("May come in again: {named}."))
        }
        Command::List => {
            let hub = options.hub()?;
            let asked = hub.sites().list_revocations(v1::ListRevocationsRequest {}).await;
            let list = asked.map_err(|status| hub.told(&status))?.into_inner();
            if list.revocation.is_empty() {
                return Ok("Nobody is shut out.".to_owned());
            }
            let lines: Vec<String> = list
                .revocation
                .iter()
                .map(|one| {
                    format!(
                        "{}  {}  by {}: {}",
                        moment(one.at_ms),
                        words(one.holder.as_ref()),
                        one.by,
                        one.reason
                    )
                })
                .collect();
            Ok(lines.join("\n"))
        }
    }
}

/// UTC, to the second.
fn moment(at_ms: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(at_ms.div_euclid(1000)).ok();
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder() -> Holder {
        Holder {
            clinic: None,
            person: None,
            certificate: None,
            fingerprint: None,
        }
    }

    #[test]
    fn holders_are_named_as_they_were_given() {
        let digits = "AB".repeat(32);
        for (holder, named) in [
            (
                Holder {
                    clinic: Some("clinic-7".into()),
                    ..holder()
                },
                "clinic clinic-7".to_owned(),
            ),
            (
                Holder {
                    person: Some("expert/dr-chen".into()),
                    ..holder()
                },
                "expert dr-chen".to_owned(),
            ),
            (
                Holder {
                    fingerprint: Some(digits.clone()),
                    ..holder()
                },
                format!("certificate {}", digits.to_lowercase()),
            ),
        ] {
            assert_eq!(words(Some(&holder.message().unwrap())), named);
        }
        assert_eq!(moment(0), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn mistakes_are_named() {
        let text = |holder: Holder| format!("{:#}", holder.message().unwrap_err());
        for person in ["dr-chen", "chief/li"] {
            let wrong = Holder {
                person: Some(person.into()),
                ..holder()
            };
            assert!(text(wrong).contains("ROLE/NAME"));
        }
        let wrong = Holder {
            fingerprint: Some("12".into()),
            ..holder()
        };
        assert!(text(wrong).contains("64 hexadecimal digits"));
        let wrong = Holder {
            certificate: Some("nowhere.crt".into()),
            ..holder()
        };
        assert!(text(wrong).contains("nowhere.crt"));
    }
}
