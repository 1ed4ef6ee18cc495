//! PNG and JPEG pictures as DX or CR instances, grey level for grey level.

use std::path::Path;

use image::{DynamicImage, ImageFormat};
use ring::digest::{SHA256, digest};

use crate::data_set::Charset;
use crate::instance::{Description, Instance, Pixels, Radiograph, Samples};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read the file")]
    Read { source: std::io::Error },
    #[error("neither DICOM nor PNG nor JPEG")]
    UnknownFormat,
    #[error("cannot decode the picture")]
    Decode { source: image::ImageError },
    #[error("{columns}×{rows} pixels: DICOM allows 1 to 65535 in each direction")]
    Size { columns: u32, rows: u32 },
}

/// How pictures become instances.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wrapping {
    pub kind: Radiograph,
    pub charset: Charset,
    /// Fresh UIDs and a fresh patient each time; else the same picture always gives the same bytes.
    pub random_uids: bool,
}

impl Wrapping {
    /// # Errors
    /// When the file is no PNG or JPEG that can be read.
    pub fn wrap_file(&self, path: &Path) -> Result<Instance, Error> {
        self.wrap(&std::fs::read(path).map_err(|source| Error::Read { source })?)
    }

    /// # Errors
    /// When `encoded` is no PNG or JPEG.
    pub fn wrap(&self, encoded: &[u8]) -> Result<Instance, Error> {
        let format = match image::guess_format(encoded) {
            Ok(format @ (ImageFormat::Png | ImageFormat::Jpeg)) => format,
            _ => return Err(Error::UnknownFormat),
        };
        let picture = image::load_from_memory_with_format(encoded, format)
            .map_err(|source| Error::Decode { source })?;
        let pixels = grey(picture)?;
        let samples = f64::from(pixels.rows) * f64::from(pixels.columns);
        #[expect(clippy::cast_precision_loss, reason = "a ratio shown with two decimals")]
        let ratio = samples / encoded.len().max(1) as f64;
        let seed = if self.random_uids {
            fresh_seed()
        } else {
            digest(&SHA256, encoded).as_ref().to_vec()
        };
        let about = Description {
            charset: self.charset,
            seed,
            instance_number: 1,
            monochrome1: false,
            // The picture's true scale is unknown; a chest film is about 35 cm wide.
            pixel_spacing: 350.0 / f64::from(pixels.columns),
            lossy_ratio: (format == ImageFormat::Jpeg).then_some(ratio.max(1.0)),
            manufacturer: "Barefoot scanner simulator",
        };
        Ok(Instance::radiograph(self.kind, pixels, &about))
    }
}

fn fresh_seed() -> Vec<u8> {
    use std::hash::{BuildHasher, Hasher};
    // The standard library seeds each of these from the system's random source.
    (0..4)
        .flat_map(|_| {
            std::hash::RandomState::new()
                .build_hasher()
                .finish()
                .to_le_bytes()
        })
        .collect()
}

fn grey(picture: DynamicImage) -> Result<Pixels, Error> {
    let (columns, rows) = (picture.width(), picture.height());
    let wrong_size = || Error::Size { columns, rows };
    let fits = |length: u32| {
        u16::try_from(length)
            .ok()
            .filter(|length| *length != 0)
            .ok_or_else(wrong_size)
    };
    let (bits_stored, samples) = match picture {
        DynamicImage::ImageLuma8(grey) => (8, Samples::Eight(grey.into_raw())),
        DynamicImage::ImageLuma16(grey) => (16, Samples::Sixteen(grey.into_raw())),
        DynamicImage::ImageLumaA16(_) | DynamicImage::ImageRgb16(_) | DynamicImage::ImageRgba16(_) => {
            let pixels = picture.into_rgb16();
            let samples = pixels.pixels().map(|pixel| {
                let [r, g, b] = pixel.0.map(u64::from);
                luma(r, g, b) as u16
            });
            (16, Samples::Sixteen(samples.collect()))
        }
        _ => {
            let pixels = picture.into_rgb8();
            let samples = pixels.pixels().map(|pixel| {
                let [r, g, b] = pixel.0.map(u64::from);
                luma(r, g, b) as u8
            });
            (8, Samples::Eight(samples.collect()))
        }
    };
    Ok(Pixels {
        rows: fits(rows)?,
        columns: fits(columns)?,
        bits_stored,
        samples,
    })
}

/// ITU-R BT.601 weights in 16 fractional bits; grey in three equal channels stays exactly what it was.
fn luma(r: u64, g: u64, b: u64) -> u64 {
    (r * 19_595 + g * 38_470 + b * 7_471 + 0x8000) >> 16
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn png(picture: &DynamicImage) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    fn written(encoded: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        Wrapping::default()
            .wrap(encoded)
            .unwrap()
            .write(&mut bytes)
            .unwrap();
        bytes
    }

    #[test]
    fn every_grey_level_survives() {
        let levels: Vec<u8> = (0..=255).collect();
        let grey = image::GrayImage::from_raw(16, 16, levels.clone()).unwrap();
        let colour = DynamicImage::ImageLuma8(grey.clone()).into_rgb8();
        assert!(written(&png(&DynamicImage::ImageLuma8(grey))).ends_with(&levels));
        assert!(written(&png(&DynamicImage::ImageRgb8(colour))).ends_with(&levels));
    }

    #[test]
    fn sixteen_bits_stay_sixteen() {
        let levels: Vec<u16> = (0..=255).map(|level| level * 257).collect();
        let wide = image::ImageBuffer::from_raw(16, 16, levels.clone()).unwrap();
        let bytes = written(&png(&DynamicImage::ImageLuma16(wide)));
        let expected: Vec<u8> = levels.iter().flat_map(|level| level.to_le_bytes()).collect();
        assert!(bytes.ends_with(&expected));
    }

    #[test]
    fn the_same_picture_is_the_same_instance_unless_asked_otherwise() {
        let encoded = png(&DynamicImage::new_luma8(4, 4));
        assert_eq!(written(&encoded), written(&encoded));
        let fresh = Wrapping {
            random_uids: true,
            ..Wrapping::default()
        };
        assert_ne!(
            fresh.wrap(&encoded).unwrap().study_uid,
            fresh.wrap(&encoded).unwrap().study_uid
        );
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        assert!(matches!(
            Wrapping::default().wrap(b"hello"),
            Err(Error::UnknownFormat)
        ));
        let mut torn = png(&DynamicImage::new_luma8(64, 64));
        torn.truncate(40);
        assert!(matches!(
            Wrapping::default().wrap(&torn),
            Err(Error::Decode { .. })
        ));
    }
}
