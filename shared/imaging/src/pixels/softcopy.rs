//! A grey frame by the words of a presentation state, in place of the object's own (PS3.4 annex N.2).

use super::frame;
use super::layout::{Layout, Photometric};
use super::levels::{self, Window};
use super::{Error, GrayImage};
use crate::header::Header;
use crate::stored::Stored;

/// What takes the place of the object's own words.
#[derive(Debug)]
pub(crate) struct Softcopy<'a> {
    pub(crate) modality: &'a SoftModality,
    /// `None`: none is for this frame.
    pub(crate) voi: Option<&'a SoftVoi>,
    pub(crate) shape: &'a SoftShape,
}

#[derive(Debug)]
pub(crate) enum SoftModality {
    Rescale { slope: f64, intercept: f64 },
    Table(SoftTable),
}

#[derive(Debug)]
pub(crate) enum SoftVoi {
    Window(Window),
    Table(SoftTable),
    None,
}

#[derive(Debug)]
pub(crate) enum SoftShape {
    Identity,
    Inverse,
    Table(SoftTable),
}

/// A lookup table, not looked at yet.
#[derive(Debug)]
pub(crate) struct SoftTable {
    pub(crate) descriptor: Vec<u16>,
    pub(crate) entries: Vec<u16>,
    /// Its first input is.
    pub(crate) signed: bool,
}

/// The frame, counted from nought, as it is stored but for its levels.
pub(crate) fn load_softcopy(
    stored: &(impl Stored + ?Sized),
    header: &Header,
    number: u32,
    softcopy: &Softcopy<'_>,
) -> Result<GrayImage, Error> {
    let layout = Layout::of(header)?;
    if !matches!(
        layout.photometric,
        Photometric::Monochrome1 | Photometric::Monochrome2
    ) {
        return Err(Error::Unsupported {
            what: "a presentation state of grey levels for colours",
        });
    }
    let samples = frame::read(stored, header, &layout, number)?;
    Ok(GrayImage::of(
        &layout,
        levels::softcopy(&layout, &samples, softcopy)?,
    ))
}
