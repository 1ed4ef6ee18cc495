//! Whether a report was signed by whom it names, without the hub.

use std::path::PathBuf;

use anyhow::{Context, bail};
use barefoot_trust::{KeyStatement, SignedParts, Signing, verify_report};
use barefoot_wire::{decode_report, decode_signed_report, decode_signer_statement};
use clap::Subcommand;
use time::OffsetDateTime;
use time::macros::format_description;

/// With its signatures a report is far smaller.
const MAX_FILE_BYTES: u64 = 256 * 1024;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Checks a signed report: the signer's key, the hub's word whose it is, the hub's certificate when it was signed.
    Verify {
        /// As the hub gives it out (protobuf, SignedReport).
        file: PathBuf,
        /// The region's authority.
        #[arg(long, default_value = "authority.crt")]
        authority: PathBuf,
    },
}

/// What was found, for people.
pub(crate) fn run(command: &Command) -> anyhow::Result<String> {
    let Command::Verify { file, authority } = command;
    let authorities = crate::audit::load(authority)?;
    let shown = file.display();
    let cannot = || format!("cannot read {shown}");
    if MAX_FILE_BYTES < file.metadata().with_context(cannot)?.len() {
        bail!("{shown} is no signed report: it is too large for one");
    }
    let bytes = std::fs::read(file).with_context(cannot)?;
    let no_report = || format!("{shown} is no signed report");
    let signed = decode_signed_report(&bytes).with_context(no_report)?;
    let report = decode_report(&signed.content).with_context(no_report)?;
    let signer = decode_signer_statement(&signed.signer).with_context(no_report)?;
    let last = report.readers.last().with_context(no_report)?;
    verify_report(
        &authorities,
        &SignedParts {
            content: &signed.content,
            signature: &signed.signature,
            signer: &signed.signer,
            signer_signature: &signed.signer_signature,
            certificate: &signed.certificate,
        },
        &KeyStatement {
            person: &signer.person,
            public_key: &signer.public_key,
            from_ms: signer.from_ms,
        },
        &Signing {
            person: &last.person,
            at_ms: report.signed_at_ms,
        },
    )
    .with_context(|| format!("{shown} does not hold"))?;
    let about = [signer.title, signer.institution].map(|words| words.trim().to_owned());
    let about: Vec<_> = about.into_iter().filter(|words| !words.is_empty()).collect();
    let about = match about.is_empty() {
        true => String::new(),
        false => format!(" ({})", about.join(", ")),
    };
    let addendum = report
        .addendum_to
        .map(|id| format!(", an addendum to {id}"))
        .unwrap_or_default();
    Ok(format!(
        "{shown} holds: report {}{addendum}, of case {} (version {}) from clinic {},\nsigned by {}{about}, account {},\non {}.",
        report.id,
        report.case,
        report.version,
        report.clinic,
        signer.name,
        signer.person,
        time(report.signed_at_ms)
    ))
}

/// UTC, to the second.
pub(crate) fn time(ms: i64) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
        .ok()
        .and_then(|at| at.format(format).ok())
        .unwrap_or_else(|| format!("{ms} ms"))
}

#[cfg(test)]
mod tests {
    use barefoot_domain::{CaseId, ClinicId, Part, Reader, Report, Tier, Urgency};
    use barefoot_trust::person_key::PersonKey;
    use barefoot_trust::{Authority, TlsIdentity, TlsPaths};
    use barefoot_wire::{SignerStatement, encode_report, encode_signer_statement, v1};
    use prost::Message;
    use time::Duration;

    use super::*;

    const PERSON: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

    fn report(at_ms: i64) -> Report {
        Report {
            id: "01ARZ3NDEKTSV4RRFFQ69G5FAW".into(),
            clinic: ClinicId::new("clinic-7").unwrap(),
            case: CaseId::new("2.25.1").unwrap(),
            version: 1,
            addendum_to: None,
            modality: "DX".into(),
            tier: Tier::County,
            urgency: Urgency::Review,
            statements: vec![],
            description: "description".into(),
            impression: "impression".into(),
            advice: String::new(),
            assessment: None,
            readers: vec![Reader {
                person: PERSON.into(),
                name: "李伟".into(),
                title: String::new(),
                institution: String::new(),
                part: Part::First,
                at_ms,
            }],
            language: "zh-CN".into(),
            signed_at_ms: at_ms,
        }
    }

    #[test]
    fn a_signed_report_holds_or_the_reason_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let now = OffsetDateTime::now_utc();
        let region = Authority::create(dir.path(), "Test region", now).unwrap();
        let hub = region.issue_hub(&["localhost".into()], now, Duration::days(1));
        hub.unwrap().save(dir.path(), "hub").unwrap();
        let authority = dir.path().join("authority.crt");
        let identity = TlsIdentity::load(&TlsPaths {
            authority: authority.clone(),
            certificate: dir.path().join("hub.crt"),
            key: dir.path().join("hub.key"),
        })
        .unwrap();
        let at_ms = now.unix_timestamp() * 1000;
        let key = PersonKey::from_seed(&[3; 32]).unwrap();
        let signer = encode_signer_statement(&SignerStatement {
            person: PERSON.into(),
            name: "李伟".into(),
            title: "主任医师".into(),
            institution: String::new(),
            public_key: key.public_key().try_into().unwrap(),
            from_ms: at_ms,
        });
        let content = encode_report(&report(at_ms));
        let good = v1::SignedReport {
            signature: key.sign_report(&content),
            content,
            signer_signature: identity.sign_statement(&signer).unwrap(),
            signer,
            certificate: identity.certificate(),
        };
        let file = dir.path().join("report.bin");
        let verify = |bytes: &[u8], authority: &PathBuf| {
            std::fs::write(&file, bytes).unwrap();
            let authority = authority.clone();
            run(&Command::Verify {
                file: file.clone(),
                authority,
            })
        };
        let said = verify(&good.encode_to_vec(), &authority).unwrap();
        for word in ["holds", "李伟 (主任医师)", "clinic-7", "UTC"] {
            assert!(said.contains(word), "{word}: {said}");
        }
        let mut altered = report(at_ms);
        altered.impression = "another".into();
        let altered = v1::SignedReport {
            content: encode_report(&altered),
            ..good.clone()
        };
        let early = v1::SignedReport {
            content: encode_report(&report(at_ms - 1)),
            ..good.clone()
        };
        let cases = [
            (altered.encode_to_vec(), "did not sign this report"),
            (early.encode_to_vec(), "before its signer had this key"),
            (b"rubbish".to_vec(), "is no signed report"),
            (vec![0; 300_000], "too large"),
        ];
        for (bytes, wanted) in cases {
            let said = format!("{:#}", verify(&bytes, &authority).unwrap_err());
            assert!(said.contains(wanted), "{said}");
        }
        let there = dir.path().join("there");
        std::fs::create_dir(&there).unwrap();
        Authority::create(&there, "Another region", now).unwrap();
        let said = format!(
            "{:#}",
            verify(&good.encode_to_vec(), &there.join("authority.crt")).unwrap_err()
        );
        assert!(said.contains("not one of this region's authority"), "{said}");
        let missing = verify(&good.encode_to_vec(), &dir.path().join("none")).unwrap_err();
        assert!(format!("{missing:#}").contains("--authority"), "{missing:#}");
    }
}
