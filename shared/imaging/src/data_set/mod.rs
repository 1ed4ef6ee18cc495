//! A small data set in memory: what a query asks, what an answer says, what a modality reports of its work.
//!
//! Files are never read through this: [`crate::header`] passes over their pixels. [`read`] takes bytes from outside within
//! [`Limits`]: every length is held against the bytes that are left before anything is allocated. Values stay as they
//! came, text included; [`View`] decodes them late, see [`crate::text`].

mod read;
mod text;
mod vr;
mod write;

use std::collections::BTreeMap;
use std::fmt;

pub use crate::header::Error;
pub use read::{Limits, read, read_before_pixels};
pub use text::{Coding, View};
pub use vr::Vr;
pub use write::{Error as WriteError, write};

use crate::tags::Tag;

/// Elements by tag. Often identity: `Debug` says how many.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DataSet {
    elements: BTreeMap<Tag, Element>,
}

/// A value representation and what it represents.
#[derive(Clone, PartialEq, Eq)]
pub struct Element {
    pub vr: Vr,
    pub content: Content,
}

#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// Text as it was written; numbers little endian, whatever they came as.
    Value(Vec<u8>),
    Items(Vec<DataSet>),
    /// Encapsulated pixel data (PS3.5 annex A.4): the offset table, then the fragments.
    Fragments(Vec<Vec<u8>>),
}

impl fmt::Debug for DataSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataSet({} elements, redacted)", self.elements.len())
    }
}

impl fmt::Debug for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Element({:?}, redacted)", self.vr)
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Content(redacted)")
    }
}

impl DataSet {
    #[must_use]
    pub fn get(&self, tag: Tag) -> Option<&Element> {
        self.elements.get(&tag)
    }

    /// In the order of tags.
    pub fn iter(&self) -> impl Iterator<Item = (Tag, &Element)> {
        self.elements.iter().map(|(tag, element)| (*tag, element))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    pub fn put(&mut self, tag: Tag, element: Element) {
        self.elements.insert(tag, element);
    }

    pub fn remove(&mut self, tag: Tag) -> Option<Element> {
        self.elements.remove(&tag)
    }

    /// The element with no value, which asks for it in a query and says "unknown" elsewhere.
    pub fn put_empty(&mut self, tag: Tag) {
        let vr = Vr::of(tag);
        let content = if vr == Vr::SQ {
            Content::Items(Vec::new())
        } else {
            Content::Value(Vec::new())
        };
        self.put(tag, Element { vr, content });
    }

    pub fn put_items(&mut self, tag: Tag, items: Vec<Self>) {
        let element = Element {
            vr: Vr::SQ,
            content: Content::Items(items),
        };
        self.put(tag, element);
    }

    pub fn put_u16(&mut self, tag: Tag, value: u16) {
        let element = Element {
            vr: Vr::US,
            content: Content::Value(value.to_le_bytes().to_vec()),
        };
        self.put(tag, element);
    }

    /// Adopts an element unless there is one already.
    fn put_first(&mut self, tag: Tag, element: Element) {
        self.elements.entry(tag).or_insert(element);
    }
}

#[cfg(test)]
mod tests;
