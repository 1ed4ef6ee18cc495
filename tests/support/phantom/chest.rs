use super::anatomy::{Anatomy, Consolidation};
use super::canvas::Canvas;
use super::noise::{Field, Random};
use crate::data_set::Charset;
use crate::instance::{Description, Instance, Pixels, Radiograph, Samples};

/// How large a picture the simulated detector gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Size {
    /// 2500 × 3000 pixels, 15 MB: what a flat-panel detector sends.
    #[default]
    Full,
    /// 500 × 600 pixels.
    Small,
    /// For tests with their own idea.
    Exactly { columns: u16, rows: u16 },
}

/// What the radiographer did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Defect {
    #[default]
    None,
    /// Most of the picture is fully white.
    Overexposed,
    /// Most of the picture is fully black.
    Underexposed,
    /// Both ends of the grey scale are cut off.
    Clipped,
    /// No patient, no exposure: one grey level and noise.
    Blank,
}

/// A posterior-anterior chest radiograph. The same values give the same bytes.
#[derive(Debug, Clone, Copy)]
pub struct Chest {
    pub seed: u64,
    pub size: Size,
    pub consolidation: bool,
    pub defect: Defect,
    /// 10 to 16.
    pub bits_stored: u16,
    pub monochrome1: bool,
    pub charset: Charset,
    pub kind: Radiograph,
}

impl Default for Chest {
    fn default() -> Self {
        Self {
            seed: 1,
            size: Size::Full,
            consolidation: false,
            defect: Defect::None,
            bits_stored: 12,
            monochrome1: false,
            charset: Charset::Utf8,
            kind: Radiograph::Dx,
        }
    }
}

const WIDTH_CM: f32 = 35.0;

/// Attenuation of water at chest energies, per centimetre; bone and air are in water-equivalent lengths.
const ATTENUATION: f32 = 0.19;

/// What lung holds beside air: a ray keeps this share of its water.
const LUNG_LOSS: f32 = 0.70;

impl Chest {
    /// The picture of this seed with variety a clinic would send: every third one has an opacity, some detectors
    /// send 14 bits, some MONOCHROME1, some consoles write GB18030.
    #[must_use]
    pub fn varied(seed: u64, size: Size, kind: Radiograph) -> Self {
        Self {
            seed,
            size,
            kind,
            consolidation: seed % 3 == 2,
            bits_stored: if seed % 4 == 3 { 14 } else { 12 },
            monochrome1: seed % 5 == 4,
            charset: if seed.is_multiple_of(2) {
                Charset::Gb18030
            } else {
                Charset::Utf8
            },
            ..Self::default()
        }
    }

    #[must_use]
    pub fn instance(&self) -> Instance {
        let pixels = self.pixels();
        let about = Description {
            charset: self.charset,
            seed: format!("chest {self:?}").into_bytes(),
            instance_number: 1,
            monochrome1: self.monochrome1,
            pixel_spacing: f64::from(WIDTH_CM) * 10.0 / f64::from(pixels.columns),
            lossy_ratio: None,
            manufacturer: "Barefoot phantom",
        };
        Instance::radiograph(self.kind, pixels, &about)
    }

    #[must_use]
    pub fn pixels(&self) -> Pixels {
        let (columns, rows) = match self.size {
            Size::Full => (2500, 3000),
            Size::Small => (500, 600),
            Size::Exactly { columns, rows } => (columns.max(16), rows.max(16)),
        };
        let bits_stored = self.bits_stored.clamp(10, 16);
        let top = f32::from(u16::MAX >> (16 - bits_stored));
        let mut random = Random::new(self.seed);
        let samples = if self.defect == Defect::Blank {
            let level = top * 0.5;
            let noise = top * 0.002;
            (0..usize::from(columns) * usize::from(rows))
                .map(|_| (level + noise * random.normal()) as u16)
                .collect()
        } else {
            let water = self.project(&mut random, columns, rows);
            self.expose(&water, &mut random, columns, rows, top)
        };
        Pixels {
            rows,
            columns,
            bits_stored,
            samples: Samples::Sixteen(samples),
        }
    }

