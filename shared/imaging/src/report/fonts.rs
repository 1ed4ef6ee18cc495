//! The fonts a page is printed with. Read at run time: a font with Chinese is as large as the program.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use krilla::text::Font;
use skrifa::FontRef;

use super::Error;

/// Debian's package fonts-noto-cjk.
const REGULAR: &str = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc";
const BOLD: &str = "/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc";
/// The face with the shapes of simplified Chinese in both.
const SIMPLIFIED_CHINESE: u32 = 2;
/// What those lack of other scripts.
const MORE: &str = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf";
const MORE_BOLD: &str = "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf";

/// A character every font for these pages must have.
const PROBE: char = '影';

/// A font file, and which of its faces where it is a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FontFile {
    pub path: PathBuf,
    pub face: u32,
}

/// Where to look: a character comes from the first font that has it. Files that are not there are passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FontFiles {
    pub regular: Vec<FontFile>,
    /// Where none of these is there, headings are printed in the regular ones.
    pub bold: Vec<FontFile>,
}

impl Default for FontFiles {
    fn default() -> Self {
        let file = |path: &str, face| FontFile {
            path: path.into(),
            face,
        };
        Self {
            regular: vec![file(REGULAR, SIMPLIFIED_CHINESE), file(MORE, 0)],
            bold: vec![file(BOLD, SIMPLIFIED_CHINESE), file(MORE_BOLD, 0)],
        }
    }
}

/// Fonts in memory, some 35 MB for the usual ones: who prints seldom loads them for each page. Clones share them.
#[derive(Clone)]
pub struct Fonts {
    pub(crate) regular: Vec<Face>,
    pub(crate) bold: Vec<Face>,
}

impl fmt::Debug for Fonts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Fonts({} regular, {} bold)",
            self.regular.len(),
            self.bold.len()
        )
    }
}

#[derive(Clone)]
pub(crate) struct Face {
    data: Arc<Vec<u8>>,
    index: u32,
    pub(crate) font: Font,
}

impl Face {
    pub(crate) fn tables(&self) -> Option<FontRef<'_>> {
        FontRef::from_index(self.data.as_slice(), self.index).ok()
    }
}

impl Fonts {
    /// # Errors
    /// When none of the regular ones is there or has Chinese, and when one is there and cannot be read.
    pub fn load(files: &FontFiles) -> Result<Self, Error> {
        let regular = faces(&files.regular)?;
        let list = || {
            let paths: Vec<String> = files
                .regular
                .iter()
                .map(|file| file.path.display().to_string())
                .collect();
            paths.join(", ")
        };
        if regular.is_empty() {
            return Err(Error::NoFont { tried: list() });
        }
        if !regular.iter().any(has_chinese) {
            return Err(Error::NoChinese { found: list() });
        }
        let mut bold = faces(&files.bold)?;
        // A heading's character that no bold font has is printed in a regular one.
        bold.extend(regular.iter().cloned());
        Ok(Self { regular, bold })
    }
}

fn has_chinese(face: &Face) -> bool {
    use skrifa::MetadataProvider as _;
    face.tables()
        .is_some_and(|tables| tables.charmap().map(PROBE).is_some())
}

fn faces(files: &[FontFile]) -> Result<Vec<Face>, Error> {
    let mut faces = Vec::new();
    for FontFile { path, face } in files {
        let data = match std::fs::read(path) {
            Ok(data) => Arc::new(data),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(source) => {
                return Err(Error::ReadFont {
                    path: path.clone(),
                    source,
                });
            }
        };
        let font = Font::new(data.clone().into(), *face).ok_or_else(|| Error::DamagedFont {
            path: path.clone(),
            face: *face,
        })?;
        faces.push(Face {
            data,
            index: *face,
            font,
        });
    }
    Ok(faces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regular(path: PathBuf, face: u32) -> FontFiles {
        FontFiles {
            regular: vec![FontFile { path, face }],
            bold: Vec::new(),
        }
    }

    #[test]
    fn a_missing_font_is_said_with_what_to_install() {
        let error = Fonts::load(&regular("/nowhere/a.ttc".into(), 0)).unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains("fonts-noto-cjk") && said.contains("/nowhere/a.ttc"),
            "{said}"
        );
    }

    #[test]
    fn a_damaged_font_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ttf");
        std::fs::write(&path, b"no font at all").unwrap();
        let error = Fonts::load(&regular(path, 0)).unwrap_err();
        assert!(matches!(error, Error::DamagedFont { .. }), "{error}");
        let error = Fonts::load(&regular(folder.path().into(), 0)).unwrap_err();
        assert!(matches!(error, Error::ReadFont { .. }), "{error}");
    }
}
