use std::collections::BTreeMap;
use std::io::{Read, Seek};

use super::source::Source;
use super::{Encoding, Error, PixelLocation, limits};
use crate::tags::{self, Tag};

const DEPTH_LIMIT: u8 = 16;
const ELEMENT_LIMIT: u32 = 2_000_000;
const FRAGMENT_LIMIT: u32 = 100_000;
pub(crate) const UNDEFINED: u32 = u32::MAX;

/// A kept value as it stood in the file.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) bytes: Vec<u8>,
    pub(crate) big_endian: bool,
}

/// What one pass over a data set kept.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) top: BTreeMap<Tag, Value>,
    /// By sequence and element, of the first item that has it.
    pub(crate) nested: BTreeMap<(Tag, Tag), Value>,
    /// Image Position (Patient) of each frame that says its own.
    pub(crate) frame_positions: Vec<Value>,
    pub(crate) pixels: Option<PixelLocation>,
}

/// Where a run of elements stops.
#[derive(Clone, Copy)]
enum Until {
    EndOfInput,
    Offset(u64),
    Delimiter,
}

pub(crate) struct ElementHeader {
    pub(crate) tag: Tag,
    /// `None` where the encoding or the element has none.
    pub(crate) vr: Option<[u8; 2]>,
    pub(crate) length: u32,
}

pub(super) struct Walk<'a, R: Read + Seek> {
    source: &'a mut Source<R>,
    seen: u32,
    kept: Kept,
}

/// Walks the data set up to its pixel data and through that to its end.
pub(super) fn data_set<R: Read + Seek>(source: &mut Source<R>, encoding: Encoding) -> Result<Kept, Error> {
    let mut walk = Walk {
        source,
        seen: 0,
        kept: Kept::default(),
    };
    walk.elements(encoding, Until::EndOfInput, None, 0)?;
    Ok(walk.kept)
}

/// Walks the file meta group, which ends where group 0002 ends: its own group length is often missing or wrong.
pub(super) fn meta_group<R: Read + Seek>(source: &mut Source<R>) -> Result<Kept, Error> {
    let mut walk = Walk {
        source,
        seen: 0,
        kept: Kept::default(),
    };
    while walk.source.peek()?.starts_with(&[0x02, 0x00]) {
        let header = walk.element_header(Encoding::EXPLICIT)?;
        if header.length == UNDEFINED {
            return Err(walk.malformed(header.tag, "undefined length in the file meta information"));
        }
        walk.value(
            &header,
            limits::kept_at_top(header.tag, header.length),
            Encoding::EXPLICIT,
            None,
        )?;
    }
    Ok(walk.kept)
}