    /// Water-equivalent path lengths at half the detector's resolution: a detector blurs about that much.
    fn project(&self, random: &mut Random, columns: u16, rows: u16) -> Canvas {
        let (width, height) = (usize::from(columns).div_ceil(2), usize::from(rows).div_ceil(2));
        let scale = width as f32 / WIDTH_CM;
        let anatomy = Anatomy::draw(random);
        let consolidation = self.consolidation.then(|| Consolidation::draw(random));
        let tissue = Field::new(random, 40.0, 60.0, 1.6);
        let parenchyma = Field::new(random, 40.0, 60.0, 0.28);

        let mut bones = Canvas::new(width, height, scale);
        anatomy.ribs(&mut bones, random);
        anatomy.shoulders(&mut bones, random);
        let mut vessels = Canvas::new(width, height, scale);
        anatomy.vessels(&mut vessels, random);
        anatomy.airway(&mut bones);

        let mut water = Canvas::new(width, height, scale);
        let drawn = bones.values.iter().zip(&vessels.values).enumerate();
        water.values = drawn
            .map(|(index, (bone, vessel))| {
                let (x, y) = bones.place(index % width, index / width);
                let body = anatomy.body(x, y);
                if body <= 0.0 {
                    return 0.0;
                }
                let lung = anatomy.lung(x, y) * (1.0 - anatomy.mediastinum(x, y)).max(0.0);
                let gone = consolidation.as_ref().map_or(0.0, |c| c.share(x, y));
                let aerated = lung * (1.0 - gone) * (1.0 - 0.035 * parenchyma.at(x + 20.0, y));
                let soft = body * (1.0 + 0.03 * tissue.at(x + 20.0, y)) * (1.0 - LUNG_LOSS * aerated);
                let bone = bone * (body / 8.0).min(1.0);
                (soft + bone + anatomy.spine(x, y) + vessel * lung.powf(0.7) - anatomy.stomach(x, y)).max(0.3)
            })
            .collect();
        water
    }

    /// Film density: quantum noise on the log signal, scatter, the detector's curve.
    fn expose(&self, water: &Canvas, random: &mut Random, columns: u16, rows: u16, top: f32) -> Vec<u16> {
        let (low, high) = match self.defect {
            Defect::Overexposed => (-3.0, 1.3),
            Defect::Underexposed => (2.75, 5.6),
            Defect::Clipped => (1.55, 2.85),
            Defect::None | Defect::Blank => (0.35, 4.3),
        };
        let (step_x, step_y) = (
            water.columns as f32 / f32::from(columns),
            water.rows as f32 / f32::from(rows),
        );
        let mut samples = Vec::with_capacity(usize::from(columns) * usize::from(rows));
        for row in 0..rows {
            let y = (f32::from(row) + 0.5) * step_y;
            // More scatter reaches the lower, thicker half.
            let scatter = 0.010 + 0.010 * f32::from(row) / f32::from(rows);
            for column in 0..columns {
                let length = water.sample((f32::from(column) + 0.5) * step_x, y);
                let primary = (-ATTENUATION * length).exp();
                let density = -(primary + scatter).ln();
                let noise = 0.0045 / (primary + scatter).sqrt();
                let grey = (density + noise * random.normal() - low) / (high - low);
                let level = if self.monochrome1 {
                    1.0 - curve(grey)
                } else {
                    curve(grey)
                };
                samples.push((level * top + 0.5) as u16);
            }
        }
        samples
    }
}

