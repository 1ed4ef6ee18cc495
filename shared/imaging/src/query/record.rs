use std::fmt;

use crate::tags::Tag;

/// Decoded attributes of a patient, study, series, instance or order. Identity: `Debug` says how many.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// By tag; few enough to be kept in one run of memory.
    values: Vec<(Tag, Value)>,
}

#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// Never empty; several values are parted by `\`.
    Text(Box<str>),
    Items(Box<[Record]>),
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({} attributes, redacted)", self.values.len())
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value(redacted)")
    }
}

impl Record {
    /// Empty text takes the attribute away.
    pub fn put(&mut self, tag: Tag, text: &str) {
        if text.is_empty() {
            self.remove(tag);
        } else {
            self.insert(tag, Value::Text(text.into()));
        }
    }

    pub fn put_items(&mut self, tag: Tag, items: Vec<Self>) {
        self.insert(tag, Value::Items(items.into_boxed_slice()));
    }

    pub fn remove(&mut self, tag: Tag) {
        if let Ok(at) = self.place(tag) {
            self.values.remove(at);
        }
    }

    #[must_use]
    pub fn get(&self, tag: Tag) -> Option<&Value> {
        let at = self.place(tag).ok()?;
        self.values.get(at).map(|(_, value)| value)
    }

    #[must_use]
    pub fn text(&self, tag: Tag) -> Option<&str> {
        match self.get(tag)? {
            Value::Text(text) => Some(text),
            Value::Items(_) => None,
        }
    }

    #[must_use]
    pub fn items(&self, tag: Tag) -> &[Self] {
        match self.get(tag) {
            Some(Value::Items(items)) => items,
            Some(Value::Text(_)) | None => &[],
        }
    }

    /// In the order of tags.
    pub fn iter(&self) -> impl Iterator<Item = (Tag, &Value)> {
        self.values.iter().map(|(tag, value)| (*tag, value))
    }

    fn insert(&mut self, tag: Tag, value: Value) {
        match self.place(tag) {
            Ok(at) => {
                if let Some((_, old)) = self.values.get_mut(at) {
                    *old = value;
                }
            }
            Err(at) => self.values.insert(at, (tag, value)),
        }
    }

    fn place(&self, tag: Tag) -> Result<usize, usize> {
        self.values.binary_search_by_key(&tag, |(tag, _)| *tag)
    }
}
