//! Whether instances are kept, by what lies in the studies' folders: the truth, whatever any index says.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use barefoot_imaging::header;

use super::message::{Failure, Reference, Report, Wanted};
use crate::at_rest;
use crate::study_folder::{StateDirectory, instance_stem};

/// Compares every instance with its file. The studies that changed last are looked into first: what is asked for has
/// mostly just been sent. Reads folders and files: not for async threads.
///
/// # Errors
/// When the folder of studies cannot be listed.
pub(super) fn check(state: &StateDirectory, wanted: &Wanted) -> io::Result<Report> {
    let mut missing: HashMap<String, Vec<&Reference>> = HashMap::new();
    for reference in &wanted.references {
        let file = format!("{}.dcm", instance_stem(&reference.instance));
        missing.entry(file).or_default().push(reference);
    }
    let mut kept = Vec::new();
    let mut failed = Vec::new();
    for study in newest_first(state)? {
        if missing.is_empty() {
            break;
        }
        // A study that is being removed just now is none.
        let Ok(entries) = fs::read_dir(study.join("instances")) else {
            continue;
        };
        for entry in entries {
            let entry = entry?;
            let asked = entry.file_name().to_str().and_then(|name| missing.remove(name));
            for reference in asked.into_iter().flatten() {
                match compare(reference, &entry.path()) {
                    Ok(()) => kept.push(reference.clone()),
                    Err(failure) => failed.push((reference.clone(), failure)),
                }
            }
        }
    }
    let not_found = missing.into_values().flatten();
    failed.extend(not_found.map(|reference| (reference.clone(), Failure::NoSuchInstance)));
    Ok(Report {
        transaction: wanted.transaction.clone(),
        kept,
        failed,
    })
}

fn newest_first(state: &StateDirectory) -> io::Result<Vec<PathBuf>> {
    let mut studies = Vec::new();
    for entry in fs::read_dir(state.studies())? {
        let path = entry?.path();
        let changed = fs::metadata(path.join("instances")).and_then(|it| it.modified());
        studies.extend(changed.ok().map(|changed| (changed, path)));
    }
    studies.sort_by_key(|(changed, _)| std::cmp::Reverse(*changed));
    Ok(studies.into_iter().map(|(_, path)| path).collect())
}

fn compare(reference: &Reference, path: &std::path::Path) -> Result<(), Failure> {
    let header = header::read_header(&at_rest::stored(path)).map_err(|_| Failure::Processing)?;
    if header.sop_instance_uid() != reference.instance {
        return Err(Failure::NoSuchInstance);
    }
    if header.sop_class_uid() != reference.class {
        return Err(Failure::OtherClass);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use barefoot_domain::StudyUid;
    use barefoot_imaging::data_set::{self, DataSet};
    use barefoot_imaging::tags;

    use super::*;
    use crate::study_folder::StudyKey;

    const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

    /// A file of few elements, whole.
    fn keep(state: &StateDirectory, study: &str, instance: &str, class: &str) {
        let mut set = DataSet::default();
        set.put_code(tags::SOP_CLASS, class);
        set.put_code(tags::SOP_INSTANCE, instance);
        set.put_code(tags::STUDY_UID, study);
        let mut file = vec![0; 128];
        file.extend(b"DICM\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\x00");
        file.extend(data_set::write(&set, "1.2.840.10008.1.2.1").unwrap());
        let folder = state.instances(&StudyKey::of(&StudyUid::new(study).unwrap()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{}.dcm", instance_stem(instance))), file).unwrap();
    }

    #[test]
    fn every_instance_is_compared_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDirectory::open(folder.path()).unwrap();
        keep(&state, "1.2.1", "1.2.1.1", CT);
        keep(&state, "1.2.2", "1.2.2.1", "1.2.840.10008.5.1.4.1.1.4");
        keep(&state, "1.2.2", "1.2.2.2", CT);
        let damaged = state.instances(&StudyKey::of(&StudyUid::new("1.2.2").unwrap()));
        fs::write(damaged.join(format!("{}.dcm", instance_stem("1.2.2.2"))), b"torn").unwrap();
        let reference = |instance: &str| Reference {
            class: CT.to_owned(),
            instance: instance.to_owned(),
        };
        let wanted = Wanted {
            transaction: "1.9".to_owned(),
            references: ["1.2.1.1", "1.2.2.1", "1.2.2.2", "1.2.3.1"]
                .map(reference)
                .to_vec(),
        };
        let mut report = check(&state, &wanted).unwrap();
        assert_eq!(report.kept, [reference("1.2.1.1")]);
        report
            .failed
            .sort_by(|one, other| one.0.instance.cmp(&other.0.instance));
        assert_eq!(
            report.failed,
            [
                (reference("1.2.2.1"), Failure::OtherClass),
                (reference("1.2.2.2"), Failure::Processing),
                (reference("1.2.3.1"), Failure::NoSuchInstance),
            ]
        );
    }
}
