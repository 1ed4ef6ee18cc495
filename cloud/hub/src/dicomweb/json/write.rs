use barefoot_imaging::data_set::{Content, DataSet, Element, View, Vr};
use barefoot_imaging::tags::{self, Tag};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Number, Value, json};

/// Values of more bytes than these go by reference.
const INLINE: usize = 1024;

/// Where values too large for the text can be fetched: given the path to an element, its address.
pub(in crate::dicomweb) type Bulk<'a> = dyn Fn(&str) -> String + 'a;

/// `00100020`.
pub(in crate::dicomweb) fn key(tag: Tag) -> String {
    format!("{:04X}{:04X}", tag.0, tag.1)
}

/// All elements but the group lengths and the pixel data. Text comes out as UTF-8, and says so.
pub(in crate::dicomweb) fn data_set(set: &DataSet, bulk: &Bulk<'_>) -> Map<String, Value> {
    let mut object = elements(set.view(), "", bulk);
    if set.get(tags::CHARACTER_SET).is_some() {
        object.insert(
            key(tags::CHARACTER_SET),
            json!({ "vr": "CS", "Value": ["ISO_IR 192"] }),
        );
    }
    object
}

fn elements(view: View<'_>, path: &str, bulk: &Bulk<'_>) -> Map<String, Value> {
    view.data_set()
        .iter()
        .filter(|(tag, _)| *tag != tags::PIXEL_DATA && 0x0002 < tag.0)
        .map(|(tag, element)| {
            let path = format!("{path}{}", key(tag));
            (key(tag), one(view, tag, element, &path, bulk))
        })
        .collect()
}

fn one(view: View<'_>, tag: Tag, element: &Element, path: &str, bulk: &Bulk<'_>) -> Value {
    let vr = format!("{:?}", element.vr);
    match &element.content {
        Content::Items(_) => {
            let items: Vec<Value> = view
                .items(tag)
                .enumerate()
                .map(|(at, item)| Value::Object(elements(item, &format!("{path}/{at}/"), bulk)))
                .collect();
            with_values(&vr, items)
        }
        Content::Fragments(_) => json!({ "vr": vr }),
        Content::Value(bytes) if bytes.is_empty() => json!({ "vr": vr }),
        Content::Value(bytes) if is_binary(element.vr) => {
            if INLINE < bytes.len() {
                json!({ "vr": vr, "BulkDataURI": bulk(path) })
            } else {
                json!({ "vr": vr, "InlineBinary": BASE64.encode(bytes) })
            }
        }
        Content::Value(bytes) if INLINE < bytes.len() && !element.vr.is_text() => {
            json!({ "vr": vr, "BulkDataURI": bulk(path) })
        }
        Content::Value(bytes) => with_values(&vr, values(view, tag, element.vr, bytes)),
    }
}

fn with_values(vr: &str, values: Vec<Value>) -> Value {
    if values.is_empty() {
        json!({ "vr": vr })
    } else {
        json!({ "vr": vr, "Value": values })
    }
}

fn is_binary(vr: Vr) -> bool {
    matches!(
        format!("{vr:?}").as_str(),
        "OB" | "OD" | "OF" | "OL" | "OV" | "OW" | "UN"
    )
}

fn values(view: View<'_>, tag: Tag, vr: Vr, bytes: &[u8]) -> Vec<Value> {
    match format!("{vr:?}").as_str() {
        "US" => numbers(bytes, |raw: [u8; 2]| u16::from_le_bytes(raw).into()),
        "SS" => numbers(bytes, |raw: [u8; 2]| i16::from_le_bytes(raw).into()),
        "UL" => numbers(bytes, |raw: [u8; 4]| u32::from_le_bytes(raw).into()),
        "SL" => numbers(bytes, |raw: [u8; 4]| i32::from_le_bytes(raw).into()),
        "UV" => numbers(bytes, |raw: [u8; 8]| u64::from_le_bytes(raw).into()),
        "SV" => numbers(bytes, |raw: [u8; 8]| i64::from_le_bytes(raw).into()),
        "FL" => numbers(bytes, |raw: [u8; 4]| real(f64::from(f32::from_le_bytes(raw)))),
        "FD" => numbers(bytes, |raw: [u8; 8]| real(f64::from_le_bytes(raw))),
        "AT" => {
            let (words, _) = bytes.as_chunks::<4>();
            words
                .iter()
                .map(|[a, b, c, d]| {
                    let (group, element) = (u16::from_le_bytes([*a, *b]), u16::from_le_bytes([*c, *d]));
                    Value::String(key(Tag(group, element)))
                })
                .collect()
        }
        "PN" => texts(view, tag, |text| person(&text)),
        "IS" | "DS" => texts(view, tag, |text| number(&text)),
        _ => texts(view, tag, Value::String),
    }
}

