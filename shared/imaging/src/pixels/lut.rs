use super::Error;
use crate::header::Header;
use crate::tags::{self, Tag};

/// A lookup table (PS3.3 section C.11.1.1): values below and above its inputs take its first and last entry.
pub(super) struct Table {
    first_input: i32,
    entries: Vec<u16>,
    /// What full brightness is.
    pub(super) top: u16,
}

impl Table {
    pub(super) fn nested(
        header: &Header,
        sequence: Tag,
        signed: bool,
        name: &'static str,
    ) -> Result<Option<Self>, Error> {
        let Some(descriptor) = header.nested_numbers(sequence, tags::LUT_DESCRIPTOR) else {
            return Ok(None);
        };
        let data = header.nested_numbers(sequence, tags::LUT_DATA);
        Self::new(&descriptor, data.unwrap_or_default(), signed)
            .map(Some)
            .ok_or(Error::BadTable { name })
    }

    pub(super) fn palette(
        header: &Header,
        descriptor: Tag,
        data: Tag,
        name: &'static str,
    ) -> Result<Self, Error> {
        let descriptor = header.numbers(descriptor).unwrap_or_default();
        let data = header.numbers(data).unwrap_or_default();
        Self::new(&descriptor, data, false).ok_or(Error::BadTable { name })
    }

    /// `None` where the descriptor is none, or there are fewer entries than it says.
    pub(super) fn new(descriptor: &[u16], words: Vec<u16>, signed: bool) -> Option<Self> {
        let [count, first, bits] = *descriptor else {
            return None;
        };
        let count = if count == 0 { 65_536 } else { usize::from(count) };
        if !(1..=16).contains(&bits) {
            return None;
        }
        let mut entries = words;
        if entries.len() < count && bits <= 8 && count.div_ceil(2) <= entries.len() {
            // Two entries of eight bits to the word.
            entries = entries
                .iter()
                .flat_map(|word| word.to_le_bytes())
                .map(u16::from)
                .collect();
        }
        if entries.len() < count {
            return None;
        }
        entries.truncate(count);
        let full = u16::try_from((1_u32 << bits) - 1).ok()?;
        // Eight significant bits in the upper half of each word, with 8 or 16 declared, both occur.
        let top = entries.iter().copied().fold(full, u16::max);
        Some(Self {
            first_input: if signed {
                i32::from(first.cast_signed())
            } else {
                i32::from(first)
            },
            entries,
            top,
        })
    }

    /// The entry for a level, 0 to 1 over all its inputs, as such a level.
    pub(super) fn at_level(&self, level: f32) -> f32 {
        let last = self.entries.len().saturating_sub(1);
        let index = (level * last as f32).round() as usize;
        let entry = self.entries.get(index.min(last)).copied().unwrap_or_default();
        f32::from(entry) / f32::from(self.top.max(1))
    }

    pub(super) fn at(&self, input: i32) -> u16 {
        let index = usize::try_from(input.saturating_sub(self.first_input)).unwrap_or(0);
        self.entries
            .get(index)
            .or(self.entries.last())
            .copied()
            .unwrap_or(0)
    }
}
