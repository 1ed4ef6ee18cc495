use super::levels::{Level, attributes};
use super::record::Record;
use crate::header::Header;

/// Characters of one attribute that an index keeps.
const LONGEST: usize = 256;

/// What an index keeps of one instance, parted by what it is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    /// The patient's attributes and the study's.
    pub study: Record,
    pub series: Record,
    pub instance: Record,
}

/// The attributes of `header` that can be asked for, decoded. Those that count or sum up are not among them.
#[must_use]
pub fn records(header: &Header) -> Records {
    let mut found = Records::default();
    for row in attributes() {
        let Some(text) = header.decoded(row.tag) else {
            continue;
        };
        let record = match row.level {
            Level::Patient | Level::Study => &mut found.study,
            Level::Series => &mut found.series,
            Level::Image => &mut found.instance,
        };
        let end = text.char_indices().nth(LONGEST).map_or(text.len(), |(at, _)| at);
        record.put(row.tag, text.get(..end).unwrap_or_default());
    }
    found
}
