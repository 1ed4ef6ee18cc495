//! The hub's own certificates, taken anew from their files while it runs.
//!
//! Files are put in place one after the other: they are taken when two looks found them the same, or at once on SIGHUP. What
//! cannot be used is said, and what was served before is served on. Connections that stand go on.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use ring::digest::{Context, SHA256};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;

use crate::Shutdown;
use crate::audit::{Action, Actor, Audit, Entry, Object};

const LOOK: Duration = Duration::from_secs(10);

type Hash = [u8; 32];
type Take = Box<dyn Fn() -> Result<(), barefoot_trust::Error> + Send>;

/// Files that are one identity together.
pub(crate) struct Identity {
    /// Their table in the settings.
    table: &'static str,
    files: Vec<PathBuf>,
    /// As they are served, or could not be.
    settled: Option<Hash>,
    /// At the last look.
    seen: Option<Hash>,
}

impl Identity {
    /// To be made before they are loaded: what is changed in between is then seen.
    pub(crate) fn new(table: &'static str, files: Vec<PathBuf>) -> Self {
        let now = hash(&files).ok();
        Self {
            table,
            files,
            settled: now,
            seen: now,
        }
    }

    /// Whether they are to be taken: they are others than those that were looked at before, and no longer being written.
    fn is_due(&mut self, now: Option<Hash>, asked: bool) -> bool {
        let stands = asked || now == self.seen;
        self.seen = now;
        if now == self.settled || !stands {
            return false;
        }
        self.settled = now;
        true
    }
}

/// What came of a look.
#[derive(Debug)]
enum Outcome {
    AsBefore,
    Taken,
    Refused(String),
}

/// All of them; each with what takes its files.
pub(crate) struct OwnCertificates(Vec<(Identity, Take)>);

impl OwnCertificates {
    pub(crate) fn new(
        identity: Identity,
        take: impl Fn() -> Result<(), barefoot_trust::Error> + Send + 'static,
    ) -> Self {
        Self(vec![(identity, Box::new(take))])
    }

    pub(crate) fn and(
        mut self,
        identity: Identity,
        take: impl Fn() -> Result<(), barefoot_trust::Error> + Send + 'static,
    ) -> Self {
        self.0.push((identity, Box::new(take)));
        self
    }

    /// Looks until the shutdown.
    pub(crate) async fn run(mut self, audit: Audit, shutdown: Shutdown) {
        let mut asked_for = signal(SignalKind::hangup()).ok();
        loop {
            let asked = tokio::select! {
                () = shutdown.triggered() => return,
                () = tokio::time::sleep(LOOK) => false,
                () = next(&mut asked_for) => true,
            };
            let looked = spawn_blocking(move || {
                let outcomes = self.look(asked);
                (self, outcomes)
            });
            let Ok((this, outcomes)) = looked.await else {
                return;
            };
            self = this;
            for (table, outcome) in outcomes {
                say(&audit, table, outcome).await;
            }
        }
    }

    fn look(&mut self, asked: bool) -> Vec<(&'static str, Outcome)> {
        let look = |(identity, take): &mut (Identity, Take)| {
            let outcome = match hash(&identity.files) {
                Ok(now) if !identity.is_due(Some(now), asked) => Outcome::AsBefore,
                Ok(_) => match take() {
                    Ok(()) => Outcome::Taken,
                    Err(error) => Outcome::Refused(in_full(&error)),
                },
                Err(error) if identity.is_due(None, asked) => Outcome::Refused(error.to_string()),
                Err(_) => Outcome::AsBefore,
            };
            (identity.table, outcome)
        };
        self.0.iter_mut().map(look).collect()
    }
}

async fn say(audit: &Audit, table: &'static str, outcome: Outcome) {
    match outcome {
        Outcome::AsBefore => {}
        Outcome::Taken => {
            tracing::info!(
                table,
                "The hub's certificate was taken anew; it is shown from now on."
            );
            let entry = Entry::new(Actor::Hub("hub"), Action::OwnCertificateReplaced, Object::none());
            if let Err(error) = audit.record(entry.details(table)).await {
                tracing::error!(%error, table, "That the hub has another certificate is not in the audit log.");
            }
        }
        Outcome::Refused(reason) => tracing::error!(
            table,
            reason,
            "The files of the hub's certificate cannot be used; what was served before is served on."
        ),
    }
}

async fn next(asked_for: &mut Option<tokio::signal::unix::Signal>) {
    let heard = match asked_for {
        Some(signals) => signals.recv().await,
        None => None,
    };
    // Without signals the looks remain.
    if heard.is_none() {
        std::future::pending::<()>().await;
    }
}

fn hash(files: &[PathBuf]) -> io::Result<Hash> {
    let mut all = Context::new(&SHA256);
    for file in files {
        let content = zeroize::Zeroizing::new(std::fs::read(file)?);
        all.update(&(content.len() as u64).to_le_bytes());
        all.update(&content);
    }
    let mut hash = Hash::default();
    hash.copy_from_slice(all.finish().as_ref());
    Ok(hash)
}

fn in_full(error: &barefoot_trust::Error) -> String {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        words.push_str(": ");
        words.push_str(&cause.to_string());
        source = cause.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_are_taken_once_they_stand_still_and_each_state_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("hub.crt");
        fs::write(&file, "one").unwrap();
        let mut identity = Identity::new("tls", vec![file.clone()]);
        let mut look = |asked| identity.is_due(hash(std::slice::from_ref(&file)).ok(), asked);
        assert!(!look(false) && !look(true), "as it was loaded");
        fs::write(&file, "tw").unwrap();
        assert!(!look(false), "it may be half of it");
        fs::write(&file, "two").unwrap();
        assert!(!look(false) && look(false) && !look(false));
        fs::write(&file, "three").unwrap();
        assert!(look(true) && !look(true), "asked for, at once");
        fs::remove_file(&file).unwrap();
        assert!(
            !look(false) && look(false) && !look(false),
            "a lost file is said once"
        );
        fs::write(&file, "three").unwrap();
        assert!(!look(false) && look(false));
    }
}