fn numbers<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> Value) -> Vec<Value> {
    let (chunks, _) = bytes.as_chunks::<N>();
    chunks.iter().map(|chunk| read(*chunk)).collect()
}

/// What JSON has no number for is written as text, as the annex says.
fn real(value: f64) -> Value {
    Number::from_f64(value).map_or_else(|| Value::String(value.to_string()), Value::Number)
}

/// An empty one of several values is null.
fn texts(view: View<'_>, tag: Tag, read: impl Fn(String) -> Value) -> Vec<Value> {
    view.strings(tag)
        .into_iter()
        .map(|text| match text.is_empty() {
            true => Value::Null,
            false => read(text),
        })
        .collect()
}

/// Component groups by name (PS3.18 section F.2.2).
pub(in crate::dicomweb) fn person(text: &str) -> Value {
    let names = ["Alphabetic", "Ideographic", "Phonetic"];
    let groups = names.iter().zip(text.split('='));
    let object: Map<String, Value> = groups
        .map(|(name, group)| ((*name).to_owned(), group.trim().trim_end_matches('^')))
        .filter(|(_, group)| !group.is_empty())
        .map(|(name, group)| (name, Value::from(group)))
        .collect();
    Value::Object(object)
}

/// A whole number as such, another as it is; text that is none stays text.
pub(in crate::dicomweb) fn number(text: &str) -> Value {
    if let Ok(whole) = text.parse::<i64>() {
        return whole.into();
    }
    match text.parse::<f64>().ok().and_then(Number::from_f64) {
        Some(number) => Value::Number(number),
        None => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use barefoot_imaging::data_set::Coding;

    use super::*;

    #[test]
    fn a_data_set_is_written_as_the_annex_has_it() {
        let mut item = DataSet::default();
        item.put_code(tags::CODE_VALUE, "113100");
        let mut set = DataSet::default();
        set.put_text(tags::PATIENT_NAME, "Zhang^San=张^三", Coding::Utf8);
        set.put_code(tags::IMAGE_TYPE, "ORIGINAL\\\\AXIAL");
        set.put_code(tags::WINDOW_CENTER, "40.5\\-600");
        set.put_u16(tags::ROWS, 512);
        set.put_empty(tags::ACCESSION);
        set.put_items(tags::DEIDENTIFICATION_CODES, vec![item]);
        let binary = |vr, bytes: Vec<u8>| Element {
            vr,
            content: Content::Value(bytes),
        };
        set.put(tags::RED_DATA, binary(Vr::OW, vec![7; 2000]));
        set.put(Tag(0x0018, 0x9999), binary(Vr::OB, vec![1, 2, 3, 4]));
        set.put(tags::PIXEL_DATA, binary(Vr::OW, vec![0; 4]));
        set.declare(Coding::Utf8);
        let object = data_set(&set, &|path| format!("/bulk/{path}"));
        let expected = json!({
            "00080005": { "vr": "CS", "Value": ["ISO_IR 192"] },
            "00080008": { "vr": "CS", "Value": ["ORIGINAL", null, "AXIAL"] },
            "00080050": { "vr": "SH" },
            "00100010": { "vr": "PN", "Value": [{ "Alphabetic": "Zhang^San", "Ideographic": "张^三" }] },
            "00120064": { "vr": "SQ", "Value": [{ "00080100": { "vr": "SH", "Value": ["113100"] } }] },
            "00189999": { "vr": "OB", "InlineBinary": "AQIDBA==" },
            "00280010": { "vr": "US", "Value": [512] },
            "00281050": { "vr": "DS", "Value": [40.5, -600] },
            "00281201": { "vr": "OW", "BulkDataURI": "/bulk/00281201" },
        });
        assert_eq!(Value::Object(object), expected);
    }
}
