//! When a study counts as complete.
//!
//! A study is never certainly complete (nothing in DICOM says so): it settles after a quiet period, sooner once the
//! association that brought its last image has ended. A late image simply makes it settle again, as the next version.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::handoff::{AssociationId, StoredInstance, StudyInput};
use crate::study_folder::StudyKey;

/// When a study settles.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Milliseconds without a new image while the association stays open. Default 10000.
    #[serde(default = "default_quiet_period_ms")]
    pub quiet_period_ms: u64,
    /// Milliseconds after the association that brought the last image has ended. Some scanners open an association
    /// for each image: give them time for the next one. Default 1000.
    #[serde(default = "default_after_release_ms")]
    pub after_release_ms: u64,
    /// Milliseconds without a new image for single modalities, by DICOM's code, whether the association has ended or not:
    /// an ultrasound examination sends its pictures one by one as they are taken. Default US = 60000.
    #[serde(default = "default_by_modality_ms")]
    pub by_modality_ms: BTreeMap<String, u64>,
}

fn default_by_modality_ms() -> BTreeMap<String, u64> {
    BTreeMap::from([("US".to_owned(), 60_000)])
}

fn default_quiet_period_ms() -> u64 {
    10_000
}

fn default_after_release_ms() -> u64 {
    1_000
}

impl Default for Config {
    fn default() -> Self {
        Self {
            quiet_period_ms: default_quiet_period_ms(),
            after_release_ms: default_after_release_ms(),
            by_modality_ms: default_by_modality_ms(),
        }
    }
}

#[derive(Debug)]
struct Growing {
    association: Option<AssociationId>,
    settles_at: Instant,
    /// Its modality's own quiet period holds, the end of the association changes nothing.
    own_period: bool,
    /// Files that have come.
    came: BTreeSet<String>,
    /// Files that a procedure step said belong to it.
    announced: Option<BTreeSet<String>>,
}

impl Growing {
    fn is_complete(&self) -> bool {
        let came = |announced: &BTreeSet<String>| !announced.is_empty() && announced.is_subset(&self.came);
        self.announced.as_ref().is_some_and(came)
    }
}

/// The studies that are still growing; pure, time comes in.
#[derive(Debug)]
struct Settling {
    quiet_period: Duration,
    after_release: Duration,
    by_modality: BTreeMap<String, Duration>,
    growing: HashMap<StudyKey, Growing>,
}

impl Settling {
    fn new(config: &Config) -> Self {
        Self {
            quiet_period: Duration::from_millis(config.quiet_period_ms),
            after_release: Duration::from_millis(config.after_release_ms),
            by_modality: config
                .by_modality_ms
                .iter()
                .map(|(modality, ms)| (modality.clone(), Duration::from_millis(*ms)))
                .collect(),
            growing: HashMap::new(),
        }
    }

    fn on_stored(&mut self, stored: StoredInstance, now: Instant) {
        let own = self.by_modality.get(&stored.modality).copied();
        let wait = match (stored.association, own) {
            // An image found at start-up has no association left to wait for.
            (None, _) => self.after_release,
            (Some(_), Some(own)) => own,
            (Some(_), None) => self.quiet_period,
        };
        let study = self.growing.entry(stored.study).or_insert_with(|| Growing {
            association: None,
            settles_at: now,
            own_period: false,
            came: BTreeSet::new(),
            announced: None,
        });
        study.association = stored.association;
        study.own_period = own.is_some();
        study.came.insert(stored.file);
        study.settles_at = if study.is_complete() { now } else { now + wait };
    }

    /// A hint: where every image of the list has come, nothing more is waited for.
    fn on_announced(&mut self, study: &StudyKey, files: BTreeSet<String>, now: Instant) {
        if let Some(growing) = self.growing.get_mut(study) {
            growing.announced = Some(files);
            if growing.is_complete() {
                growing.settles_at = now;
            }
        }
    }

    fn on_association_ended(&mut self, ended: AssociationId, now: Instant) {
        for study in self
            .growing
            .values_mut()
            .filter(|study| study.association == Some(ended))
        {
            study.association = None;
            if study.own_period {
                continue;
            }
            study.settles_at = study.settles_at.min(now + self.after_release);
        }
    }

    fn next(&self) -> Option<Instant> {
        self.growing.values().map(|study| study.settles_at).min()
    }

    fn take_due(&mut self, now: Instant) -> Vec<StudyKey> {
        let due: Vec<_> = self
            .growing
            .iter()
            .filter(|(_, s)| s.settles_at <= now)
            .map(|(key, _)| key.clone())
            .collect();
        for key in &due {
            self.growing.remove(key);
        }
        due
    }
}

