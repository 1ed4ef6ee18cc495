//! Pictures as a scanner or a reader wanted them shown: grayscale softcopy presentation states (PS3.3 section A.33.1, PS3.4
//! annex N), as far as they are about grey levels, shutters, rotation and flip.
//!
//! What a state leaves out is an identity, whatever the image itself says. The whole image is shown, also where a state
//! chooses a part of it; its drawings and texts are not drawn, and states of colours and of blended images are not applied.

mod shutter;
mod state;

pub use state::{State, is_applied, is_state};

use crate::header::Header;
use crate::pixels::{self, GrayImage, square_gray};
use crate::stored::Stored;

/// The frame, counted from nought, as the state wants it.
///
/// # Errors
/// When the frame cannot be decoded, or the state is none for it.
pub fn presented(
    stored: &(impl Stored + ?Sized),
    header: &Header,
    number: u32,
    state: &State,
) -> Result<GrayImage, pixels::Error> {
    let softcopy = state.softcopy(header.sop_instance_uid(), number);
    let mut image = pixels::load_softcopy(stored, header, number, &softcopy)?;
    state.shutter.close(&mut image);
    let image = square_gray(image, header)?;
    Ok(turned(image, state.quarters, state.flipped))
}

/// Turned clockwise by quarters, then flipped from left to right.
fn turned(image: GrayImage, quarters: u8, flipped: bool) -> GrayImage {
    let (width, height) = (image.width as usize, image.height as usize);
    let (wide, high) = match quarters % 2 {
        0 => (width, height),
        _ => (height, width),
    };
    let from = |column: usize, row: usize| {
        let column = if flipped { wide - 1 - column } else { column };
        match quarters % 4 {
            0 => (column, row),
            1 => (row, height - 1 - column),
            2 => (width - 1 - column, height - 1 - row),
            _ => (width - 1 - row, column),
        }
    };
    let places = (0..high).flat_map(|row| (0..wide).map(move |column| (column, row)));
    let level = |(column, row)| {
        let (column, row) = from(column, row);
        image.data.get(row * width + column).copied().unwrap_or_default()
    };
    let data = places.map(level).collect();
    let (width, height) = match quarters % 2 {
        0 => (image.width, image.height),
        _ => (image.height, image.width),
    };
    GrayImage {
        width,
        height,
        data,
        frame_count: image.frame_count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_turned_clockwise_and_then_flipped() {
        let image = GrayImage {
            width: 3,
            height: 2,
            data: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            frame_count: 1,
        };
        let turned = |quarters, flipped| {
            let turned = turned(image.clone(), quarters, flipped);
            (turned.width, turned.data)
        };
        assert_eq!(turned(0, false), (3, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
        assert_eq!(turned(0, true), (3, vec![3.0, 2.0, 1.0, 6.0, 5.0, 4.0]));
        assert_eq!(turned(1, false), (2, vec![4.0, 1.0, 5.0, 2.0, 6.0, 3.0]));
        assert_eq!(turned(1, true), (2, vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0]));
        assert_eq!(turned(2, false), (3, vec![6.0, 5.0, 4.0, 3.0, 2.0, 1.0]));
        assert_eq!(turned(3, false), (2, vec![3.0, 6.0, 2.0, 5.0, 1.0, 4.0]));
    }
}
