//! What this box knows about its releases across power cuts: `slots`, a checksum and JSON.

use std::fs;
use std::io;
use std::path::Path;

use barefoot_domain::ModelVersion;
use serde::{Deserialize, Serialize};

use super::life::{Event, Life, Problem};
use crate::durable;

const FILE: &str = "slots";
const SCHEMA: u32 = 1;

/// Releases that came to an end, remembered; the oldest are forgotten first.
const PAST: usize = 32;

/// A version of a model.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Name {
    pub(crate) id: String,
    pub(crate) version: String,
}

/// A model that may answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Installed {
    pub(crate) name: Name,
    /// What was signed; `None` for the bundle of the site file.
    pub(crate) signed: Option<Signed>,
}

/// What the signed list says of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Signed {
    /// Grows with every release of the repository.
    pub(crate) sequence: u64,
    /// SHA-256 over all files' paths, lengths and hashes, in hex.
    pub(crate) digest: String,
}

/// Where a release comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Origin {
    Hub,
    Usb,
}

/// A release on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Candidate {
    pub(crate) name: Name,
    /// `None` until the signed list was read.
    pub(crate) signed: Option<Signed>,
    pub(crate) origin: Origin,
    pub(crate) life: Life,
    pub(crate) shadow_studies: u32,
    pub(crate) trial_studies: u32,
    /// How often the daemon died while it was at work.
    pub(crate) deaths: u32,
    /// The model before it: 95th percentile of its times when the candidate began to answer, milliseconds.
    pub(crate) before_p95_ms: Option<f64>,
}

/// A release that came to an end here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) name: Name,
    pub(crate) signed: Option<Signed>,
    /// Refused or rolled back.
    pub(crate) life: Life,
    pub(crate) at_ms: i64,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    schema: u32,
    /// The site file's bundle, as this ledger knew it last.
    pub(crate) factory: Option<Name>,
    /// The last one marked good; `None`: the site file's bundle.
    pub(crate) good: Option<Installed>,
    /// The one marked good before it; `None`: the site file's bundle.
    pub(crate) before: Option<Installed>,
    pub(crate) candidate: Option<Candidate>,
    /// The latest last.
    pub(crate) ended: Vec<Ended>,
    /// When the last one was marked good, Unix milliseconds.
    good_at_ms: i64,
}

/// Why the ledger could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("models/slots cannot be read")]
    Read { source: io::Error },
    #[error("models/slots is damaged")]
    Damaged,
}

impl Name {
    pub(crate) fn of(version: &ModelVersion) -> Self {
        Self {
            id: version.id.clone(),
            version: version.version.clone(),
        }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.id, self.version)
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            schema: SCHEMA,
            factory: None,
            good: None,
            before: None,
            candidate: None,
            ended: Vec::new(),
            good_at_ms: 0,
        }
    }
}

impl Ledger {
    /// `None` where none was written yet.
    ///
    /// # Errors
    /// When it cannot be read, or is not one of ours.
    pub(crate) fn load(directory: &Path) -> Result<Option<Self>, Error> {
        let path = directory.join(FILE);
        let read = durable::read(&path).map_err(|source| Error::Read { source })?;
        let bytes = match read {
            Some(bytes) => bytes,
            None if path.exists() => return Err(Error::Damaged),
            None => return Ok(None),
        };
        let ledger: Self = serde_json::from_slice(&bytes).map_err(|_| Error::Damaged)?;
        let sound = ledger.schema == SCHEMA
            && ledger.candidate.iter().all(|it| it.life.is_under_way())
            && ledger.ended.iter().all(|it| it.life.problem().is_some());
        if sound {
            Ok(Some(ledger))
        } else {
            Err(Error::Damaged)
        }
    }