/// Runs until `shutdown`. A study still growing then is found in its folder at the next start.
pub(crate) async fn run(
    config: Config,
    mut inputs: mpsc::Receiver<StudyInput>,
    settled: mpsc::Sender<StudyKey>,
    shutdown: CancellationToken,
) {
    let mut settling = Settling::new(&config);
    loop {
        let next = settling.next();
        let wait = async {
            match next {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            input = inputs.recv() => match input {
                Some(StudyInput::Stored(stored)) => settling.on_stored(stored, Instant::now()),
                Some(StudyInput::Announced { study, files }) => settling.on_announced(&study, files, Instant::now()),
                Some(StudyInput::AssociationEnded(id)) => settling.on_association_ended(id, Instant::now()),
                None => return,
            },
            () = wait => {
                for study in settling.take_due(Instant::now()) {
                    if settled.send(study).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handoff::Kept;
    use barefoot_domain::StudyUid;

    fn study(n: u32) -> StudyKey {
        StudyKey::of(&StudyUid::new(format!("1.2.{n}")).unwrap())
    }

    fn stored(n: u32, association: Option<u64>) -> StoredInstance {
        StoredInstance {
            study: study(n),
            association: association.map(AssociationId),
            modality: String::new(),
            is_judged_alone: false,
            file: String::new(),
            kept: Kept::New,
        }
    }

    fn settling() -> Settling {
        Settling::new(&Config {
            quiet_period_ms: 1000,
            after_release_ms: 100,
            by_modality_ms: BTreeMap::from([("US".to_owned(), 5000)]),
        })
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn an_open_association_waits_the_quiet_period_and_each_image_starts_it_anew() {
        let (mut settling, start) = (settling(), Instant::now());
        settling.on_stored(stored(1, Some(1)), start);
        settling.on_stored(stored(1, Some(1)), start + 900 * MS);
        assert!(settling.take_due(start + 1899 * MS).is_empty());
        assert_eq!(settling.take_due(start + 1900 * MS), [study(1)]);
        assert_eq!(settling.next(), None);
    }

    #[test]
    fn the_end_of_the_association_settles_its_studies_sooner() {
        let (mut settling, start) = (settling(), Instant::now());
        settling.on_stored(stored(1, Some(1)), start);
        settling.on_stored(stored(2, Some(2)), start);
        settling.on_association_ended(AssociationId(1), start + 10 * MS);
        assert_eq!(settling.take_due(start + 110 * MS), [study(1)]);
        assert!(
            settling.take_due(start + 999 * MS).is_empty(),
            "the other association is still open"
        );
    }

    #[test]
    fn an_image_by_a_new_association_keeps_the_study_open() {
        let (mut settling, start) = (settling(), Instant::now());
        settling.on_stored(stored(1, Some(1)), start);
        settling.on_association_ended(AssociationId(1), start);
        settling.on_stored(stored(1, Some(2)), start + 50 * MS);
        assert!(settling.take_due(start + 500 * MS).is_empty());
    }

    #[test]
    fn a_modality_with_its_own_period_waits_it_out() {
        let (mut settling, start) = (settling(), Instant::now());
        let image = StoredInstance {
            modality: "US".to_owned(),
            ..stored(1, Some(1))
        };
        settling.on_stored(image, start);
        settling.on_association_ended(AssociationId(1), start);
        assert!(settling.take_due(start + 4999 * MS).is_empty());
        assert_eq!(settling.take_due(start + 5000 * MS), [study(1)]);
    }

    #[test]
    fn a_study_whose_announced_images_have_all_come_settles_at_once() {
        let (mut settling, start) = (settling(), Instant::now());
        let image = |file: &str| StoredInstance {
            file: file.to_owned(),
            ..stored(1, Some(1))
        };
        let announced = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
        settling.on_stored(image("a"), start);
        settling.on_announced(&study(1), announced, start);
        assert!(settling.take_due(start).is_empty(), "one is missing");
        settling.on_stored(image("b"), start + MS);
        assert_eq!(settling.take_due(start + MS), [study(1)]);
        settling.on_stored(image("c"), start + 2 * MS);
        assert!(
            settling.take_due(start + 3 * MS).is_empty(),
            "a late image is waited for anew"
        );
    }

    #[test]
    fn an_image_found_at_start_settles_without_waiting_for_a_release() {
        let (mut settling, start) = (settling(), Instant::now());
        settling.on_stored(stored(1, None), start);
        assert_eq!(settling.take_due(start + 100 * MS), [study(1)]);
    }
}
