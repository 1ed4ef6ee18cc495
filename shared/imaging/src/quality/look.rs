//! A picture made small enough to be judged as a whole.

use crate::pixels::GrayImage;
use crate::render::{Filter, resize_gray};
use crate::statistics::{PixelStatistics, statistics};

/// The short side of what is judged. On a chest of 35 cm a pixel is then 0.7 mm, whatever the detector's own pixel is.
pub(super) const SHORT_SIDE: u32 = 512;

pub(super) struct Look {
    pub(super) statistics: PixelStatistics,
    /// At most [`SHORT_SIDE`] on its short side, never enlarged.
    pub(super) reduced: GrayImage,
}

impl Look {
    /// `None` for a picture without pixels.
    pub(super) fn of(image: &GrayImage) -> Option<Self> {
        let short = image.width.min(image.height);
        let side = |length: u32| {
            let scaled = u64::from(length) * u64::from(SHORT_SIDE) / u64::from(short.max(1));
            u32::try_from(scaled).unwrap_or(u32::MAX)
        };
        let reduced = if SHORT_SIDE < short {
            small(image, side(image.width), side(image.height))?
        } else if short == 0 || image.data.len() != image.width as usize * image.height as usize {
            return None;
        } else {
            image.clone()
        };
        Some(Self {
            statistics: statistics(image),
            reduced,
        })
    }

    pub(super) fn at(&self, width: u32, height: u32) -> Option<GrayImage> {
        small(&self.reduced, width, height)
    }
}

fn small(image: &GrayImage, width: u32, height: u32) -> Option<GrayImage> {
    resize_gray(image, width, height, Filter::Box).ok()
}
