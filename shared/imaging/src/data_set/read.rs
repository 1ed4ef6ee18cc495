use std::io::{Cursor, Read, Seek};

use super::{Content, DataSet, Element, Error, Vr};
use crate::header::{Encoding, Header, INFLATED_LIMIT, Source, UNDEFINED, element_header, length_of, syntax};
use crate::stored::Stored;
use crate::tags::{self, Tag};

/// What a data set from outside may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes in all, inflated ones included.
    pub bytes: u64,
    /// Elements, items, fragments and delimiters in all.
    pub elements: u32,
    /// Sequences within each other.
    pub depth: u8,
}

impl Default for Limits {
    /// For what comes with a request: identifiers and performed steps are a few kilobytes.
    fn default() -> Self {
        Self {
            bytes: 8 * 1024 * 1024,
            elements: 100_000,
            depth: 16,
        }
    }
}

/// Reads a data set without file meta information. Of an element that comes twice the first counts; group lengths, which
/// would be wrong as soon as something changes, are left out.
///
/// # Errors
/// When the bytes are no whole data set of this transfer syntax, or more than `limits` allow.
pub fn read(bytes: &[u8], transfer_syntax: &str, limits: &Limits) -> Result<DataSet, Error> {
    let Some(syntax) = syntax::of(transfer_syntax) else {
        let uid = transfer_syntax.chars().take(64).collect();
        return Err(Error::UnsupportedTransferSyntax { uid });
    };
    let length = bytes.len() as u64;
    if limits.bytes < length {
        return Err(Error::TooLarge { limit: limits.bytes });
    }
    let mut source = Source::new(Cursor::new(bytes), length);
    if syntax.deflated {
        source = source.inflate(limits.bytes);
    }
    let mut reader = Reader {
        source,
        limits,
        seen: 0,
        held: 0,
        before_pixels: false,
    };
    reader.elements(syntax.encoding, Until::EndOfInput, 0)
}

/// What stands before the pixel data in the object at `stored`, whose header was read from there: all its attributes, and of
/// its pixels nothing. `limits.bytes` bounds what is held, however large the file is.
///
/// # Errors
/// When the file cannot be read, or holds more than `limits` allow.
pub fn read_before_pixels(
    stored: &(impl Stored + ?Sized),
    header: &Header,
    limits: &Limits,
) -> Result<DataSet, Error> {
    let read = |source| Error::Read { source };
    let mut file = stored.open().map_err(read)?;
    let length = length_of(&mut file).map_err(read)?;
    let mut source = Source::new(file, length);
    source.skip(tags::PIXEL_DATA, header.data_set_offset())?;
    if header.is_deflated() {
        source = source.inflate(INFLATED_LIMIT);
    }
    let mut reader = Reader {
        source,
        limits,
        seen: 0,
        held: 0,
        before_pixels: true,
    };
    reader.elements(header.encoding(), Until::EndOfInput, 0)
}

/// Where a run of elements stops.
#[derive(Clone, Copy)]
enum Until {
    EndOfInput,
    Offset(u64),
    Delimiter,
}

struct Reader<'a, R: Read + Seek> {
    source: Source<R>,
    limits: &'a Limits,
    seen: u32,
    /// Bytes of values so far.
    held: u64,
    /// Stop where the pixels of the object itself begin.
    before_pixels: bool,
}

