use serde_json::{Map, Value, json};

/// A data set in the DICOM JSON model, held as such: tags in eight hexadecimal digits, each with `vr` and mostly `Value`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Attributes(Map<String, Value>);

/// Why a text is no data set. Names the place, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("it is no JSON")]
    Json,
    #[error("it is no data set: an object, or an array with one")]
    Object,
    #[error("{0} is no tag in eight hexadecimal digits")]
    Tag(String),
    #[error("{0} has no vr of two capital letters, or a Value that is no array")]
    Element(String),
    #[error("sequences within each other more than {DEEPEST} deep")]
    TooDeep,
}

const DEEPEST: usize = 16;

impl Attributes {
    /// A data set alone or in an array of its own (PS3.18 section 11.1.3).
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Malformed> {
        let value: Value = serde_json::from_slice(text).map_err(|_| Malformed::Json)?;
        let object = match value {
            Value::Object(object) => object,
            Value::Array(mut one) if one.len() == 1 => match one.pop() {
                Some(Value::Object(object)) => object,
                _ => return Err(Malformed::Object),
            },
            _ => return Err(Malformed::Object),
        };
        check(&object, 0)?;
        Ok(Self(object))
    }

    pub(crate) fn text(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }

    pub(crate) fn object(&self) -> &Map<String, Value> {
        &self.0
    }

    pub(crate) fn into_value(self) -> Value {
        Value::Object(self.0)
    }

    pub(crate) fn contains(&self, tag: &str) -> bool {
        self.0.contains_key(tag)
    }

    /// The first value as text; `None` where there is none.
    pub(crate) fn string(&self, tag: &str) -> Option<&str> {
        first(&self.0, tag)
    }

    pub(crate) fn put(&mut self, tag: &str, vr: &str, value: &str) {
        self.0
            .insert(tag.to_owned(), json!({ "vr": vr, "Value": [value] }));
    }

    pub(crate) fn put_empty(&mut self, tag: &str, vr: &str) {
        self.0.insert(tag.to_owned(), json!({ "vr": vr }));
    }

    pub(crate) fn put_items(&mut self, tag: &str, items: Vec<Value>) {
        self.0
            .insert(tag.to_owned(), json!({ "vr": "SQ", "Value": items }));
    }

    pub(crate) fn remove(&mut self, tag: &str) -> Option<Value> {
        self.0.remove(tag)
    }

    /// What `more` says counts; a sequence it names stands instead of the one before.
    pub(crate) fn merge(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    /// The items of a sequence.
    pub(crate) fn items(&self, tag: &str) -> impl Iterator<Item = &Map<String, Value>> {
        items(&self.0, tag)
    }
}

/// The first value of an element as text.
pub(super) fn first<'a>(object: &'a Map<String, Value>, tag: &str) -> Option<&'a str> {
    let value = object.get(tag)?.get("Value")?.get(0)?;
    let text = value
        .as_str()
        .or_else(|| value.get("Alphabetic").and_then(Value::as_str))?;
    (!text.trim().is_empty()).then(|| text.trim())
}

pub(super) fn values<'a>(object: &'a Map<String, Value>, tag: &str) -> &'a [Value] {
    let values = object.get(tag).and_then(|element| element.get("Value"));
    values.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn items<'a>(
    object: &'a Map<String, Value>,
    tag: &str,
) -> impl Iterator<Item = &'a Map<String, Value>> {
    values(object, tag).iter().filter_map(Value::as_object)
}

fn check(object: &Map<String, Value>, depth: usize) -> Result<(), Malformed> {
    if DEEPEST < depth {
        return Err(Malformed::TooDeep);
    }
    for (tag, element) in object {
        let is_tag = tag.len() == 8
            && tag
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b));
        if !is_tag {
            let shown = tag.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
            return Err(Malformed::Tag(shown));
        }
        let wrong = || Malformed::Element(tag.clone());
        let vr = element.get("vr").and_then(Value::as_str).ok_or_else(wrong)?;
        if vr.len() != 2 || !vr.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(wrong());
        }
        let Some(value) = element.get("Value") else {
            continue;
        };
        let values = value.as_array().ok_or_else(wrong)?;
        if vr == "SQ" {
            for item in values {
                check(item.as_object().ok_or_else(wrong)?, depth + 1)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_data_set_comes_alone_or_in_an_array() {
        let text = r#"{"00741204":{"vr":"LO","Value":["Read"]},"00404018":{"vr":"SQ","Value":[{}]}}"#;
        let alone = Attributes::parse(text.as_bytes()).unwrap();
        assert_eq!(alone, Attributes::parse(format!("[{text}]").as_bytes()).unwrap());
        assert_eq!(alone.string("00741204"), Some("Read"));
        assert_eq!(alone.items("00404018").count(), 1);
        for (wrong, expected) in [
            ("nothing", Malformed::Json),
            ("[]", Malformed::Object),
            (r#"{"PatientName":{}}"#, Malformed::Tag("PatientName".into())),
            (
                r#"{"00741204":{"Value":["x"]}}"#,
                Malformed::Element("00741204".into()),
            ),
            (
                r#"{"00741204":{"vr":"LO","Value":"x"}}"#,
                Malformed::Element("00741204".into()),
            ),
            (
                r#"{"00404018":{"vr":"SQ","Value":["x"]}}"#,
                Malformed::Element("00404018".into()),
            ),
        ] {
            assert_eq!(Attributes::parse(wrong.as_bytes()), Err(expected), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Attributes::parse(&bytes);
        }
    }
}
