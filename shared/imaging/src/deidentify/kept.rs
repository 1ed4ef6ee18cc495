//! What of an image leaves, beside what table E.1-1 empties, fills or remaps: the attributes that showing and measuring a
//! picture needs, each with the shape its value must have.
//!
//! `kept.tsv` has one line an attribute: tag, rule, and the rule's own column. Whatever stands neither there nor in the
//! table is removed, and so is a value without its shape: a name typed into a protocol's field, or a text in a number's.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::tags::Tag;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Date,
    Time,
    DateTime,
    Age,
    /// Ten years of it. Stands in no line: research is told no more of an age.
    AgeBand,
    /// Replaced by its pseudonym.
    Uid,
    /// One of the standard's own identifiers: stays.
    Class,
    /// One of these words; several values are judged one by one. A blank in a value stands here as `_`.
    Code(&'static str),
    /// At most this many numbers.
    Number(usize),
    /// Free text: what of it is in the vocabulary.
    Words,
    /// Letters of anatomical directions.
    Orientation,
    /// Tags of attributes that are kept themselves.
    TagValue,
    /// A lookup table, as long as its descriptor says.
    Table,
    /// Coded concepts of schemes whose codes say nothing of a person.
    Coded,
    /// A sequence: each item by the same rules.
    Items,
    /// See `pixels`.
    Pixels,
}

/// Every attribute that may stay.
#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = (Tag, Rule)> {
    TABLE.iter().map(|(tag, rule)| (*tag, *rule))
}

static TABLE: LazyLock<BTreeMap<Tag, Rule>> =
    LazyLock::new(|| include_str!("kept.tsv").lines().filter_map(parse).collect());

pub(super) fn rule(tag: Tag) -> Option<Rule> {
    TABLE.get(&tag).copied()
}

fn parse(line: &'static str) -> Option<(Tag, Rule)> {
    let mut columns = line.split('\t');
    let tag = super::tag_of(columns.next()?)?;
    let rule = match (columns.next()?, columns.next()) {
        ("date", None) => Rule::Date,
        ("time", None) => Rule::Time,
        ("datetime", None) => Rule::DateTime,
        ("age", None) => Rule::Age,
        ("uid", None) => Rule::Uid,
        ("class", None) => Rule::Class,
        ("code", Some(words)) => Rule::Code(words),
        ("number", Some(most)) => Rule::Number(most.parse().ok()?),
        ("words", None) => Rule::Words,
        ("orientation", None) => Rule::Orientation,
        ("tag", None) => Rule::TagValue,
        ("table", None) => Rule::Table,
        ("coded", None) => Rule::Coded,
        ("items", None) => Rule::Items,
        ("pixels", None) => Rule::Pixels,
        _ => return None,
    };
    Some((tag, rule))
}

#[cfg(test)]
mod tests {
    use super::super::annex_e::{self, Action};
    use super::*;
    use crate::data_set::Vr;

    #[test]
    fn every_line_is_read_and_is_an_attribute_of_the_standard() {
        assert_eq!(TABLE.len(), include_str!("kept.tsv").lines().count());
        for tag in TABLE.keys() {
            assert_ne!(Vr::of(*tag), Vr::UN, "{tag}");
        }
    }

    /// Keeping is never more than the profile and its options allow.
    #[test]
    fn nothing_is_kept_that_the_profile_takes_away() {
        for (tag, rule) in TABLE.iter() {
            let Some(row) = annex_e::row(*tag) else { continue };
            let allowed = match rule {
                Rule::Date | Rule::Time | Rule::DateTime => row.temporal,
                Rule::Uid => row.basic == Action::RemapUid,
                // Their items hold nothing but a class and a remapped UID.
                Rule::Items => row.basic == Action::RemapUid,
                // Cleaned by the option on descriptors.
                Rule::Words => true,
                Rule::Age | Rule::AgeBand | Rule::Code(_) | Rule::Number(_) => row.patient,
                _ => false,
            };
            assert!(allowed, "{tag} is kept by {rule:?}");
        }
    }
}
