//! Whether a copy of an audit log, the hub's or a box's, holds, without either.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use barefoot_domain::ClinicId;
use barefoot_trust::Authorities;
use barefoot_trust::audit::{Checker, Hash, MAX_LINE_BYTES, read_hash};
use clap::Subcommand;

use crate::report::time;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Checks a copy of an audit log (`barefoot-hub audit export`, `barefoot-edge audit export`): every entry, every head, the
    /// end. Names the first bad line.
    Verify {
        file: PathBuf,
        /// The region's authority.
        #[arg(long, default_value = "authority.crt")]
        authority: PathBuf,
        /// The log is of this clinic's box. Default: of the hub.
        #[arg(long, value_name = "CLINIC", value_parser = clinic)]
        clinic: Option<ClinicId>,
        /// An entry as the journal has it, NUMBER:HASH ("The audit log's newest hash is signed."): it must be there.
        #[arg(long, value_name = "NUMBER:HASH", value_parser = noted)]
        noted: Option<(u64, Hash)>,
    },
}

fn clinic(text: &str) -> Result<ClinicId, String> {
    ClinicId::new(text).map_err(|error| error.to_string())
}

fn noted(text: &str) -> Result<(u64, Hash), String> {
    text.split_once(':')
        .and_then(|(number, hash)| Some((number.parse().ok()?, read_hash(hash)?)))
        .ok_or_else(|| "give the entry's number, a colon, and its hash of 64 digits".to_owned())
}

/// What was found, for people.
pub(crate) fn run(command: &Command) -> anyhow::Result<String> {
    let Command::Verify {
        file,
        authority,
        clinic,
        noted,
    } = command;
    let authorities = load(authority)?;
    let (mut checker, whose) = match clinic {
        Some(clinic) => (
            Checker::of_clinic(authorities, clinic.clone()),
            format!("the box of {clinic}"),
        ),
        None => (Checker::new(authorities), "the hub".to_owned()),
    };
    if let Some((number, hash)) = noted {
        checker = checker.expecting(*number, *hash);
    }
    let shown = file.display();
    let cannot = || format!("cannot read {shown}");
    let mut reader = BufReader::new(File::open(file).with_context(cannot)?);
    loop {
        let mut line = Vec::new();
        // Whatever the file is, no more than a line of it is held.
        let most = MAX_LINE_BYTES as u64 + 2;
        let read = reader.by_ref().take(most).read_until(b'\n', &mut line);
        if read.with_context(cannot)? == 0 {
            break;
        }
        let Ok(text) = std::str::from_utf8(&line) else {
            bail!("{shown} is no audit log: it is not text");
        };
        checker
            .line(text.trim_end_matches('\n'))
            .map_err(|bad| does_not_hold(file, bad))?;
    }
    let whole = checker.finish().map_err(|bad| does_not_hold(file, bad))?;
    let clock = match whole.clock_went_back {
        0 => String::new(),
        1 => " Its clock was set back once.".to_owned(),
        times => format!(" Its clock was set back {times} times."),
    };
    let since = whole
        .since_ms
        .map(|at_ms| format!(" What is older than {} was removed by policy.", time(at_ms)))
        .unwrap_or_default();
    Ok(format!(
        "{shown} holds: {} entries, {} heads signed by {whose}, complete until {}.{since}{clock}",
        whole.entries,
        whole.heads,
        time(whole.until_ms)
    ))
}

fn does_not_hold(file: &Path, bad: barefoot_trust::audit::BadLine) -> anyhow::Error {
    anyhow!(bad).context(format!("{} does not hold", file.display()))
}

pub(crate) fn load(authority: &Path) -> anyhow::Result<Authorities> {
    Authorities::load(authority).context(
        "the region's authority is needed to check signatures: --authority FILE, the authority.crt every box has",
    )
}

#[cfg(test)]
mod tests {
    use barefoot_trust::audit::{AuditEntry, NOTHING, entry_line, head_line, until_line};
    use barefoot_trust::{Authority, TlsIdentity, TlsPaths};
    use time::{Duration, OffsetDateTime};

    use super::*;

    #[test]
    fn a_copy_holds_or_its_first_bad_line_is_named() {
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
        let entry = AuditEntry {
            number: 1,
            at_ms,
            action: "sign_in".into(),
            ..AuditEntry::default()
        };
        let hash = entry.hash(&NOTHING);
        let head = identity.sign_head(1, hash, at_ms, NOTHING).unwrap();
        let lines = [
            until_line(&head),
            entry_line(&entry, &NOTHING, &hash),
            head_line(&head),
        ];
        let file = dir.path().join("audit.jsonl");
        let verify = |text: String, noted| {
            std::fs::write(&file, text).unwrap();
            run(&Command::Verify {
                file: file.clone(),
                authority: authority.clone(),
                clinic: None,
                noted,
            })
        };
        let said = verify(lines.join("\n") + "\n", Some((1, hash))).unwrap();
        assert!(said.contains("holds: 1 entries, 1 heads"), "{said}");
        for (text, wanted) in [
            (lines[..2].join("\n"), "the head that ends the log is missing"),
            (lines[..1].join("\n"), "the end was cut off"),
            (
                lines.join("\n").replace("sign_in", "sign_up"),
                "line 2: entry 1 was altered",
            ),
            ("x".repeat(200_000), "line 1: this is no line"),
            (String::new(), "does not begin"),
        ] {
            let said = format!("{:#}", verify(text, None).unwrap_err());
            assert!(said.contains("does not hold") && said.contains(wanted), "{said}");
        }
        let said = format!("{:#}", verify(lines.join("\n"), Some((1, [1; 32]))).unwrap_err());
        assert!(said.contains("written anew"), "{said}");
        assert!(noted("1:00").is_err() && noted(&format!("7:{}", "0a".repeat(32))).is_ok());
    }
}
