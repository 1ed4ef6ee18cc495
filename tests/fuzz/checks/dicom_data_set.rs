//! Data sets of requests: read, asked as queries, written anew.

use barefoot_imaging::data_set::{Limits, read, write};
use barefoot_imaging::query::{Find, Model, Options, Record, Retrieve, WorklistFind};

const SYNTAXES: [&str; 4] = [
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
];

/// The first byte says which transfer syntax the others are in.
pub(crate) fn check(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else {
        return;
    };
    let syntax = SYNTAXES[usize::from(*which) % SYNTAXES.len()];
    let limits = Limits {
        bytes: 1 << 20,
        ..Limits::default()
    };
    let Ok(set) = read(bytes, syntax, &limits) else {
        return;
    };
    for again in SYNTAXES {
        if let Ok(written) = write(&set, again) {
            let _ = read(&written, again, &limits);
        }
    }
    let mut record = Record::default();
    for (tag, _) in set.iter() {
        record.put(tag, &set.view().string(tag).unwrap_or_default());
    }
    for model in [Model::PatientRoot, Model::StudyRoot] {
        if let Ok(find) = Find::read(model, &set, Options::default()) {
            let _ = find.matches(&[&record]);
            let _ = find.answer(&[&record], "BAREFOOT");
        }
        let _ = Retrieve::read(model, &set);
    }
    if let Ok(find) = WorklistFind::read(&set) {
        let _ = find.matches(&record);
        let _ = find.answer(&record);
    }
}
