//! What is asked and what is answered, as data sets (PS3.4 section J.3).

use std::fmt;

use barefoot_domain::StudyUid;
use barefoot_imaging::data_set::{self, DataSet, Limits};
use barefoot_imaging::tags;
use serde::{Deserialize, Serialize};

/// Storage Commitment Push Model SOP Class, and its one instance.
pub(super) const SOP_CLASS: &str = "1.2.840.10008.1.20.1";
pub(super) const SOP_INSTANCE: &str = "1.2.840.10008.1.20.1.1";

/// Instances in one request.
const MAX_REFERENCES: usize = 10_000;

/// One instance whose storage is to be promised.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reference {
    pub(super) class: String,
    pub(super) instance: String,
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reference(redacted)")
    }
}

/// Request for storage commitment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) transaction: String,
    pub(super) references: Vec<Reference>,
}

/// Why a request is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("the request's data set cannot be read")]
    DataSet { source: data_set::Error },
    #[error("the request lacks its Transaction UID, or it is no UID")]
    Transaction,
    #[error("the request names no instances, too many, or one without UIDs")]
    References,
}

impl Wanted {
    /// Takes the data set of an N-ACTION request apart.
    pub(super) fn read(bytes: &[u8], transfer_syntax: &str) -> Result<Self, Unreadable> {
        let set = data_set::read(bytes, transfer_syntax, &Limits::default())
            .map_err(|source| Unreadable::DataSet { source })?;
        let view = set.view();
        let uid = |text: Option<String>| text.filter(|text| StudyUid::new(text.as_str()).is_ok());
        let transaction = uid(view.string(tags::TRANSACTION_UID)).ok_or(Unreadable::Transaction)?;
        let references: Option<Vec<Reference>> = view
            .items(tags::REFERENCED_SOP_SEQUENCE)
            .take(MAX_REFERENCES + 1)
            .map(|item| {
                Some(Reference {
                    class: uid(item.string(tags::REFERENCED_SOP_CLASS))?,
                    instance: uid(item.string(tags::REFERENCED_SOP_INSTANCE))?,
                })
            })
            .collect();
        let references = references
            .filter(|all| (1..=MAX_REFERENCES).contains(&all.len()))
            .ok_or(Unreadable::References)?;
        Ok(Self {
            transaction,
            references,
        })
    }
}

/// Why storage of an instance is not promised (PS3.3 section C.14.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Failure {
    /// It is there, but cannot be read now.
    Processing,
    NoSuchInstance,
    /// It is there as an instance of another class.
    OtherClass,
}

impl Failure {
    fn code(self) -> u16 {
        match self {
            Self::Processing => 0x0110,
            Self::NoSuchInstance => 0x0112,
            Self::OtherClass => 0x0119,
        }
    }
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) transaction: String,
    pub(super) kept: Vec<Reference>,
    pub(super) failed: Vec<(Reference, Failure)>,
}

impl Report {
    /// 1: all are kept; 2: some are not.
    pub(super) fn event_type(&self) -> u16 {
        if self.failed.is_empty() { 1 } else { 2 }
    }

    /// The data set of the N-EVENT-REPORT.
    pub(super) fn write(&self, transfer_syntax: &str) -> Result<Vec<u8>, data_set::WriteError> {
        let item = |reference: &Reference| {
            let mut item = DataSet::default();
            item.put_code(tags::REFERENCED_SOP_CLASS, &reference.class);
            item.put_code(tags::REFERENCED_SOP_INSTANCE, &reference.instance);
            item
        };
        let mut set = DataSet::default();
        set.put_code(tags::TRANSACTION_UID, &self.transaction);
        if !self.kept.is_empty() {
            set.put_items(
                tags::REFERENCED_SOP_SEQUENCE,
                self.kept.iter().map(item).collect(),
            );
        }
        if !self.failed.is_empty() {
            let failed = self.failed.iter().map(|(reference, failure)| {
                let mut item = item(reference);
                item.put_u16(tags::FAILURE_REASON, failure.code());
                item
            });
            set.put_items(tags::FAILED_SOP_SEQUENCE, failed.collect());
        }
        data_set::write(&set, transfer_syntax)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPLICIT: &str = "1.2.840.10008.1.2.1";
    const IMPLICIT: &str = "1.2.840.10008.1.2";
    const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

    fn reference(instance: &str) -> Reference {
        Reference {
            class: CT.to_owned(),
            instance: instance.to_owned(),
        }
    }

    fn request(transaction: &str, instances: &[&str], syntax: &str) -> Vec<u8> {
        let report = Report {
            transaction: transaction.to_owned(),
            kept: instances.iter().map(|it| reference(it)).collect(),
            failed: Vec::new(),
        };
        report.write(syntax).unwrap()
    }

    #[test]
    fn a_request_is_read_in_both_syntaxes() {
        for syntax in [EXPLICIT, IMPLICIT] {
            let wanted = Wanted::read(&request("1.2.3", &["1.2.4", "1.2.5"], syntax), syntax).unwrap();
            assert_eq!(wanted.transaction, "1.2.3");
            assert_eq!(wanted.references, [reference("1.2.4"), reference("1.2.5")]);
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let read = |bytes: &[u8]| Wanted::read(bytes, IMPLICIT);
        assert!(matches!(read(&[1, 2, 3]), Err(Unreadable::DataSet { .. })));
        assert!(matches!(
            read(&request("", &["1.2"], IMPLICIT)),
            Err(Unreadable::Transaction)
        ));
        let path = request("../../etc", &["1.2"], IMPLICIT);
        assert!(matches!(read(&path), Err(Unreadable::Transaction)));
        assert!(matches!(
            read(&request("1.2", &[], IMPLICIT)),
            Err(Unreadable::References)
        ));
        let bad = request("1.2", &["1.2", "x"], IMPLICIT);
        assert!(matches!(read(&bad), Err(Unreadable::References)));
    }

    #[test]
    fn a_report_says_what_is_kept_and_what_is_not() {
        let mut report = Report {
            transaction: "1.2.3".to_owned(),
            kept: vec![reference("1.2.4")],
            failed: Vec::new(),
        };
        assert_eq!(report.event_type(), 1);
        report.failed = vec![
            (reference("1.2.5"), Failure::NoSuchInstance),
            (reference("1.2.6"), Failure::OtherClass),
        ];
        assert_eq!(report.event_type(), 2);
        let set = data_set::read(&report.write(EXPLICIT).unwrap(), EXPLICIT, &Limits::default()).unwrap();
        let failed: Vec<(Option<String>, Option<u16>)> = set
            .view()
            .items(tags::FAILED_SOP_SEQUENCE)
            .map(|item| {
                (
                    item.string(tags::REFERENCED_SOP_INSTANCE),
                    item.u16(tags::FAILURE_REASON),
                )
            })
            .collect();
        assert_eq!(
            failed,
            [
                (Some("1.2.5".to_owned()), Some(0x0112)),
                (Some("1.2.6".to_owned()), Some(0x0119))
            ]
        );
        assert_eq!(set.view().items(tags::REFERENCED_SOP_SEQUENCE).count(), 1);
    }
}
