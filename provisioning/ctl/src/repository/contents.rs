//! What is about to be signed, for people.

use std::fmt::Write;

use anyhow::bail;
use barefoot_trust::release::{Change, Contents, Release, RepositoryEditor, Says, Targets};

use super::words::{day, short};

/// Everything that is staged, its list of releases against the published one.
pub(super) fn staged(editor: &RepositoryEditor) -> anyhow::Result<String> {
    let published = editor.releases()?;
    let staged = editor.staged_contents()?;
    Ok(staged
        .iter()
        .map(|contents| words(contents, published.as_ref()))
        .collect())
}

/// The releases of published metadata, which must be a list of them.
pub(super) fn releases(published: Option<&Contents>) -> anyhow::Result<Option<&Targets>> {
    match published.map(|contents| &contents.says) {
        None => Ok(None),
        Some(Says::Targets(targets)) => Ok(Some(targets)),
        Some(Says::Root(_) | Says::Listing(_)) => {
            bail!("--published is the list of releases (N.targets.json)")
        }
    }
}

/// One file; without a published list every release it names.
pub(super) fn words(contents: &Contents, published: Option<&Targets>) -> String {
    let mut text = format!(
        "staged     {} version {}, until {}\n  digest     {}\n",
        contents.role,
        contents.version,
        day(contents.expires),
        contents.digest
    );
    match &contents.says {
        Says::Root(roles) => {
            for signers in roles {
                let ids: Vec<&str> = signers.keyids.iter().map(|id| short(id)).collect();
                let _ = writeln!(
                    text,
                    "  {:9}  {} of {}: {}",
                    signers.role,
                    signers.threshold,
                    ids.len(),
                    ids.join(", ")
                );
            }
        }
        Says::Targets(targets) => list(&mut text, targets, published),
        Says::Listing(files) => {
            for (file, version) in files {
                let _ = writeln!(text, "  names      {file} version {version}");
            }
        }
    }
    text
}

fn list(text: &mut String, targets: &Targets, published: Option<&Targets>) {
    let Some(published) = published else {
        for release in &targets.releases {
            whole(text, "lists", release);
        }
        for gone in &targets.withdrawn {
            let _ = writeln!(text, "  withdrawn  {} {}", gone.model, gone.version);
        }
        return;
    };
    let changes = targets.changes_since(published);
    for change in &changes {
        match change {
            Change::Added(release) => whole(text, "adds", release),
            Change::Altered(release) => whole(text, "ALTERS", release),
            Change::Dropped(release) => whole(text, "DROPS", release),
            Change::Withdrawn(gone) => {
                let _ = writeln!(text, "  withdraws  {} {}", gone.model, gone.version);
            }
            Change::Forgotten(gone) => {
                let _ = writeln!(text, "  REVIVES    {} {}", gone.model, gone.version);
            }
        }
    }
    if changes.is_empty() {
        text.push_str("  no change of releases\n");
    }
}

fn whole(text: &mut String, what: &str, release: &Release) {
    let details = &release.details;
    let _ = writeln!(
        text,
        "  {what:9}  {} {}  sequence {}{}\n    report   {}\n    bundle   {}",
        details.model,
        details.version,
        details.sequence,
        if details.demonstration {
            "  demonstration"
        } else {
            ""
        },
        details
            .report_sha256
            .as_deref()
            .unwrap_or("none: not trained in rounds"),
        release.bundle_sha256()
    );
}
