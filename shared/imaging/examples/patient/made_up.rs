//! A patient who does not exist, for all examples.

use barefoot_imaging::report::{Identity, Study, Subject, Who};

/// Examined once, as `study` (a Study Instance UID); without images.
pub(crate) fn patient(study: &str) -> Subject {
    Subject {
        who: Who::Patient(Identity {
            name: "Zhang^Xiuying=张^秀英".into(),
            id: "AX20260117".into(),
            id_issuer: String::new(),
            birth_date: "19681004".into(),
            sex: "F".into(),
            age: "058Y".into(),
        }),
        study: Study {
            uid: study.into(),
            id: "S1024".into(),
            date: "20261122".into(),
            time: "093015.12".into(),
            accession: "DX20261122007".into(),
            description: "胸部正位".into(),
            referring: "Chen^Wei=陈^伟".into(),
        },
        images: Vec::new(),
    }
}
