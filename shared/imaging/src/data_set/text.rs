use encoding_rs::GB18030;

use super::{Content, DataSet, Element, Vr};
use crate::tags::{self, Tag};
use crate::text::{self, Text};

/// The character set our own words are written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Coding {
    /// `ISO_IR 192`.
    #[default]
    Utf8,
    /// `GB18030`, for who asked in it or in a part of it.
    Gb18030,
}

impl Coding {
    /// The set to answer in: the one the question names, where that is one of the Chinese ones; else UTF-8.
    #[must_use]
    pub fn for_answer(question: &DataSet) -> Self {
        let declared = question.view().text(tags::CHARACTER_SET);
        let names = declared.map(|text| text.value).unwrap_or_default();
        let first = names.split('\\').map(str::trim).find(|name| !name.is_empty());
        match first {
            Some("GB18030" | "GBK" | "ISO 2022 IR 58") => Self::Gb18030,
            _ => Self::Utf8,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "ISO_IR 192",
            Self::Gb18030 => "GB18030",
        }
    }
}

/// A data set with the character set that holds in it: an item inherits the one around it (PS3.3 section C.12.1.1.2).
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    set: &'a DataSet,
    character_set: Option<&'a [u8]>,
}

impl DataSet {
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View::within(self, None)
    }

    /// Writes text; values are parted by `\`. [`DataSet::declare`] says the set once all is written.
    pub fn put_text(&mut self, tag: Tag, value: &str, coding: Coding) {
        let vr = Vr::of(tag);
        let mut bytes = match coding {
            Coding::Gb18030 if vr.is_prose() => GB18030.encode(value).0.into_owned(),
            Coding::Gb18030 | Coding::Utf8 => value.as_bytes().to_vec(),
        };
        if bytes.len() % 2 != 0 {
            bytes.push(vr.padding());
        }
        let content = Content::Value(bytes);
        self.put(tag, Element { vr, content });
    }

    /// As [`DataSet::put_text`], for codes, dates, numbers and UIDs, which are ASCII.
    pub fn put_code(&mut self, tag: Tag, value: &str) {
        self.put_text(tag, value, Coding::Utf8);
    }

    /// Sets Specific Character Set where something is not ASCII, and takes it away where nothing needs it.
    pub fn declare(&mut self, coding: Coding) {
        self.remove(tags::CHARACTER_SET);
        if self.is_beyond_ascii() {
            self.put_code(tags::CHARACTER_SET, coding.name());
        }
    }

    fn is_beyond_ascii(&self) -> bool {
        self.iter().any(|(_, element)| match &element.content {
            Content::Value(value) => element.vr.is_prose() && !value.is_ascii(),
            Content::Items(items) => items.iter().any(Self::is_beyond_ascii),
            Content::Fragments(_) => false,
        })
    }
}

impl<'a> View<'a> {
    fn within(set: &'a DataSet, around: Option<&'a [u8]>) -> Self {
        let own = set
            .get(tags::CHARACTER_SET)
            .and_then(|element| match &element.content {
                Content::Value(value) => Some(value.as_slice()),
                Content::Items(_) | Content::Fragments(_) => None,
            });
        Self {
            set,
            character_set: own.or(around),
        }
    }

    #[must_use]
    pub fn data_set(self) -> &'a DataSet {
        self.set
    }

    /// The raw value, where the element is there and has one.
    #[must_use]
    pub fn value(self, tag: Tag) -> Option<&'a [u8]> {
        match &self.set.get(tag)?.content {
            Content::Value(value) => Some(value),
            Content::Items(_) | Content::Fragments(_) => None,
        }
    }

    /// The whole value as text, several values still parted by `\`; `None` where the element is missing or empty.
    #[must_use]
    pub fn text(self, tag: Tag) -> Option<Text> {
        let decoded = text::decode(self.value(tag)?, self.character_set);
        (!decoded.value.is_empty()).then_some(decoded)
    }

    /// As [`View::text`] without the mark of a guess.
    #[must_use]
    pub fn string(self, tag: Tag) -> Option<String> {
        self.text(tag).map(|text| text.value)
    }

    /// The values, blanks around each taken off.
    #[must_use]
    pub fn strings(self, tag: Tag) -> Vec<String> {
        let Some(text) = self.string(tag) else {
            return Vec::new();
        };
        if self.set.get(tag).is_some_and(|element| element.vr.is_single()) {
            return vec![text];
        }
        text.split('\\').map(|value| value.trim().to_owned()).collect()
    }

    /// The first of an element's 16-bit numbers.
    #[must_use]
    pub fn u16(self, tag: Tag) -> Option<u16> {
        self.value(tag)?
            .first_chunk()
            .map(|bytes| u16::from_le_bytes(*bytes))
    }

    /// A sequence's items; none where the element is missing or no sequence.
    pub fn items(self, tag: Tag) -> impl Iterator<Item = View<'a>> {
        let items = match self.set.get(tag).map(|element| &element.content) {
            Some(Content::Items(items)) => items.as_slice(),
            _ => &[],
        };
        items
            .iter()
            .map(move |item| Self::within(item, self.character_set))
    }
}
