//! Writes DICOM files: Explicit VR Little Endian, native pixels, nothing else.
//!
//! The simulator writes its own bytes instead of using a library, so that it shares no code with what it tests.

use std::collections::BTreeMap;
use std::io::{self, Write};

use encoding_rs::{Encoding, GB18030, UTF_8};

pub(crate) const EXPLICIT_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";

/// Our own root is a UUID-derived one (PS3.5 annex B.2), so nobody had to register it.
const IMPLEMENTATION_CLASS: &str = "2.25.108928046921968995913044600304754501387";
const IMPLEMENTATION_VERSION: &str = "BAREFOOT_SIM_1";

/// How text leaves the simulated scanner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Charset {
    /// ISO_IR 192.
    #[default]
    Utf8,
    /// GB18030, what most scanners sold in China send.
    Gb18030,
}

impl Charset {
    /// The defined term of (0008,0005), PS3.3 section C.12.1.1.2.
    #[must_use]
    pub fn defined_term(self) -> &'static str {
        match self {
            Self::Utf8 => "ISO_IR 192",
            Self::Gb18030 => "GB18030",
        }
    }

    fn encoding(self) -> &'static Encoding {
        match self {
            Self::Utf8 => UTF_8,
            Self::Gb18030 => GB18030,
        }
    }
}

#[derive(Debug, Clone)]
enum Value {
    Bytes(Vec<u8>),
    Items(Vec<DataSet>),
}

/// Elements in tag order.
#[derive(Debug, Clone, Default)]
pub(crate) struct DataSet {
    charset: Charset,
    elements: BTreeMap<(u16, u16), ([u8; 2], Value)>,
}

impl DataSet {
    #[must_use]
    pub(crate) fn new(charset: Charset) -> Self {
        Self {
            charset,
            elements: BTreeMap::new(),
        }
    }

    /// A text value of any text VR; UIDs are padded with NUL, everything else with a space (PS3.5 section 6.2).
    pub(crate) fn text(&mut self, tag: (u16, u16), vr: &str, value: &str) -> &mut Self {
        let (bytes, _, _) = self.charset.encoding().encode(value);
        let mut bytes = bytes.into_owned();
        if bytes.len() % 2 == 1 {
            bytes.push(if vr == "UI" { 0 } else { b' ' });
        }
        self.put(tag, vr, Value::Bytes(bytes))
    }

    /// Type 2: present, without a value.
    pub(crate) fn empty(&mut self, tag: (u16, u16), vr: &str) -> &mut Self {
        let value = if vr == "SQ" {
            Value::Items(Vec::new())
        } else {
            Value::Bytes(Vec::new())
        };
        self.put(tag, vr, value)
    }

    pub(crate) fn unsigned_short(&mut self, tag: (u16, u16), value: u16) -> &mut Self {
        self.put(tag, "US", Value::Bytes(value.to_le_bytes().to_vec()))
    }

    pub(crate) fn items(&mut self, tag: (u16, u16), items: Vec<Self>) -> &mut Self {
        self.put(tag, "SQ", Value::Items(items))
    }

    /// Binary values, little endian already; padded to even length.
    pub(crate) fn bytes(&mut self, tag: (u16, u16), vr: &str, mut bytes: Vec<u8>) -> &mut Self {
        if bytes.len() % 2 == 1 {
            bytes.push(0);
        }
        self.put(tag, vr, Value::Bytes(bytes))
    }

    fn put(&mut self, tag: (u16, u16), vr: &str, value: Value) -> &mut Self {
        let mut letters = [b' '; 2];
        for (to, from) in letters.iter_mut().zip(vr.bytes()) {
            *to = from;
        }
        self.elements.insert(tag, (letters, value));
        self
    }

