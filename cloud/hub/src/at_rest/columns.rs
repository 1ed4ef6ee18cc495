//! Columns of the database.

use barefoot_trust::at_rest::{Error, is_sealed_value, key_of_value, open_value, seal_value};

use super::Vault;

/// What a column holds; what was sealed for one opens in no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// A result, as its clinic sent it.
    Result,
    /// A message on its way to a clinic.
    Outgoing,
    Draft,
    Opinion,
    Report,
    /// What clinics and readers write to each other.
    Message,
    /// A unified procedure step that another system made.
    Workitem,
    /// What a new box proves its code by.
    EnrolmentSecret,
}

impl Column {
    /// Stands in what is sealed: never changes.
    fn context(self) -> &'static [u8] {
        match self {
            Self::Result => b"hub\0envelopes.body",
            Self::Outgoing => b"hub\0outgoing.envelope",
            Self::Draft => b"hub\0drafts.content",
            Self::Opinion => b"hub\0reader_opinions.content",
            Self::Report => b"hub\0reports.signed",
            Self::Message => b"hub\0case_messages.text",
            Self::Workitem => b"hub\0workitems.attributes",
            Self::EnrolmentSecret => b"hub\0enrolments.secret",
        }
    }
}

impl Vault {
    /// What stands in the database instead of `plain`.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub(crate) fn seal(&self, column: Column, plain: &[u8]) -> Result<Vec<u8>, Error> {
        seal_value(self.cipher(), self.current(), column.context(), plain)
    }

    /// What `stored` says; one that an older hub wrote stands there as it is.
    ///
    /// # Errors
    /// When it was changed, or its key is not here.
    pub(crate) fn unseal(&self, column: Column, stored: Vec<u8>) -> Result<Vec<u8>, Error> {
        if !is_sealed_value(&stored) {
            return Ok(stored);
        }
        let id = key_of_value(&stored)?;
        let key = self.find(id).map_err(|_| Error::UnknownKey(id))?;
        open_value(|_| Some(&*key), column.context(), &stored)
    }
}
