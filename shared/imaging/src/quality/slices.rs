//! Where the slices of a series lie: missing ones, two at one place, uneven distances.
//!
//! Places are taken along the normal of the slices' plane (PS3.3 section C.7.6.2.1.1), from Image Position (Patient), for
//! objects of one slice and of many frames. Slice Location is not used: its origin is anybody's.

use std::collections::BTreeMap;

use barefoot_domain::QualityProblem;

use super::{Remark, bad, noted, says};
use crate::header::Header;
use crate::tags;

/// Fewer slices are localisers, single levels or a test.
const LEAST: usize = 6;
/// Nearer than this two slices are at one place, as a share of the usual distance.
const SAME_PLACE: f64 = 0.05;
/// A gap of two, three or more distances has lost slices; it may be off by this share of a distance.
const MULTIPLE: f64 = 0.2;
/// Distances of helical reconstructions are equal to hundredths; positions are rounded to tenths of a millimetre at worst.
const UNEVEN: f64 = 0.2;
/// Above this share of gaps or doubles the series was made that way: several phases, several ranges.
const BY_DESIGN: f64 = 0.25;

/// One object's slices: a CT image has one, an enhanced object one for each frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Slice {
    series: String,
    /// What tells one pass over the body from the next.
    pass: (Option<String>, Option<String>),
    /// Row and column direction.
    orientation: [f64; 6],
    places: Vec<[f64; 3]>,
}

impl Slice {
    /// `None` for a localiser, and for what does not say where it lies.
    #[must_use]
    pub fn of(header: &Header) -> Option<Self> {
        let image_type = header.decoded(tags::IMAGE_TYPE).unwrap_or_default();
        if image_type.to_ascii_uppercase().contains("LOCALIZER") {
            return None;
        }
        let orientation = header.decimals(tags::IMAGE_ORIENTATION, tags::PLANE_ORIENTATIONS);
        let own = header.decimals(tags::IMAGE_POSITION, tags::PLANE_POSITIONS);
        let mut places: Vec<[f64; 3]> = header
            .frame_positions()
            .filter_map(|place| place.try_into().ok())
            .collect();
        places.extend(<[f64; 3]>::try_from(own).ok().filter(|_| places.is_empty()));
        Some(Self {
            series: header.series_uid()?.to_owned(),
            pass: (
                header.decoded(tags::ACQUISITION_NUMBER),
                header.decoded(tags::TEMPORAL_POSITION),
            ),
            orientation: orientation.try_into().ok()?,
            places,
        })
        .filter(|slice| !slice.places.is_empty() && !says(header, tags::MODALITY, "PT"))
    }

    /// Slices of one stack: the same series, pass and plane.
    fn stack(&self) -> (&str, &(Option<String>, Option<String>), [i64; 6]) {
        let plane = self.orientation.map(|cosine| (cosine * 100.0).round() as i64);
        (&self.series, &self.pass, plane)
    }

    fn along_normal(&self) -> impl Iterator<Item = f64> {
        let [a, b, c, d, e, f] = self.orientation;
        let normal = [b * f - c * e, c * d - a * f, a * e - b * d];
        self.places.iter().map(move |place| {
            place
                .iter()
                .zip(normal)
                .map(|(coordinate, cosine)| coordinate * cosine)
                .sum()
        })
    }
}

pub(super) fn remarks(slices: &[Slice]) -> Vec<Remark> {
    let mut stacks: BTreeMap<_, Vec<f64>> = BTreeMap::new();
    for slice in slices {
        stacks
            .entry(slice.stack())
            .or_default()
            .extend(slice.along_normal());
    }
    stacks.into_values().flat_map(judge).collect()
}

fn judge(mut places: Vec<f64>) -> Vec<Remark> {
    if places.len() < LEAST {
        return Vec::new();
    }
    places.sort_unstable_by(f64::total_cmp);
    let gaps: Vec<f64> = places
        .windows(2)
        .filter_map(|pair| pair.last().zip(pair.first()))
        .map(|(b, a)| b - a)
        .collect();
    let usual = median(gaps.iter().copied().filter(|gap| 1e-3 < *gap).collect());
    if usual <= 0.0 {
        return Vec::new();
    }
    let (doubled, apart): (Vec<f64>, Vec<f64>) = gaps.iter().partition(|gap| **gap < SAME_PLACE * usual);
    let missing = apart.iter().filter(|gap| is_multiple(**gap / usual)).count();
    let uneven = apart
        .iter()
        .filter(|gap| UNEVEN < (**gap / usual - 1.0).abs())
        .count()
        - missing;
    let few = |count: usize| 0 < count && count as f64 <= BY_DESIGN * gaps.len() as f64;
    let mut remarks = Vec::new();
    if few(missing) {
        remarks.push(bad(QualityProblem::SlicesMissing));
    }
    if few(doubled.len()) {
        remarks.push(noted(QualityProblem::SlicesDoubled));
    }
    if 0 < uneven {
        remarks.push(noted(QualityProblem::SpacingUneven));
    }
    remarks
}

fn is_multiple(distances: f64) -> bool {
    let whole = distances.round();
    1.5 < whole && (distances - whole).abs() <= MULTIPLE
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(places: &[f64]) -> Vec<QualityProblem> {
        let slices: Vec<Slice> = places
            .iter()
            .map(|z| Slice {
                series: "1.2".into(),
                pass: (Some("1".into()), None),
                orientation: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
                places: vec![[-120.0, -120.0, *z]],
            })
            .collect();
        remarks(&slices)
            .into_iter()
            .map(|remark| remark.problem)
            .collect()
    }

    fn even(count: u16) -> Vec<f64> {
        (0..count)
            .map(|number| 300.0 - f64::from(number) * 1.25)
            .collect()
    }

    #[test]
    fn an_even_stack_is_good_in_any_order() {
        assert_eq!(at(&even(40)), []);
        let mut mixed = even(40);
        mixed.reverse();
        mixed.swap(3, 30);
        assert_eq!(at(&mixed), []);
        let rounded: Vec<f64> = even(40).iter().map(|z| (z * 10.0).round() / 10.0).collect();
        assert_eq!(at(&rounded), []);
    }

    #[test]
    fn lost_and_doubled_slices_are_named() {
        use QualityProblem::{SlicesDoubled, SlicesMissing, SpacingUneven};
        let mut lost = even(40);
        lost.drain(10..13);
        assert_eq!(at(&lost), [SlicesMissing]);
        let mut doubled = even(40);
        doubled.push(300.0);
        assert_eq!(at(&doubled), [SlicesDoubled]);
        let mut moved = even(40);
        moved[20] += 0.5;
        assert_eq!(at(&moved), [SpacingUneven]);
    }

    #[test]
    fn several_phases_and_a_few_levels_are_by_design() {
        let phases = [even(40), even(40)].concat();
        assert_eq!(at(&phases), []);
        assert_eq!(at(&[0.0, 10.0, 50.0]), []);
        assert_eq!(at(&[5.0; 20]), []);
    }

    #[test]
    fn a_tilted_gantry_is_measured_along_its_normal() {
        let tilt = 20.0_f64.to_radians();
        let slices: Vec<Slice> = (0..20)
            .map(|number| Slice {
                series: "1.2".into(),
                pass: (None, None),
                orientation: [1.0, 0.0, 0.0, 0.0, tilt.cos(), tilt.sin()],
                places: vec![[0.0, 0.0, f64::from(number) * 5.0]],
            })
            .collect();
        assert_eq!(remarks(&slices), []);
    }
}
