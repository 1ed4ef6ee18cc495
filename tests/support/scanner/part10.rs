//! Reads just enough of a DICOM file to send it: its meta information and its study.
//!
//! Values are stepped over, never loaded, so a wild length costs nothing.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A file that can be sent as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DicomFile {
    pub path: PathBuf,
    pub sop_class: String,
    pub sop_instance: String,
    pub transfer_syntax: String,
    /// `None` when the data set names none.
    pub study_uid: Option<String>,
    /// Where the data set begins, from the file's start.
    pub data_set_at: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read the file")]
    Read { source: io::Error },
    #[error("no DICOM file: the letters DICM are missing after the preamble")]
    NoDicom,
    #[error("the file meta information is broken or names no SOP class, SOP instance or transfer syntax")]
    Meta,
}

const EXPLICIT_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

const UNDEFINED: u32 = u32::MAX;
const STUDY_INSTANCE_UID: (u16, u16) = (0x0020, 0x000D);

/// Sequences inside sequences, no deeper than anything sane.
const MAX_DEPTH: u8 = 16;

impl DicomFile {
    /// # Errors
    /// When the file cannot be read or is no DICOM file with complete meta information.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let read = |source| Error::Read { source };
        let mut file = BufReader::new(File::open(path).map_err(read)?);
        let mut start = [0; 132];
        if file.read_exact(&mut start).is_err() || !start.ends_with(b"DICM") {
            return Err(Error::NoDicom);
        }
        let mut found = Self {
            path: path.to_owned(),
            sop_class: String::new(),
            sop_instance: String::new(),
            transfer_syntax: String::new(),
            study_uid: None,
            data_set_at: 0,
        };
        let mut meta = Walk {
            input: file,
            explicit: true,
            big_endian: false,
        };
        loop {
            found.data_set_at = meta.input.stream_position().map_err(read)?;
            let Ok(Some(header)) = meta.header() else { break };
            if header.tag.0 != 0x0002 {
                break;
            }
            let target = match header.tag.1 {
                0x0002 => &mut found.sop_class,
                0x0003 => &mut found.sop_instance,
                0x0010 => &mut found.transfer_syntax,
                _ => {
                    meta.skip(&header, 0).map_err(|_| Error::Meta)?;
                    continue;
                }
            };
            *target = meta.uid(&header).map_err(|_| Error::Meta)?;
        }
        if [&found.sop_class, &found.sop_instance, &found.transfer_syntax]
            .iter()
            .any(|uid| uid.is_empty())
        {
            return Err(Error::Meta);
        }
        let mut file = meta.input;
        file.seek(SeekFrom::Start(found.data_set_at)).map_err(read)?;
        found.study_uid = study_uid(file, &found.transfer_syntax);
        Ok(found)
    }
}

/// A broken data set gives `None`: refusing it is the receiver's business, not the scanner's.
fn study_uid(input: BufReader<File>, transfer_syntax: &str) -> Option<String> {
    if transfer_syntax == DEFLATED {
        return find_study(BufReader::new(flate2::read::DeflateDecoder::new(input)), false);
    }
    find_study(input, transfer_syntax == EXPLICIT_BIG_ENDIAN)
}

/// Whether VRs are written is seen in the first element: private transfer syntaxes differ, and some files lie.
fn find_study(mut input: impl BufRead, big_endian: bool) -> Option<String> {
    let start = input.fill_buf().ok()?;
    let explicit = start.get(4..6)?.iter().all(u8::is_ascii_uppercase);
    Walk {
        input,
        explicit,
        big_endian,
    }
    .find_study()
}

struct Walk<R> {
    input: R,
    explicit: bool,
    big_endian: bool,
}

struct Header {
    tag: (u16, u16),
    length: u32,
}

impl<R: Read> Walk<R> {
    fn find_study(mut self) -> Option<String> {
        loop {
            let header = self.header().ok()??;
            if header.tag == STUDY_INSTANCE_UID {
                return self.uid(&header).ok().filter(|uid| !uid.is_empty());
            }
            if STUDY_INSTANCE_UID < header.tag {
                return None;
            }
            self.skip(&header, 0).ok()?;
        }
    }

    /// `None` at the end of the input.
    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut group = [0; 2];
        match self.input.read_exact(&mut group) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let tag = (self.short(group), self.read_short()?);
        // Items and delimiters have no VR in any transfer syntax (PS3.5 section 7.5).
        let length = if !self.explicit || tag.0 == 0xFFFE {
            self.read_long()?
        } else {
            let mut vr = [0; 2];
            self.input.read_exact(&mut vr)?;
            let long = matches!(
                &vr,
                b"OB"
                    | b"OD"
                    | b"OF"
                    | b"OL"
                    | b"OV"
                    | b"OW"
                    | b"SQ"
                    | b"SV"
                    | b"UC"
                    | b"UN"
                    | b"UR"
                    | b"UT"
                    | b"UV"
            );
            if long {
                self.read_short()?;
                self.read_long()?
            } else {
                u32::from(self.read_short()?)
            }
        };
        Ok(Some(Header { tag, length }))
    }

    fn uid(&mut self, header: &Header) -> io::Result<String> {
        if 128 < header.length {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut bytes = Vec::new();
        (&mut self.input)
            .take(u64::from(header.length))
            .read_to_end(&mut bytes)?;
        let text = String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
        Ok(text.trim_end_matches(['\0', ' ']).to_owned())
    }

    fn skip(&mut self, header: &Header, depth: u8) -> io::Result<()> {
        if header.length != UNDEFINED {
            let wanted = u64::from(header.length);
            let skipped = io::copy(&mut (&mut self.input).take(wanted), &mut io::sink())?;
            return if skipped == wanted {
                Ok(())
            } else {
                Err(io::ErrorKind::UnexpectedEof.into())
            };
        }
        if depth == MAX_DEPTH {
            return Err(io::ErrorKind::InvalidData.into());
        }
        loop {
            let inner = self.header()?.ok_or(io::ErrorKind::UnexpectedEof)?;
            match inner.tag {
                (0xFFFE, 0xE00D | 0xE0DD) => return Ok(()),
                _ => self.skip(&inner, depth + 1)?,
            }
        }
    }

    fn short(&self, bytes: [u8; 2]) -> u16 {
        if self.big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        }
    }

    fn read_short(&mut self) -> io::Result<u16> {
        let mut bytes = [0; 2];
        self.input.read_exact(&mut bytes)?;
        Ok(self.short(bytes))
    }

    fn read_long(&mut self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.input.read_exact(&mut bytes)?;
        Ok(if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phantom::{Chest, Size};

    #[test]
    fn what_was_written_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.dcm");
        let instance = Chest {
            size: Size::Small,
            ..Chest::default()
        }
        .instance();
        instance.save(&path).unwrap();
        let file = DicomFile::open(&path).unwrap();
        assert_eq!(file.sop_class, instance.sop_class);
        assert_eq!(file.sop_instance, instance.sop_instance_uid);
        assert_eq!(file.study_uid.as_ref(), Some(&instance.study_uid));
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes[file.data_set_at as usize..][..4], [0x08, 0, 0x05, 0]);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_after_the_preamble_are_survived(tail: Vec<u8>) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("a.dcm");
            let mut bytes = vec![0; 128];
            bytes.extend_from_slice(b"DICM");
            bytes.extend(tail);
            std::fs::write(&path, bytes).unwrap();
            let _ = DicomFile::open(&path);
        }
    }
}
