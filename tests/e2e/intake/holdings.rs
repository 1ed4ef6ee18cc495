use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use barefoot_test_support::daemons::Edge;
use barefoot_test_support::http::get_json;
use barefoot_test_support::scanner::DicomFile;
use ring::digest::{SHA256, digest};

use super::{Answered, Fate, Plan};
use crate::kept::{clear, unlock};

type Digest = Vec<u8>;

/// Every image file of a box.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    /// Data sets by SOP Instance UID.
    stored: BTreeMap<String, BTreeSet<Digest>>,
    quarantined: BTreeSet<Digest>,
    /// How many distinct instances each study's folder has.
    studies: BTreeMap<String, usize>,
    problems: Vec<String>,
}

fn of(data_set: &[u8]) -> Digest {
    digest(&SHA256, data_set).as_ref().to_vec()
}

/// How the box names an instance's file: the first half of SHA-256 of its UID, in hex.
fn stem(sop_instance: &str) -> String {
    let hash = of(sop_instance.as_bytes());
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder)
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    found.sort();
    found
}

fn data_set(path: &Path) -> Result<(DicomFile, Vec<u8>), String> {
    let clear = clear(path);
    let file = DicomFile::open(clear.path()).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut bytes = fs::read(clear.path()).unwrap();
    Ok((
        file.clone(),
        bytes.split_off(usize::try_from(file.data_set_at).unwrap()),
    ))
}

impl Holdings {
    pub(crate) fn read(state: &Path) -> Self {
        unlock(state);
        let mut holdings = Self::default();
        for study in entries(&state.join("studies")) {
            let mut instances = BTreeSet::new();
            for path in entries(&study.join("instances")) {
                match data_set(&path) {
                    Ok((file, bytes)) => {
                        let name = path.file_name().unwrap().to_string_lossy().into_owned();
                        if !name.starts_with(&stem(&file.sop_instance)) {
                            holdings.problems.push(format!("{name} holds another instance"));
                        }
                        instances.insert(file.sop_instance.clone());
                        holdings
                            .stored
                            .entry(file.sop_instance)
                            .or_default()
                            .insert(of(&bytes));
                    }
                    Err(problem) => holdings.problems.push(problem),
                }
            }
            if !instances.is_empty() {
                let key = study.file_name().unwrap().to_string_lossy().into_owned();
                holdings.studies.insert(key, instances.len());
            }
        }
        for path in entries(&state.join("quarantine")) {
            match data_set(&path) {
                Ok((_, bytes)) => {
                    holdings.quarantined.insert(of(&bytes));
                }
                Err(problem) => holdings.problems.push(problem),
            }
        }
        holdings
    }

    /// What is wrong: something acknowledged that is not there as it was sent, something there that nobody sent so.
    pub(crate) fn against(&self, plan: &Plan, answered: &[Answered]) -> Vec<String> {
        let mut problems = self.problems.clone();
        let mut stored: BTreeMap<&str, BTreeSet<Digest>> = BTreeMap::new();
        let mut quarantined = BTreeSet::new();
        for sample in plan.0.iter().flatten() {
            let digest = of(&sample.data_set);
            match sample.fate {
                Fate::Stored => stored.entry(&sample.sop_instance).or_default().insert(digest),
                Fate::Quarantined => quarantined.insert(digest),
            };
        }
        for (instance, kept) in &self.stored {
            if !stored
                .get(instance.as_str())
                .is_some_and(|sent| kept.is_subset(sent))
            {
                problems.push(format!("{} is kept, but nobody sent it so", stem(instance)));
            }
        }
        if !self.quarantined.is_subset(&quarantined) {
            problems.push("something is in quarantine that nobody sent so".into());
        }
        for answer in answered {
            let sample = &answer.sample;
            let digest = of(&sample.data_set);
            let kept = match sample.fate {
                Fate::Stored => self
                    .stored
                    .get(&sample.sop_instance)
                    .is_some_and(|kept| kept.contains(&digest)),
                Fate::Quarantined => self.quarantined.contains(&digest),
            };
            if !kept {
                problems.push(format!(
                    "{} ({} bytes, {:?}) was answered 0x{:04X} and is lost",
                    stem(&sample.sop_instance),
                    sample.data_set.len(),
                    sample.fate,
                    answer.status,
                ));
            }
        }
        problems
    }

    /// What the clinic's page says otherwise than the folder.
    pub(crate) async fn against_page(&self, edge: &Edge) -> Vec<String> {
        let answer = get_json(edge.address("page").unwrap(), "/api/cases?limit=10000")
            .await
            .unwrap();
        let listed: BTreeMap<String, usize> = answer["cases"]
            .as_array()
            .unwrap()
            .iter()
            .map(|case| {
                let instances = case["instances"].as_u64().unwrap();
                (
                    case["study"].as_str().unwrap().to_owned(),
                    usize::try_from(instances).unwrap(),
                )
            })
            .collect();
        let mut problems = Vec::new();
        for (study, instances) in &self.studies {
            if !listed.contains_key(study) {
                problems.push(format!("study {study} of {instances} images is not on the page"));
            }
        }
        for study in listed.keys().filter(|study| !self.studies.contains_key(*study)) {
            problems.push(format!("study {study} is on the page and has no image"));
        }
        problems
    }

    pub(crate) fn instances(&self) -> usize {
        self.stored.values().map(BTreeSet::len).sum()
    }
}