/// A gentle S, as presentation processing gives: black air, open lungs, a readable mediastinum.
fn curve(grey: f32) -> f32 {
    let t = grey.clamp(0.0, 1.0);
    0.55 * t + 0.45 * t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use barefoot_domain::{QualityGrade, QualityProblem, QualityVerdict};
    use barefoot_imaging::header::read_header;
    use barefoot_imaging::pixels::load_gray;
    use barefoot_imaging::quality;

    use super::*;

    fn samples(chest: Chest) -> Vec<u16> {
        match chest.pixels().samples {
            Samples::Sixteen(samples) => samples,
            other => panic!("{other:?}"),
        }
    }

    fn share(samples: &[u16], wanted: impl Fn(u16) -> bool) -> f64 {
        samples.iter().filter(|sample| wanted(**sample)).count() as f64 / samples.len() as f64
    }

    #[test]
    fn the_same_seed_gives_the_same_picture() {
        let small = |seed| Chest {
            seed,
            size: Size::Small,
            ..Chest::default()
        };
        assert_eq!(samples(small(7)), samples(small(7)));
        assert_ne!(samples(small(7)), samples(small(8)));
        assert_eq!(small(7).instance().study_uid, small(7).instance().study_uid);
        assert_ne!(small(7).instance().study_uid, small(8).instance().study_uid);
    }

    #[test]
    fn defects_show_in_the_grey_levels() {
        let of = |defect| {
            samples(Chest {
                size: Size::Small,
                defect,
                ..Chest::default()
            })
        };
        let good = of(Defect::None);
        assert!(share(&good, |s| s == 0 || s == 4095) < 0.2);
        assert!(share(&of(Defect::Overexposed), |s| s == 4095) > 0.5);
        assert!(share(&of(Defect::Underexposed), |s| s == 0) > 0.5);
        let clipped = of(Defect::Clipped);
        assert!(share(&clipped, |s| s == 0) > 0.1 && share(&clipped, |s| s == 4095) > 0.1);
        let blank = of(Defect::Blank);
        assert!(blank.iter().max().unwrap() - blank.iter().min().unwrap() < 100);
    }

    #[test]
    fn lungs_are_darker_than_heart_and_spine() {
        let picture = samples(Chest {
            size: Size::Small,
            ..Chest::default()
        });
        let mean = |column: usize, row: usize| {
            let values = (row..row + 20).flat_map(|r| (column..column + 20).map(move |c| r * 500 + c));
            values.map(|index| u32::from(picture[index])).sum::<u32>() / 400
        };
        let (lung, spine, abdomen) = (mean(140, 280), mean(240, 280), mean(140, 540));
        assert!(
            lung + 600 < spine && lung + 600 < abdomen,
            "{lung} {spine} {abdomen}"
        );
    }

    fn graded(chest: Chest) -> QualityVerdict {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chest.dcm");
        chest.instance().save(&path).unwrap();
        let header = read_header(&path).unwrap();
        quality::picture(&header, &load_gray(&path, &header).unwrap())
    }

    /// What many end-to-end tests expect of a study rests on it.
    #[test]
    fn drawn_chests_that_are_good_stay_good() {
        for seed in 1..=12 {
            for kind in [Radiograph::Dx, Radiograph::Cr] {
                let verdict = graded(Chest::varied(seed, Size::Small, kind));
                assert_eq!(
                    verdict.problems,
                    [QualityProblem::LowResolution],
                    "{seed} {kind:?}"
                );
            }
        }
        let full = graded(Chest::default());
        assert_eq!((full.grade, full.problems), (QualityGrade::A, vec![]));
        for defect in [Defect::Overexposed, Defect::Underexposed, Defect::Blank] {
            let spoilt = graded(Chest {
                size: Size::Small,
                defect,
                ..Chest::default()
            });
            assert_eq!(spoilt.grade, QualityGrade::C, "{defect:?}");
        }
    }

    #[test]
    fn monochrome1_is_the_negative() {
        let of = |monochrome1| {
            samples(Chest {
                size: Size::Small,
                monochrome1,
                ..Chest::default()
            })
        };
        let pairs: Vec<_> = of(false).into_iter().zip(of(true)).collect();
        assert!(pairs.iter().all(|(a, b)| (4094..=4096).contains(&(a + b))));
    }
}
