use super::noise::Random;
use crate::data_set::Charset;
use crate::instance::{Description, Instance, Pixels, Samples};

/// One axial slice of a thorax, 512 × 512 signed 16-bit Hounsfield units: no model of ours takes it.
#[derive(Debug, Clone, Copy)]
pub struct CtSlice {
    /// Slices of one seed form one study.
    pub seed: u64,
    /// From 1.
    pub number: u32,
    pub charset: Charset,
}

const SIDE: u16 = 512;
const SPACING_MM: f64 = 0.7;
const THICKNESS_MM: f64 = 5.0;

impl CtSlice {
    #[must_use]
    pub fn instance(&self) -> Instance {
        let about = Description {
            charset: self.charset,
            seed: format!("ct {}", self.seed).into_bytes(),
            instance_number: self.number,
            monochrome1: false,
            pixel_spacing: SPACING_MM,
            lossy_ratio: None,
            manufacturer: "Barefoot phantom",
        };
        Instance::ct_slice(self.pixels(), &about, THICKNESS_MM)
    }

    fn pixels(&self) -> Pixels {
        let mut random = Random::new(self.seed ^ u64::from(self.number) << 40);
        let mut samples = Vec::with_capacity(usize::from(SIDE) * usize::from(SIDE));
        for row in 0..SIDE {
            for column in 0..SIDE {
                let x = (f32::from(column) - 255.5) / 256.0;
                let y = (f32::from(row) - 255.5) / 256.0;
                samples.push((hounsfield(x, y) + 18.0 * random.normal()) as i16);
            }
        }
        Pixels {
            rows: SIDE,
            columns: SIDE,
            bits_stored: 16,
            samples: Samples::Signed(samples),
        }
    }
}

/// Air, skin, fat, muscle, lungs, heart, spine, table.
fn hounsfield(x: f32, y: f32) -> f32 {
    let inside = |cx: f32, cy: f32, rx: f32, ry: f32| {
        let (u, v) = ((x - cx) / rx, (y - cy) / ry);
        u * u + v * v < 1.0
    };
    if (0.66..0.69).contains(&y) && x.abs() < 0.8 {
        return 150.0;
    }
    if !inside(0.0, 0.0, 0.9, 0.62) {
        return -1000.0;
    }
    if !inside(0.0, 0.0, 0.86, 0.58) {
        return -95.0;
    }
    if inside(0.0, 0.40, 0.1, 0.1) {
        return if inside(0.0, 0.38, 0.045, 0.04) {
            30.0
        } else {
            420.0
        };
    }
    if inside(0.12, -0.14, 0.3, 0.24) || inside(0.08, 0.24, 0.06, 0.06) {
        return 45.0;
    }
    if inside(-0.42, 0.0, 0.32, 0.44) || inside(0.44, 0.02, 0.3, 0.43) {
        return -860.0;
    }
    let ring = (x / 0.8).powi(2) + (y / 0.53).powi(2);
    if (0.93..1.02).contains(&ring) && (y.atan2(x) * 9.0).sin() > 0.1 {
        return 350.0;
    }
    50.0
}
