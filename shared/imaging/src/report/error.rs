use std::path::PathBuf;

use crate::data_set::WriteError;

/// Why there is no document. Names the place, never what a report or an image says.
#[derive(Debug, thiserror::Error)]
#[expect(clippy::error_impl_error, reason = "said with its module: report::Error")]
pub enum Error {
    #[error(
        "none of the fonts for printing is there ({tried}): install the package fonts-noto-cjk, or name a font that has Chinese in the settings"
    )]
    NoFont { tried: String },
    #[error(
        "the fonts found ({found}) have no Chinese: install the package fonts-noto-cjk, or name one that has"
    )]
    NoChinese { found: String },
    #[error("the font {path} cannot be read")]
    ReadFont {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the font {path} is damaged, or has no face {face}")]
    DamagedFont { path: PathBuf, face: u32 },
    #[error("the key image is no JPEG that can be printed")]
    KeyImage,
    /// What the PDF library says of it; never content.
    #[error("the page cannot be written as PDF/A: {fault}")]
    Pdf { fault: String },
    #[error("the {which} is no DICOM UID")]
    Uid { which: &'static str },
    #[error("the object cannot be written")]
    Write {
        #[source]
        source: WriteError,
    },
}
