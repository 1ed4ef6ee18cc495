//! Table E.1-1 of PS3.15 (edition 2026c): what the Basic Application Level Confidentiality Profile does with each attribute.
//!
//! `annex_e.tsv` has one line an attribute: tag, action of the basic profile, and the options that change it. `U` retain
//! UIDs, `V` retain device identity (`v`: it cleans instead), `I` retain institution identity, `P` retain patient
//! characteristics (`p`: it cleans), `T` retain longitudinal temporal information (full dates keep, modified dates clean),
//! `D` clean descriptors, `S` clean structured content, `G` clean graphics. Curves (50xx), overlays (60xx) and private
//! attributes stand in [`REPEATING`] instead. (0008,1140) and (0008,2112) have `X/Z/U*` in the standard.
//!
//! `docs/DEIDENTIFICATION.md` shows it all, with what becomes of each attribute here.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::tags::Tag;

/// What the basic profile does. Where the table gives a choice by the attribute's type in its IOD (`X/Z`, `X/Z/D`), what
/// keeps a Type 2 attribute present; where it is `X/D`, removal: an image that then lacks a Type 1 attribute lacks one that
/// is none of an image's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Remove,
    Empty,
    Dummy,
    RemapUid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) basic: Action,
    /// The option on patient characteristics retains it.
    pub(super) patient: bool,
    /// The options on dates and times retain or modify it.
    pub(super) temporal: bool,
}

/// The rows of the table that are no single attribute: how they are written there, their name, and the options that change
/// their removal.
#[cfg(test)]
pub(super) const REPEATING: [(&str, &str, &str); 4] = [
    ("(50xx,xxxx)", "Curve Data", "G"),
    ("(60xx,3000)", "Overlay Data", "G"),
    ("(60xx,4000)", "Overlay Comments", "G"),
    ("(gggg,eeee), gggg odd", "Private Attributes", "safe private"),
];

static TABLE: LazyLock<BTreeMap<Tag, Row>> =
    LazyLock::new(|| include_str!("annex_e.tsv").lines().filter_map(parse).collect());

/// The attribute's row; `None` where the table does not name it.
pub(super) fn row(tag: Tag) -> Option<Row> {
    let removed = Row {
        basic: Action::Remove,
        patient: false,
        temporal: false,
    };
    match tag.0 {
        group if group % 2 == 1 => Some(removed),
        // Commands, meta information and directories: none of an image's.
        0..=7 => Some(removed),
        0x5000..=0x501E | 0x6000..=0x601E => Some(removed),
        _ => TABLE.get(&tag).copied(),
    }
}

fn parse(line: &str) -> Option<(Tag, Row)> {
    let mut columns = line.split('\t');
    let tag = super::tag_of(columns.next()?)?;
    let basic = match columns.next()? {
        "X" | "X/D" => Action::Remove,
        "Z" | "Z/D" | "X/Z" | "X/Z/D" => Action::Empty,
        "D" => Action::Dummy,
        "U" | "X/Z/U" => Action::RemapUid,
        _ => return None,
    };
    let options = columns.next()?;
    let row = Row {
        basic,
        patient: options.contains(['P', 'p']),
        temporal: options.contains('T'),
    };
    Some((tag, row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        assert_eq!(TABLE.len(), include_str!("annex_e.tsv").lines().count());
        assert!(600 < TABLE.len());
    }

    #[test]
    fn attributes_have_the_actions_of_the_standard() {
        let basic = |group, element| row(Tag(group, element)).map(|row| row.basic);
        for (tag, wanted) in [
            ((0x0010, 0x0010), Action::Empty),
            ((0x0010, 0x0020), Action::Empty),
            ((0x0008, 0x0050), Action::Empty),
            ((0x0008, 0x0018), Action::RemapUid),
            ((0x0008, 0x1030), Action::Remove),
            ((0x0010, 0x1040), Action::Remove),
            ((0x0010, 0x4000), Action::Remove),
            ((0x0040, 0xA730), Action::Dummy),
            ((0x6002, 0x3000), Action::Remove),
            ((0x5000, 0x3000), Action::Remove),
            ((0x0009, 0x1001), Action::Remove),
        ] {
            assert_eq!(basic(tag.0, tag.1), Some(wanted), "{tag:04X?}");
        }
        assert_eq!(row(Tag(0x0028, 0x0010)), None);
        assert!(row(Tag(0x0008, 0x0020)).is_some_and(|row| row.temporal));
        assert!(row(Tag(0x0010, 0x1010)).is_some_and(|row| row.patient));
    }
}