impl<R: Read + Seek> Walk<'_, R> {
    fn elements(
        &mut self,
        encoding: Encoding,
        until: Until,
        parent: Option<Tag>,
        depth: u8,
    ) -> Result<(), Error> {
        loop {
            match until {
                Until::EndOfInput if self.source.at_end()? => return Ok(()),
                Until::Offset(end) if end <= self.source.position() => return Ok(()),
                Until::EndOfInput | Until::Offset(_) | Until::Delimiter => {}
            }
            let header = self.element_header(encoding)?;
            match header.tag {
                tags::ITEM_END if matches!(until, Until::Delimiter) => return Ok(()),
                tags::PIXEL_DATA | tags::FLOAT_PIXELS | tags::DOUBLE_PIXELS if depth == 0 => {
                    return self.pixel_data(&header, encoding);
                }
                _ => self.element(&header, encoding, until, parent, depth)?,
            }
        }
    }

    fn element(
        &mut self,
        header: &ElementHeader,
        encoding: Encoding,
        until: Until,
        parent: Option<Tag>,
        depth: u8,
    ) -> Result<(), Error> {
        let tag = header.tag;
        if tag.0 == tags::ITEM.0 {
            return Err(self.malformed(tag, "an item or delimiter outside a sequence"));
        }
        // PS3.5 section 6.2.2: an unknown VR hides implicit little endian.
        let inner = if header.vr == Some(*b"UN") {
            Encoding::IMPLICIT
        } else {
            encoding
        };
        if header.length == UNDEFINED {
            if tag == tags::PIXEL_DATA {
                return self.fragments(encoding).map(drop);
            }
            return self.sequence(inner, None, tag, depth + 1);
        }
        let end = self.source.position() + u64::from(header.length);
        if let Until::Offset(limit) = until
            && limit < end
        {
            return Err(self.malformed(tag, "an element reaches past the item that holds it"));
        }
        if limits::is_entered(tag) && header.length != 0 {
            // Not past the file either: the bytes are demanded when they are read.
            return self.sequence(inner, Some(end), tag, depth + 1);
        }
        let limit = match parent {
            None if depth == 0 => limits::kept_at_top(tag, header.length),
            None => None,
            Some(parent) => limits::kept_within(parent, tag, header.length),
        };
        self.value(header, limit, encoding, parent)
    }

    /// Reads a value that is kept, passes over any other.
    fn value(
        &mut self,
        header: &ElementHeader,
        limit: Option<u32>,
        encoding: Encoding,
        parent: Option<Tag>,
    ) -> Result<(), Error> {
        let Some(limit) = limit else {
            return self.source.skip(header.tag, u64::from(header.length));
        };
        if limit < header.length {
            return Err(Error::ValueTooLong {
                tag: header.tag,
                limit,
            });
        }
        let mut bytes = vec![0; header.length as usize];
        self.source.read_exact(header.tag, &mut bytes)?;
        let value = Value {
            bytes,
            big_endian: encoding.big_endian,
        };
        match parent {
            Some(tags::PLANE_POSITIONS) => self.kept.frame_positions.push(value),
            None => {
                self.kept.top.entry(header.tag).or_insert(value);
            }
            Some(parent) => {
                self.kept.nested.entry((parent, header.tag)).or_insert(value);
            }
        }
        Ok(())
    }

    fn sequence(&mut self, encoding: Encoding, end: Option<u64>, tag: Tag, depth: u8) -> Result<(), Error> {
        if DEPTH_LIMIT < depth {
            return Err(Error::TooDeep {
                limit: DEPTH_LIMIT,
                offset: self.source.position(),
            });
        }
        loop {
            if end.is_some_and(|end| end <= self.source.position()) {
                return Ok(());
            }
            let header = self.element_header(encoding)?;
            match header.tag {
                tags::SEQUENCE_END => return Ok(()),
                tags::ITEM if header.length == UNDEFINED => {
                    self.elements(encoding, Until::Delimiter, Some(tag), depth)?;
                }
                tags::ITEM => {
                    let item_end = self.source.position() + u64::from(header.length);
                    if end.unwrap_or(self.source.end()) < item_end {
                        return Err(self.malformed(tag, "an item reaches past the sequence that holds it"));
                    }
                    self.elements(encoding, Until::Offset(item_end), Some(tag), depth)?;
                }
                _ => return Err(self.malformed(tag, "a sequence holds something that is no item")),
            }
        }
    }

    /// Only now is it certain that nothing is cut off: a data set's last element is as long as it says.
    fn pixel_data(&mut self, header: &ElementHeader, encoding: Encoding) -> Result<(), Error> {
        let location = if header.length == UNDEFINED {
            self.fragments(encoding)?
        } else {
            let offset = self.source.position();
            self.source.skip(header.tag, u64::from(header.length))?;
            // Seeking past an inflated end is impossible, reading there is what shows it.
            PixelLocation::Native {
                offset,
                length: header.length,
                float: header.tag != tags::PIXEL_DATA,
                words: header.vr != Some(*b"OB"),
            }
        };
        self.kept.pixels = Some(location);
        Ok(())
    }

    /// PS3.5 annex A.4: the offset table, then one fragment after another, then the delimiter.
    fn fragments(&mut self, encoding: Encoding) -> Result<PixelLocation, Error> {
        let mut offset_table = None;
        let mut fragments = Vec::new();
        loop {
            let header = self.element_header(encoding)?;
            match header.tag {
                tags::SEQUENCE_END => break,
                tags::ITEM if header.length != UNDEFINED => {}
                _ => return Err(self.malformed(tags::PIXEL_DATA, "not a fragment")),
            }
            if FRAGMENT_LIMIT as usize <= fragments.len() {
                return Err(self.too_many(FRAGMENT_LIMIT));
            }
            if offset_table.is_none() {
                if FRAGMENT_LIMIT < header.length / 4 {
                    return Err(self.too_many(FRAGMENT_LIMIT));
                }
                let mut bytes = vec![0; header.length as usize];
                self.source.read_exact(tags::PIXEL_DATA, &mut bytes)?;
                let (offsets, _) = bytes.as_chunks::<4>();
                offset_table = Some(offsets.iter().map(|offset| u32::from_le_bytes(*offset)).collect());
            } else {
                fragments.push((self.source.position(), header.length));
                self.source.skip(tags::PIXEL_DATA, u64::from(header.length))?;
            }
        }
        Ok(PixelLocation::Fragments {
            offset_table: offset_table.unwrap_or_default(),
            fragments,
        })
    }

    fn element_header(&mut self, encoding: Encoding) -> Result<ElementHeader, Error> {
        self.seen += 1;
        if ELEMENT_LIMIT < self.seen {
            return Err(self.too_many(ELEMENT_LIMIT));
        }
        element_header(self.source, encoding)
    }

    fn malformed(&self, tag: Tag, what: &'static str) -> Error {
        Error::Malformed {
            tag,
            offset: self.source.position(),
            what,
        }
    }

    fn too_many(&self, limit: u32) -> Error {
        Error::TooManyElements {
            limit,
            offset: self.source.position(),
        }
    }
}

/// Tag, value representation and length of the next element, item or delimiter (PS3.5 section 7.1).
pub(crate) fn element_header<R: Read + Seek>(
    source: &mut Source<R>,
    encoding: Encoding,
) -> Result<ElementHeader, Error> {
    let mut bytes = [0; 8];
    // The tag is not known yet: a cut inside it is reported at the tag that cannot be.
    source.read_exact(Tag(0, 0), &mut bytes)?;
    let [g0, g1, e0, e1, c0, c1, c2, c3] = bytes;
    let tag = Tag(encoding.u16([g0, g1]), encoding.u16([e0, e1]));
    if !encoding.explicit || tag.0 == tags::ITEM.0 {
        return Ok(ElementHeader {
            tag,
            vr: None,
            length: encoding.u32([c0, c1, c2, c3]),
        });
    }
    let vr = [c0, c1];
    // Some devices leave the VR of an element they do not know blank; its length is short then.
    if !vr.iter().all(u8::is_ascii_uppercase) && vr != *b"  " && vr != *b"??" {
        return Err(Error::Malformed {
            tag,
            offset: source.position(),
            what: "no value representation in an explicit data set",
        });
    }
    let length = if has_long_length(vr) {
        let mut length = [0; 4];
        source.read_exact(tag, &mut length)?;
        encoding.u32(length)
    } else {
        u32::from(encoding.u16([c2, c3]))
    };
    Ok(ElementHeader {
        tag,
        vr: Some(vr),
        length,
    })
}

/// PS3.5 table 7.1-1.
pub(crate) fn has_long_length(vr: [u8; 2]) -> bool {
    matches!(
        &vr,
        b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"SQ" | b"SV" | b"UC" | b"UN" | b"UR" | b"UT" | b"UV"
    )
}
