use barefoot_imaging::deidentify::Pseudonyms;
use barefoot_trust::PseudonymKey;

/// A key as de-identification asks it.
#[derive(Debug)]
pub(crate) struct Names<'a>(pub(crate) &'a PseudonymKey);

impl Pseudonyms for Names<'_> {
    fn uid(&self, uid: &str) -> String {
        self.0.uid_of(uid)
    }

    fn patient(&self, identity: &str) -> String {
        self.0.patient_of(identity)
    }

    fn days(&self, identity: &str) -> i64 {
        self.0.days_of(identity)
    }
}
