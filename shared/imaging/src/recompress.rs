//! Native pixels compressed without loss, where that pays.
//!
//! JPEG 2000, reversible: of the forms whose codecs a box can have in Rust it took the fewest bytes on real pictures (the
//! table is in `docs/FIGURES.md`), and the line is what is scarce. The encoder is one library, `openjp2`, its streams are
//! read back by the decoder that reads everybody's: only what gives every sample back is used.

use std::panic::{AssertUnwindSafe, catch_unwind};

use openjp2::{
    Codec, OPJ_CLRSPC_GRAY, OPJ_CLRSPC_SRGB, OPJ_CODEC_J2K, Stream, opj_cparameters, opj_image,
    opj_image_comptparm,
};
use rustix::fs::{MemfdFlags, memfd_create};

use crate::pixels::{self, Layout, Photometric};

/// JPEG 2000 Image Compression (Lossless Only).
const LOSSLESS: &str = "1.2.840.10008.1.2.4.90";

/// Below this side a header costs more than compression saves.
const LEAST_SIDE: u16 = 32;

/// Each resolution halves both sides: six are enough for a thumbnail of any picture, and the encoder's own default.
const MOST_RESOLUTIONS: u32 = 6;

/// Pixels as a native object keeps them, the bits that are none of theirs cleared.
#[derive(Clone, Copy)]
pub(crate) struct Samples<'a> {
    bytes: &'a [u8],
    layout: &'a Layout,
}

/// One stream a frame.
pub(crate) struct Compressed {
    pub(crate) frames: Vec<Vec<u8>>,
    pub(crate) transfer_syntax: &'static str,
    /// What Photometric Interpretation says now, where it must change.
    pub(crate) photometric: Option<&'static str>,
}

impl<'a> Samples<'a> {
    pub(crate) fn of(bytes: &'a [u8], layout: &'a Layout) -> Self {
        Self { bytes, layout }
    }

    fn frames(self) -> impl Iterator<Item = &'a [u8]> {
        let size = self.layout.pixels()
            * usize::from(self.layout.samples)
            * usize::from(self.layout.bits_allocated / 8);
        self.bytes.chunks_exact(size.max(1))
    }
}

/// `None` where the pixels are better left as they are.
pub(crate) fn lossless(samples: &Samples<'_>) -> Option<Compressed> {
    let layout = samples.layout;
    let colours = match layout.photometric {
        Photometric::Monochrome1 | Photometric::Monochrome2 | Photometric::Palette => false,
        Photometric::Rgb => true,
        Photometric::YbrFull | Photometric::Ybr422 => return None,
    };
    let plain = matches!(layout.bits_allocated, 8 | 16) && layout.high_bit + 1 == layout.bits_stored;
    if !plain || layout.rows.min(layout.columns) < LEAST_SIDE {
        return None;
    }
    let mut frames = Vec::new();
    for frame in samples.frames() {
        let values = values(frame, layout);
        let stream = encode(&values, layout)?;
        let read = pixels::decode_native(LOSSLESS, stream.clone(), layout).ok()?;
        if read != bytes(&values, layout) {
            return None;
        }
        frames.push(stream);
    }
    let smaller = frames.iter().map(Vec::len).sum::<usize>() < samples.bytes.len();
    smaller.then_some(Compressed {
        frames,
        transfer_syntax: LOSSLESS,
        photometric: colours.then_some("YBR_RCT"),
    })
}

/// The samples of a frame, pixel by pixel.
fn values(frame: &[u8], layout: &Layout) -> Vec<i32> {
    let samples = usize::from(layout.samples);
    let mut values: Vec<i32> = if layout.bits_allocated == 16 {
        let (words, _) = frame.as_chunks::<2>();
        let read = |word: &[u8; 2]| match layout.signed {
            true => i32::from(i16::from_le_bytes(*word)),
            false => i32::from(u16::from_le_bytes(*word)),
        };
        words.iter().map(read).collect()
    } else {
        let read = |byte: &u8| match layout.signed {
            true => i32::from(byte.cast_signed()),
            false => i32::from(*byte),
        };
        frame.iter().map(read).collect()
    };
    if layout.planar && 1 < samples {
        let pixels = layout.pixels();
        values = (0..values.len())
            .map(|at| {
                let (pixel, sample) = (at / samples, at % samples);
                values.get(sample * pixels + pixel).copied().unwrap_or_default()
            })
            .collect();
    }
    values
}

fn bytes(values: &[i32], layout: &Layout) -> Vec<u8> {
    let length = usize::from(layout.bits_allocated / 8);
    values
        .iter()
        .flat_map(|value| value.to_le_bytes().into_iter().take(length))
        .collect()
}

