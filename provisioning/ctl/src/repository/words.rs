//! Where a repository stands, for people.

use std::fmt::Write;
use std::path::Path;

use barefoot_trust::release::{Progress, RepositoryEditor, RoleName, Waiting};
use time::macros::format_description;
use time::{Duration, OffsetDateTime};

use super::contents;

/// From here on it is time to think of the next refresh.
const SOON: Duration = Duration::days(7);

/// A key's id is long; its beginning tells keys apart.
pub(super) fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

pub(crate) fn progress(progress: &Progress, directory: &Path) -> String {
    match progress {
        Progress::Nothing => "Nothing is staged.".to_owned(),
        Progress::Published => format!(
            "Published in {0}. `barefootctl model release --repository {0}` brings it to the hub, `barefootctl repository export {0} TO` onto a stick.",
            directory.display()
        ),
        Progress::Waiting(waiting) => {
            let mut text = "Not published yet:".to_owned();
            for waiting in waiting {
                let _ = write!(text, "\n  {}", missing(waiting));
            }
            let _ = write!(
                text,
                "\n`barefootctl repository sign {} --key FILE` where the keys are, or `repository sign-apart FILE --key FILE --out FILE --expect DIGEST` on another machine and `repository merge` here.",
                directory.display()
            );
            text
        }
    }
}

fn missing(waiting: &Waiting) -> String {
    let ids: Vec<&str> = waiting.missing.iter().map(|id| short(id)).collect();
    format!(
        "{}: {} of {} signatures; may still sign: {}; file: {}; digest to tell them: {}",
        waiting.role,
        waiting.have,
        waiting.need,
        ids.join(", "),
        waiting.file.display(),
        waiting.digest
    )
}

pub(super) fn status(
    editor: &RepositoryEditor,
    directory: &Path,
    now: OffsetDateTime,
) -> anyhow::Result<String> {
    let mut text = String::new();
    for role in editor.status()? {
        let ids: Vec<&str> = role.keyids.iter().map(|id| short(id)).collect();
        let _ = writeln!(
            text,
            "{:9}  version {:3}  until {}{}  {} of {}: {}",
            role.role.as_str(),
            role.version,
            day(role.expires),
            warning(role.role, role.expires, now),
            role.threshold,
            ids.len(),
            ids.join(", ")
        );
    }
    let offered = editor.releases()?;
    for release in offered.iter().flat_map(|offered| &offered.releases) {
        let details = &release.details;
        let bytes: u64 = release.files.iter().map(|file| file.length).sum();
        let _ = writeln!(
            text,
            "release    {} {}  sequence {}  {} files, {} KiB{}",
            details.model,
            details.version,
            details.sequence,
            release.files.len(),
            bytes.div_ceil(1024),
            if details.demonstration {
                "  demonstration"
            } else {
                ""
            }
        );
    }
    for gone in offered.iter().flat_map(|offered| &offered.withdrawn) {
        let _ = writeln!(text, "withdrawn  {} {}", gone.model, gone.version);
    }
    text.push_str(&contents::staged(editor)?);
    text.push_str(&match editor.progress()? {
        Progress::Nothing => "Nothing is staged.".to_owned(),
        other => progress(&other, directory),
    });
    Ok(text)
}

fn warning(role: RoleName, expires: OffsetDateTime, now: OffsetDateTime) -> &'static str {
    let refresh = matches!(role, RoleName::Snapshot | RoleName::Timestamp);
    match expires - now {
        left if left <= Duration::ZERO => "  EXPIRED: boxes take nothing",
        left if left <= SOON && refresh => "  soon: `repository refresh`",
        left if left <= SOON && role == RoleName::Targets => "  soon: `repository refresh --targets`",
        left if left <= SOON => "  soon: `repository rotate`",
        _ => "",
    }
}

pub(super) fn day(moment: OffsetDateTime) -> String {
    moment
        .format(format_description!("[year]-[month]-[day] [hour]:[minute] UTC"))
        .unwrap_or_default()
}