    /// Puts a ledger that cannot be read out of the way, for whoever wants to know what happened.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub(crate) fn set_aside(directory: &Path) -> io::Result<()> {
        fs::rename(directory.join(FILE), directory.join("slots.damaged"))
    }

    /// When it returns, this ledger survives a power cut; when it fails, the one before still stands.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(crate) fn save(&self, directory: &Path) -> io::Result<()> {
        durable::replace(&directory.join(FILE), &serde_json::to_vec(self)?)
    }

    /// The site file's bundle is another than last time: somebody put it there on purpose, so it answers. An update
    /// that carries an older bundle than the one that answers (same model, no higher version) changes nothing.
    pub(crate) fn meet_factory(&mut self, factory: Option<Name>) {
        let Some(found) = factory else { return };
        if self.factory.as_ref() == Some(&found) {
            return;
        }
        let stays = |installed: &Installed| {
            installed.name.id == found.id && !is_higher(&found.version, &installed.name.version)
        };
        if !self.good.as_ref().is_some_and(stays) {
            self.good = None;
            self.before = None;
            self.candidate = None;
        } else if !self.before.as_ref().is_some_and(stays) {
            self.before = None;
        }
        self.factory = Some(found);
    }

    /// The release's own way on; `false` when `event` cannot happen to it.
    pub(crate) fn happened(&mut self, event: Event, now_ms: i64) -> bool {
        let Some(candidate) = &mut self.candidate else {
            return false;
        };
        let Some(life) = candidate.life.after(event) else {
            return false;
        };
        candidate.life = life;
        if life.is_under_way() {
            return true;
        }
        let Some(candidate) = self.candidate.take() else {
            return false;
        };
        if life == Life::Good {
            self.good_at_ms = now_ms;
            self.before = self.good.replace(Installed {
                name: candidate.name,
                signed: candidate.signed,
            });
        } else {
            self.end(candidate.name, candidate.signed, life, now_ms);
        }
        true
    }

    /// The good one goes; the one before it, or the site file's bundle, is the good one again.
    pub(crate) fn good_failed(&mut self, problem: Problem, now_ms: i64) {
        let Some(life) = Life::Good.after(Event::Failed(problem)) else {
            return;
        };
        if let Some(gone) = self.good.take() {
            self.good = self.before.take();
            self.end(gone.name, gone.signed, life, now_ms);
        }
    }

    fn end(&mut self, name: Name, signed: Option<Signed>, life: Life, at_ms: i64) {
        self.ended.retain(|ended| ended.name != name);
        self.ended.push(Ended {
            name,
            signed,
            life,
            at_ms,
        });
        let superfluous = self.ended.len().saturating_sub(PAST);
        self.ended.drain(..superfluous);
    }

    /// How this version ended here, if it did; the same version with another content has not.
    pub(crate) fn end_of(&self, name: &Name, signed: Option<&Signed>) -> Option<&Ended> {
        self.ended.iter().rev().find(|ended| {
            ended.name == *name
                && match (&ended.signed, signed) {
                    (Some(then), Some(now)) => then.digest == now.digest,
                    _ => true,
                }
        })
    }

    /// The last that ended, unless another has been marked good since.
    pub(crate) fn last_ended(&self) -> Option<&Ended> {
        self.ended.last().filter(|ended| self.good_at_ms <= ended.at_ms)
    }

    /// The good one's name, where it is known.
    pub(crate) fn good_name(&self) -> Option<&Name> {
        self.good
            .as_ref()
            .map(|good| &good.name)
            .or(self.factory.as_ref())
    }

    /// Can the box go back to it?
    pub(crate) fn was_good(&self, name: &Name) -> bool {
        let installed = self.good.iter().chain(&self.before).map(|it| &it.name);
        installed.chain(&self.factory).any(|it| it == name)
    }

    /// Everything that may still be needed.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &Name> {
        let installed = self.good.iter().chain(&self.before).map(|it| &it.name);
        installed.chain(self.candidate.iter().map(|it| &it.name))
    }
}

