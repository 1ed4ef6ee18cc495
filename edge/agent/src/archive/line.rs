//! The lines of `instances.log`.

use std::collections::BTreeMap;
use std::path::Path;

use barefoot_imaging::header::Header;
use barefoot_imaging::query::{Record, Value, records};
use barefoot_imaging::tags::Tag;
use serde::{Deserialize, Serialize};

use crate::at_rest;

/// Attributes by tag, eight hex digits.
pub(super) type Attributes = BTreeMap<String, String>;

/// A field is only ever added, with a default.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(super) enum Line {
    /// Before the first instance of a series.
    Series {
        uid: String,
        study: Attributes,
        attributes: Attributes,
    },
    Instance(Instance),
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Instance {
    /// Its name below `instances/`.
    pub(super) file: String,
    pub(super) series: String,
    pub(super) transfer_syntax: String,
    /// Bytes of the file.
    pub(super) length: u64,
    pub(super) attributes: Attributes,
}

/// The lines of one file: of its series and of itself.
pub(super) fn of(header: &Header, file: &str, path: &Path) -> (Line, Instance) {
    let found = records(header);
    let uid = header.series_uid().unwrap_or_default().to_owned();
    let series = Line::Series {
        uid: uid.clone(),
        study: attributes(&found.study),
        attributes: attributes(&found.series),
    };
    let instance = Instance {
        file: file.to_owned(),
        series: uid,
        transfer_syntax: header.transfer_syntax().to_owned(),
        length: at_rest::length(path).unwrap_or_default(),
        attributes: attributes(&found.instance),
    };
    (series, instance)
}

pub(super) fn attributes(record: &Record) -> Attributes {
    let mut found = Attributes::new();
    for (tag, value) in record.iter() {
        if let Value::Text(text) = value {
            found.insert(format!("{:04X}{:04X}", tag.0, tag.1), text.to_string());
        }
    }
    found
}

pub(super) fn record(attributes: &Attributes) -> Record {
    let mut found = Record::default();
    for (name, text) in attributes {
        if let Ok(number) = u32::from_str_radix(name, 16) {
            let [a, b, c, d] = number.to_be_bytes();
            found.put(Tag(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])), text);
        }
    }
    found
}
