//! How a box comes to belong to a clinic: a one-time code for whoever stands beside it.

use std::fmt::Write as _;

use anyhow::Context;
use barefoot_domain::ClinicId;
use barefoot_wire::v1;
use clap::Subcommand;
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::hub;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes a one-time code by which a box becomes this clinic's. It is typed into the box's first page, or laid on a stick.
    Add {
        /// The clinic's id: 1 to 64 of a-z, 0-9 and '-'.
        clinic: String,
        /// How many hours the code is good for. Default: as the hub is set (72).
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=720))]
        hours: Option<u32>,
        /// Print the code's line only, as it stands in the file on a stick.
        #[arg(long)]
        line: bool,
    },
    /// Ends the clinic's open code.
    Cancel {
        /// The clinic's id.
        clinic: String,
    },
    /// Lists the clinics with an open code or an enrolled box.
    List,
}

pub(crate) async fn run(command: &Command, options: &hub::Options) -> anyhow::Result<String> {
    match command {
        Command::Add { clinic, hours, line } => {
            let clinic = ClinicId::new(clinic.as_str())?;
            let hub = options.hub()?;
            let request = v1::AddSiteRequest {
                clinic: clinic.to_string(),
                valid_hours: hours.unwrap_or_default(),
            };
            let asked = hub.sites().add_site(request).await;
            let site = asked.map_err(|status| hub.told(&status))?.into_inner();
            if *line {
                return Ok(set_up_line(&site));
            }
            added(&clinic, &site)
        }
        Command::Cancel { clinic } => {
            let clinic = ClinicId::new(clinic.as_str())?;
            let hub = options.hub()?;
            let request = v1::CancelSiteRequest {
                clinic: clinic.to_string(),
            };
            let asked = hub.sites().cancel_site(request).await;
            asked.map_err(|status| hub.told(&status))?;
            Ok(format!("The code of {clinic} is good for nothing any more."))
        }
        Command::List => {
            let hub = options.hub()?;
            let asked = hub.sites().list_sites(v1::ListSitesRequest {}).await;
            let list = asked.map_err(|status| hub.told(&status))?.into_inner();
            if list.site.is_empty() {
                return Ok("No clinic has a code or a box: begin with `barefootctl site add`.".to_owned());
            }
            let lines: Vec<String> = list.site.iter().map(words).collect();
            Ok(lines.join("\n"))
        }
    }
}

/// What the box's page and the file on a stick take.
fn set_up_line(site: &v1::SiteCode) -> String {
    format!("{}/{}", site.hub, site.code)
}

fn added(clinic: &ClinicId, site: &v1::SiteCode) -> anyhow::Result<String> {
    let line = set_up_line(site);
    let square = QrCode::with_error_correction_level(line.as_bytes(), EcLevel::M)
        .context("the code's square cannot be drawn")?
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .build();
    let mut text = format!("A box becomes {clinic} with this code, once:\n\n");
    writeln!(text, "    Hub   {}", site.hub)?;
    writeln!(text, "    Code  {}\n", site.code)?;
    writeln!(text, "{square}\n")?;
    writeln!(text, "The square holds both: {line}")?;
    write!(
        text,
        "On the box: open its page and type them in, or lay a file barefoot-setup.txt with that line on a stick. Good until {}.",
        moment(site.expires_at_ms)
    )?;
    if site.replaces_a_box {
        write!(
            text,
            "\n{clinic} has a box: it goes on until the new one comes with this code, and is shut out then."
        )?;
    }
    Ok(text)
}

fn words(site: &v1::Site) -> String {
    let mut states = Vec::new();
    if site.copied_at_ms != 0 {
        states.push(format!(
            "SHUT OUT since {}: there are two boxes with its key, enrol the real one again",
            moment(site.copied_at_ms)
        ));
    } else if site.enrolled_at_ms != 0 {
        states.push(format!(
            "enrolled {}, certificate until {}",
            moment(site.enrolled_at_ms),
            moment(site.certificate_until_ms)
        ));
    }
    if site.code_expires_at_ms != 0 {
        states.push(format!("code open until {}", moment(site.code_expires_at_ms)));
    }
    format!("{}  {}", site.clinic, states.join("; "))
}

/// UTC, to the second.
fn moment(at_ms: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(at_ms.div_euclid(1000)).ok();
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_site_is_told_with_all_that_the_box_needs() {
        let clinic = ClinicId::new("clinic-7").unwrap();
        let site = v1::SiteCode {
            hub: "hub.region.example:8445".into(),
            code: "ABCD-EFGH-IJKL-MNOP-QRST".into(),
            expires_at_ms: 0,
            replaces_a_box: true,
        };
        let text = added(&clinic, &site).unwrap();
        for wanted in [
            "hub.region.example:8445/ABCD-EFGH-IJKL-MNOP-QRST",
            "barefoot-setup.txt",
            "1970-01-01T00:00:00Z",
            "is shut out then",
            "▄",
        ] {
            assert!(text.contains(wanted), "{text}");
        }
    }

    #[test]
    fn a_copied_box_is_seen_at_once() {
        let site = v1::Site {
            clinic: "clinic-7".into(),
            enrolled_at_ms: 1,
            copied_at_ms: 2,
            ..v1::Site::default()
        };
        assert!(words(&site).contains("SHUT OUT"));
    }
}