/// The library writes to a path: one that is memory. A fault in it costs the compression, not the daemon.
fn encode(values: &[i32], layout: &Layout) -> Option<Vec<u8>> {
    let memory = memfd_create("stream", MemfdFlags::CLOEXEC).ok()?;
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&memory));
    let written = catch_unwind(AssertUnwindSafe(|| write(values, layout, &path)));
    written.ok().flatten()?;
    std::fs::read(&path).ok()
}

fn write(values: &[i32], layout: &Layout, path: &str) -> Option<()> {
    let (width, height) = (u32::from(layout.columns), u32::from(layout.rows));
    let samples = usize::from(layout.samples);
    let component = opj_image_comptparm {
        dx: 1,
        dy: 1,
        w: width,
        h: height,
        prec: u32::from(layout.bits_stored),
        bpp: u32::from(layout.bits_stored),
        sgnd: u32::from(layout.signed),
        ..opj_image_comptparm::default()
    };
    let colours = if samples == 1 {
        OPJ_CLRSPC_GRAY
    } else {
        OPJ_CLRSPC_SRGB
    };
    let mut image = opj_image::create(&vec![component; samples], colours)?;
    (image.x1, image.y1) = (width, height);
    for (number, target) in image.comps_data_mut_iter()?.enumerate() {
        for (to, from) in target.iter_mut().zip(values.iter().skip(number).step_by(samples)) {
            *to = *from;
        }
    }
    let mut settings = opj_cparameters::default();
    settings.set_defaults();
    settings.tcp_numlayers = 1;
    settings.cp_disto_alloc = 1;
    settings.tcp_mct = std::ffi::c_char::from(samples == 3);
    let halvings = u32::from(layout.rows.min(layout.columns)).ilog2();
    settings.numresolution = i32::try_from(MOST_RESOLUTIONS.min(halvings + 1)).ok()?;
    let mut codec = Codec::new_encoder(OPJ_CODEC_J2K)?;
    let mut stream = Stream::new_file(path, 1 << 20, false).ok()?;
    let done = codec.setup_encoder(&mut settings, &mut image) == 1
        && codec.start_compress(&mut image, &mut stream) == 1
        && codec.encode(&mut stream) == 1
        && codec.end_compress(&mut stream) == 1
        && stream.flush().is_ok();
    done.then_some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn layout(bits_allocated: u16, bits_stored: u16, signed: bool, samples: u16, planar: bool) -> Layout {
        Layout {
            rows: 40,
            columns: 48,
            frames: 2,
            samples,
            bits_allocated,
            bits_stored,
            high_bit: bits_stored - 1,
            signed,
            float: false,
            planar,
            photometric: if samples == 3 {
                Photometric::Rgb
            } else {
                Photometric::Monochrome2
            },
        }
    }

    /// A soft gradient with a little noise: what pictures are like.
    fn picture(layout: &Layout, seed: u32) -> Vec<u8> {
        let range = 1i32 << layout.bits_stored;
        let low = if layout.signed { -(range / 2) } else { 0 };
        let count = layout.pixels() * usize::from(layout.samples) * layout.frames as usize;
        let values: Vec<i32> = (0..count as u32)
            .map(|at| {
                let noise = (at ^ seed).wrapping_mul(2_654_435_761) >> 29;
                low + ((at / 16 + noise) as i32).rem_euclid(range)
            })
            .collect();
        bytes(&values, layout)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn every_sample_comes_back(
            seed: u32,
            (bits_allocated, bits_stored) in prop_oneof![
                Just((8, 8)), Just((16, 8)), Just((16, 10)), Just((16, 12)), Just((16, 16)),
            ],
            signed: bool,
            (samples, planar) in prop_oneof![Just((1, false)), Just((3, false)), Just((3, true))],
        ) {
            prop_assume!(samples == 1 || (bits_allocated == 8 && !signed));
            let layout = layout(bits_allocated, bits_stored, signed, samples, planar);
            let native = picture(&layout, seed);
            // What does not come back is left as it is, which is right but not what is wanted of these.
            let compressed = lossless(&Samples::of(&native, &layout)).unwrap();
            prop_assert_eq!(compressed.frames.len(), 2);
        }
    }

    #[test]
    fn what_does_not_shrink_or_has_no_plain_layout_stays() {
        let small = Layout {
            rows: 8,
            ..layout(8, 8, false, 1, false)
        };
        assert!(lossless(&Samples::of(&picture(&small, 1), &small)).is_none());
        let shifted = Layout {
            high_bit: 15,
            ..layout(16, 12, false, 1, false)
        };
        assert!(lossless(&Samples::of(&picture(&shifted, 1), &shifted)).is_none());
        let colours = Layout {
            photometric: Photometric::YbrFull,
            ..layout(8, 8, false, 3, false)
        };
        assert!(lossless(&Samples::of(&picture(&colours, 1), &colours)).is_none());
    }
}