    /// # Errors
    /// When the sink fails, or a value is longer than its VR's length field can say.
    pub(crate) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        for ((group, element), (vr, value)) in &self.elements {
            to.write_all(&group.to_le_bytes())?;
            to.write_all(&element.to_le_bytes())?;
            to.write_all(vr)?;
            match value {
                Value::Bytes(bytes) => {
                    if has_long_length(*vr) {
                        to.write_all(&[0, 0])?;
                        to.write_all(&u32::try_from(bytes.len()).map_err(too_long)?.to_le_bytes())?;
                    } else {
                        to.write_all(&u16::try_from(bytes.len()).map_err(too_long)?.to_le_bytes())?;
                    }
                    to.write_all(bytes)?;
                }
                Value::Items(items) => {
                    let mut body = Vec::new();
                    for item in items {
                        let mut content = Vec::new();
                        item.write(&mut content)?;
                        body.extend_from_slice(&[0xFE, 0xFF, 0x00, 0xE0]);
                        body.extend_from_slice(
                            &u32::try_from(content.len()).map_err(too_long)?.to_le_bytes(),
                        );
                        body.extend_from_slice(&content);
                    }
                    to.write_all(&[0, 0])?;
                    to.write_all(&u32::try_from(body.len()).map_err(too_long)?.to_le_bytes())?;
                    to.write_all(&body)?;
                }
            }
        }
        Ok(())
    }

    /// A whole file with preamble and meta information (PS3.10 section 7.1).
    ///
    /// # Errors
    /// As [`DataSet::write`].
    pub(crate) fn write_file(
        &self,
        sop_class: &str,
        sop_instance: &str,
        to: &mut impl Write,
    ) -> io::Result<()> {
        let mut meta = Self::new(Charset::Utf8);
        meta.bytes((0x0002, 0x0001), "OB", vec![0, 1])
            .text((0x0002, 0x0002), "UI", sop_class)
            .text((0x0002, 0x0003), "UI", sop_instance)
            .text((0x0002, 0x0010), "UI", EXPLICIT_LITTLE_ENDIAN)
            .text((0x0002, 0x0012), "UI", IMPLEMENTATION_CLASS)
            .text((0x0002, 0x0013), "SH", IMPLEMENTATION_VERSION);
        let mut group = Vec::new();
        meta.write(&mut group)?;
        let mut length = Self::new(Charset::Utf8);
        let bytes = u32::try_from(group.len()).map_err(too_long)?.to_le_bytes();
        length.bytes((0x0002, 0x0000), "UL", bytes.to_vec());
        to.write_all(&[0; 128])?;
        to.write_all(b"DICM")?;
        length.write(to)?;
        to.write_all(&group)?;
        self.write(to)
    }
}

/// PS3.5 section 7.1.2: these have two reserved bytes and a four-byte length.
fn has_long_length(vr: [u8; 2]) -> bool {
    matches!(
        &vr,
        b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"SQ" | b"SV" | b"UC" | b"UN" | b"UR" | b"UT" | b"UV"
    )
}

fn too_long(_: std::num::TryFromIntError) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "a value is longer than its length field can say",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_come_in_tag_order_with_even_lengths() {
        let mut set = DataSet::new(Charset::Utf8);
        set.text((0x0010, 0x0020), "LO", "ABC")
            .text((0x0008, 0x0018), "UI", "1.2");
        let mut bytes = Vec::new();
        set.write(&mut bytes).unwrap();
        assert_eq!(
            bytes,
            b"\x08\x00\x18\x00UI\x04\x001.2\x00\x10\x00\x20\x00LO\x04\x00ABC "
        );
    }

    #[test]
    fn text_is_encoded_as_declared() {
        let mut set = DataSet::new(Charset::Gb18030);
        set.text((0x0010, 0x0010), "PN", "患者");
        let mut bytes = Vec::new();
        set.write(&mut bytes).unwrap();
        assert!(bytes.ends_with(&[0xBB, 0xBC, 0xD5, 0xDF]), "{bytes:x?}");
    }
}