/// MAJOR.MINOR.PATCH against each other; what is written otherwise is never higher.
pub(super) fn is_higher(version: &str, than: &str) -> bool {
    let numbers =
        |text: &str| -> Option<Vec<u64>> { text.split('.').map(|part| part.parse().ok()).collect() };
    match (numbers(version), numbers(than)) {
        (Some(version), Some(than)) => than < version,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn name(version: &str) -> Name {
        Name {
            id: "cxr".into(),
            version: version.into(),
        }
    }

    fn signed(sequence: u64) -> Option<Signed> {
        Some(Signed {
            sequence,
            digest: format!("{sequence:064}"),
        })
    }

    fn with_candidate(version: &str, life: Life) -> Ledger {
        Ledger {
            factory: Some(name("0.1.0")),
            candidate: Some(Candidate {
                name: name(version),
                signed: signed(2),
                origin: Origin::Hub,
                life,
                shadow_studies: 1,
                trial_studies: 1,
                deaths: 0,
                before_p95_ms: None,
            }),
            ..Ledger::default()
        }
    }

    #[test]
    fn a_ledger_comes_back_and_a_damaged_one_is_known() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Ledger::load(dir.path()).unwrap().is_none());
        let mut ledger = with_candidate("0.2.0", Life::Trial);
        assert!(ledger.happened(Event::Failed(Problem::Failing), 7));
        ledger.save(dir.path()).unwrap();
        assert_eq!(Ledger::load(dir.path()).unwrap(), Some(ledger.clone()));
        let bytes = fs::read(dir.path().join(FILE)).unwrap();
        for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            fs::write(dir.path().join(FILE), &bytes[..cut]).unwrap();
            assert!(matches!(Ledger::load(dir.path()), Err(Error::Damaged)), "{cut}");
        }
        Ledger::set_aside(dir.path()).unwrap();
        assert!(Ledger::load(dir.path()).unwrap().is_none());
    }

    #[test]
    fn good_becomes_before_and_comes_back() {
        let mut ledger = with_candidate("0.2.0", Life::Trial);
        assert!(ledger.happened(Event::Proven, 1));
        assert_eq!(ledger.good_name(), Some(&name("0.2.0")));
        assert_eq!((ledger.before.clone(), ledger.candidate.clone()), (None, None));
        ledger.good_failed(Problem::Commanded, 2);
        // The site file's bundle answers again.
        assert_eq!(
            (ledger.good_name(), ledger.good.clone()),
            (Some(&name("0.1.0")), None)
        );
        assert_eq!(
            ledger.end_of(&name("0.2.0"), None).unwrap().life,
            Life::RolledBack(Problem::Commanded)
        );
        assert!(ledger.end_of(&name("0.2.0"), signed(3).as_ref()).is_none());
        ledger.good_failed(Problem::Commanded, 3);
        assert_eq!(ledger.ended.len(), 1);
    }

    #[test]
    fn a_new_bundle_in_the_site_file_answers_and_an_older_one_changes_nothing() {
        let good = |version: &str| {
            Some(Installed {
                name: name(version),
                signed: signed(5),
            })
        };
        let ledger = Ledger {
            factory: Some(name("0.1.0")),
            good: good("0.3.0"),
            before: good("0.2.0"),
            ..Ledger::default()
        };
        let meet = |version: &str, id: &str| {
            let mut met = ledger.clone();
            met.meet_factory(Some(Name {
                id: id.into(),
                version: version.into(),
            }));
            (met.good.is_some(), met.before.is_some())
        };
        assert_eq!(meet("0.1.0", "cxr"), (true, true));
        assert_eq!(meet("0.1.9", "cxr"), (true, true));
        assert_eq!(meet("0.2.5", "cxr"), (true, false));
        assert_eq!(meet("0.10.0", "cxr"), (false, false));
        assert_eq!(meet("0.1.0", "other"), (false, false));
    }
}