impl<R: Read + Seek> Reader<'_, R> {
    fn elements(&mut self, encoding: Encoding, until: Until, depth: u8) -> Result<DataSet, Error> {
        let mut set = DataSet::default();
        loop {
            match until {
                Until::EndOfInput if self.source.at_end()? => return Ok(set),
                Until::Offset(end) if end <= self.source.position() => return Ok(set),
                Until::EndOfInput | Until::Offset(_) | Until::Delimiter => {}
            }
            self.count()?;
            let header = element_header(&mut self.source, encoding)?;
            let (tag, length) = (header.tag, header.length);
            if tag == tags::ITEM_END && matches!(until, Until::Delimiter) {
                return Ok(set);
            }
            let pixels = matches!(tag, tags::PIXEL_DATA | tags::FLOAT_PIXELS | tags::DOUBLE_PIXELS);
            if self.before_pixels && depth == 0 && pixels {
                return Ok(set);
            }
            if tag.0 == tags::ITEM.0 {
                return Err(self.malformed(tag, "an item or delimiter outside a sequence"));
            }
            let end = (length != UNDEFINED).then(|| self.source.position() + u64::from(length));
            if let (Some(end), Until::Offset(limit)) = (end, until)
                && limit < end
            {
                return Err(self.malformed(tag, "an element reaches past the item that holds it"));
            }
            let vr = header.vr.map_or_else(|| Vr::of(tag), Vr::written);
            let element = self.element(tag, vr, end, encoding, depth)?;
            if tag.1 != 0 {
                set.put_first(tag, element);
            }
        }
    }

    fn element(
        &mut self,
        tag: Tag,
        vr: Vr,
        end: Option<u64>,
        encoding: Encoding,
        depth: u8,
    ) -> Result<Element, Error> {
        if end.is_none() && tag == tags::PIXEL_DATA {
            let content = Content::Fragments(self.fragments(encoding)?);
            return Ok(Element { vr, content });
        }
        if end.is_none() || vr == Vr::SQ {
            // PS3.5 section 6.2.2: an unknown VR hides implicit little endian.
            let inner = if vr == Vr::UN {
                Encoding::IMPLICIT
            } else {
                encoding
            };
            let content = Content::Items(self.sequence(inner, end, tag, depth + 1)?);
            return Ok(Element { vr: Vr::SQ, content });
        }
        let mut value = self.bytes(tag, end.unwrap_or_default() - self.source.position())?;
        if encoding.big_endian {
            turn(&mut value, vr.word());
        }
        Ok(Element {
            vr,
            content: Content::Value(value),
        })
    }

    fn sequence(
        &mut self,
        encoding: Encoding,
        end: Option<u64>,
        tag: Tag,
        depth: u8,
    ) -> Result<Vec<DataSet>, Error> {
        if self.limits.depth < depth {
            return Err(Error::TooDeep {
                limit: self.limits.depth,
                offset: self.source.position(),
            });
        }
        let mut items = Vec::new();
        loop {
            if end.is_some_and(|end| end <= self.source.position()) {
                return Ok(items);
            }
            self.count()?;
            let header = element_header(&mut self.source, encoding)?;
            let until = match header.tag {
                tags::SEQUENCE_END => return Ok(items),
                tags::ITEM if header.length == UNDEFINED => Until::Delimiter,
                tags::ITEM => {
                    let item_end = self.source.position() + u64::from(header.length);
                    if end.unwrap_or(self.source.end()) < item_end {
                        return Err(self.malformed(tag, "an item reaches past the sequence that holds it"));
                    }
                    Until::Offset(item_end)
                }
                _ => return Err(self.malformed(tag, "a sequence holds something that is no item")),
            };
            items.push(self.elements(encoding, until, depth)?);
        }
    }

    fn fragments(&mut self, encoding: Encoding) -> Result<Vec<Vec<u8>>, Error> {
        let mut fragments = Vec::new();
        loop {
            self.count()?;
            let header = element_header(&mut self.source, encoding)?;
            match header.tag {
                tags::SEQUENCE_END => return Ok(fragments),
                tags::ITEM if header.length != UNDEFINED => {}
                _ => return Err(self.malformed(tags::PIXEL_DATA, "not a fragment")),
            }
            fragments.push(self.bytes(tags::PIXEL_DATA, u64::from(header.length))?);
        }
    }

    /// The source refuses a length beyond its end; here, before anything is allocated for it.
    fn bytes(&mut self, tag: Tag, length: u64) -> Result<Vec<u8>, Error> {
        let left = self.source.end().saturating_sub(self.source.position());
        let Some(length) = usize::try_from(length).ok().filter(|_| length <= left) else {
            return Err(Error::Truncated {
                tag,
                offset: self.source.end(),
            });
        };
        self.held = self.held.saturating_add(length as u64);
        if self.limits.bytes < self.held {
            return Err(Error::TooLarge {
                limit: self.limits.bytes,
            });
        }
        let mut bytes = vec![0; length];
        self.source.read_exact(tag, &mut bytes)?;
        Ok(bytes)
    }

    fn count(&mut self) -> Result<(), Error> {
        self.seen += 1;
        if self.limits.elements < self.seen {
            return Err(Error::TooManyElements {
                limit: self.limits.elements,
                offset: self.source.position(),
            });
        }
        Ok(())
    }

    fn malformed(&self, tag: Tag, what: &'static str) -> Error {
        Error::Malformed {
            tag,
            offset: self.source.position(),
            what,
        }
    }
}

/// Turns numbers of `word` bytes round; what is left over at the end is no number and stays.
pub(super) fn turn(value: &mut [u8], word: usize) {
    for number in value.chunks_exact_mut(word.max(1)) {
        number.reverse();
    }
}
