//! Columns of the database. A value is sealed for its column and for its row: whoever writes the database file can put none in
//! another's place.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

use barefoot_trust::at_rest::{Error, is_sealed_value, key_of_value, open_value, seal_value};

use super::Vault;

/// Stands before what was sealed for its row. No text and no protobuf message begins so.
const BOUND: [u8; 4] = *b"\xbfRW\x01";
/// Beside the keys, not in the database that it is about.
pub(super) const ROWS_ARE_BOUND: &str = "rows-are-bound";

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

/// Where a column's values are, and which columns beside them say whose they are.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
    /// In the order of [`Cell`]'s parts.
    pub(crate) row: &'static [&'static str],
}

impl Column {
    pub(crate) const ALL: [Self; 8] = [
        Self::Result,
        Self::Outgoing,
        Self::Draft,
        Self::Opinion,
        Self::Report,
        Self::Message,
        Self::Workitem,
        Self::EnrolmentSecret,
    ];

    /// Stands in what is sealed, as do the parts of each row: never changes.
    pub(crate) fn home(self) -> Home {
        let (table, column, row): (_, _, &[&str]) = match self {
            Self::Result => ("envelopes", "body", &["clinic", "id"]),
            Self::Outgoing => ("outgoing", "envelope", &["clinic", "envelope_id"]),
            Self::Draft => ("drafts", "content", &["clinic", "case_id", "person", "version"]),
            Self::Opinion => (
                "reader_opinions",
                "content",
                &["clinic", "case_id", "version", "stage", "person"],
            ),
            Self::Report => ("reports", "signed", &["id", "clinic", "case_id", "version"]),
            Self::Message => ("case_messages", "text", &["id", "clinic", "case_id", "version"]),
            Self::Workitem => ("workitems", "attributes", &["uid"]),
            Self::EnrolmentSecret => ("enrolments", "secret", &["code_id", "clinic"]),
        };
        Home { table, column, row }
    }

    fn context(self) -> Vec<u8> {
        let Home { table, column, .. } = self.home();
        format!("hub\0{table}.{column}").into_bytes()
    }
}

/// One value's place: its column, and its row by what the row is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    column: Column,
    /// Each part behind its length.
    row: Vec<u8>,
}

impl Cell {
    /// The parts as in [`Home::row`], numbers as decimal text.
    pub(crate) fn new(column: Column, parts: &[&[u8]]) -> Self {
        let mut row = Vec::new();
        for part in parts {
            row.extend_from_slice(&(part.len() as u64).to_be_bytes());
            row.extend_from_slice(part);
        }
        Self { column, row }
    }

    fn of_texts(column: Column, parts: &[&str]) -> Self {
        let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
        Self::new(column, &parts)
    }

    pub(crate) fn result(clinic: &str, envelope_id: &str) -> Self {
        Self::of_texts(Column::Result, &[clinic, envelope_id])
    }

    pub(crate) fn outgoing(clinic: &str, envelope_id: &str) -> Self {
        Self::of_texts(Column::Outgoing, &[clinic, envelope_id])
    }

    pub(crate) fn draft(clinic: &str, case: &str, person: &str, version: u32) -> Self {
        Self::of_texts(Column::Draft, &[clinic, case, person, &version.to_string()])
    }

    pub(crate) fn opinion((clinic, case): (&str, &str), version: u32, stage: &str, person: &str) -> Self {
        let version = version.to_string();
        Self::of_texts(Column::Opinion, &[clinic, case, &version, stage, person])
    }

    pub(crate) fn report(id: &str, clinic: &str, case: &str, version: u32) -> Self {
        Self::of_texts(Column::Report, &[id, clinic, case, &version.to_string()])
    }

    pub(crate) fn message(id: &str, clinic: &str, case: &str, version: u32) -> Self {
        Self::of_texts(Column::Message, &[id, clinic, case, &version.to_string()])
    }

    pub(crate) fn workitem(uid: &str) -> Self {
        Self::of_texts(Column::Workitem, &[uid])
    }

    pub(crate) fn enrolment_secret(code_id: &[u8], clinic: &str) -> Self {
        Self::new(Column::EnrolmentSecret, &[code_id, clinic.as_bytes()])
    }

    /// Begins as no column's alone does: the two kinds cannot be taken for each other.
    fn context(&self) -> Vec<u8> {
        [b"row\0".as_slice(), &self.column.context(), b"\0", &self.row].concat()
    }
}

impl Vault {
    /// What stands in the database instead of `plain`.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub(crate) fn seal(&self, cell: &Cell, plain: &[u8]) -> Result<Vec<u8>, Error> {
        let mut stored = BOUND.to_vec();
        stored.extend(seal_value(self.cipher(), self.current(), &cell.context(), plain)?);
        Ok(stored)
    }

    /// As the hub did that knew no rows.
    #[cfg(test)]
    pub(crate) fn seal_as_before(&self, column: Column, plain: &[u8]) -> Vec<u8> {
        seal_value(self.cipher(), self.current(), &column.context(), plain).unwrap()
    }

    /// What `stored` says. One that an older hub wrote opens in each row of its column until [`Self::bind_rows`].
    ///
    /// # Errors
    /// When it was changed, is another row's, or its key is not here.
    pub(crate) fn unseal(&self, cell: &Cell, stored: Vec<u8>) -> Result<Vec<u8>, Error> {
        if let Some(sealed) = stored.strip_prefix(&BOUND) {
            return self.opened(&cell.context(), sealed);
        }
        if self.are_rows_bound() {
            if let Some(times) = self.unbound.happened(Instant::now()) {
                tracing::error!(
                    table = cell.column.home().table,
                    times,
                    "A value in the database is not sealed for its row and is not read: somebody wrote it there, or the \
                     database is an older one from a backup (then remove keys/{ROWS_ARE_BOUND} and start the hub again)."
                );
            }
            return Err(Error::Forged);
        }
        if is_sealed_value(&stored) {
            self.opened(&cell.column.context(), &stored)
        } else {
            Ok(stored)
        }
    }

    fn opened(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let id = key_of_value(sealed)?;
        let key = self.find(id).map_err(|_| Error::UnknownKey(id))?;
        open_value(|_| Some(&*key), context, sealed)
    }

    /// Whether nothing opens any more but what was sealed for its row.
    pub(crate) fn are_rows_bound(&self) -> bool {
        self.bound.load(Ordering::Acquire)
    }

    /// From now on nothing opens but what was sealed for its row. Known to later starts too.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn bind_rows(&self) -> io::Result<()> {
        let part = self.folder().join("rows-are-bound.part");
        let mut file = File::create(&part)?;
        file.write_all(
            b"Each sealed value of the database is sealed for its row; others are not read any more.\n",
        )?;
        file.sync_all()?;
        fs::rename(&part, self.folder().join(ROWS_ARE_BOUND))?;
        File::open(self.folder())?.sync_all()?;
        self.bound.store(true, Ordering::Release);
        Ok(())
    }
}

/// Whether an earlier start bound them. What cannot be looked at counts as being there: that is the stricter of the two.
pub(super) fn were_rows_bound(folder: &Path) -> bool {
    folder.join(ROWS_ARE_BOUND).try_exists().unwrap_or(true)
}
