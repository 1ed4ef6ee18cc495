use std::collections::{BTreeMap, HashMap};

use barefoot_test_support::federation::Case;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand_distr::{Distribution, Gamma};
use ring::digest::{SHA256, digest};

/// Three in twenty patients belong to no clinic.
const VALIDATION: (u64, u64) = (3, 20);
/// Concentration of each class over the clinics: the smaller, the more uneven.
const SKEW: f64 = 0.5;
/// Fewest patients of a clinic; more than [`MANY`] clinics are allowed to be smaller.
const LEAST_PATIENTS: usize = 8;
const LEAST_PATIENTS_OF_MANY: usize = 2;
const MANY: usize = 20;

/// Patients dealt to clinics; the validation patients are the same for every seed.
#[derive(Debug)]
pub(crate) struct Split {
    pub(crate) clinics: Vec<Vec<Case>>,
    pub(crate) validation: Vec<Case>,
}

impl Split {
    /// Patients with and without pneumonia are shuffled and cut, each class by its own draw from a symmetric Dirichlet
    /// distribution. A clinic left with too few patients takes the missing ones from the largest.
    pub(crate) fn new(cases: &[Case], clinics: usize, seed: u64) -> Self {
        let (validation, rest): (Vec<&Case>, Vec<&Case>) =
            cases.iter().partition(|case| is_validation(&case.patient));
        let mut patients: BTreeMap<&str, bool> = BTreeMap::new();
        for case in &rest {
            *patients.entry(&case.patient).or_default() |= case.present;
        }
        let mut dice = StdRng::seed_from_u64(seed);
        let mut dealt: Vec<Vec<&str>> = vec![Vec::new(); clinics];
        for class in [false, true] {
            let of_class = patients.iter().filter(|(_, present)| **present == class);
            let mut of_class: Vec<&str> = of_class.map(|(patient, _)| *patient).collect();
            of_class.shuffle(&mut dice);
            let cuts = cuts(of_class.len(), clinics, &mut dice);
            let mut left = of_class.as_slice();
            for (own, size) in dealt.iter_mut().zip(cuts) {
                let (first, after) = left.split_at(size.min(left.len()));
                own.extend(first);
                left = after;
            }
        }
        even_out(
            &mut dealt,
            if clinics <= MANY {
                LEAST_PATIENTS
            } else {
                LEAST_PATIENTS_OF_MANY
            },
        );
        let owner: HashMap<&str, usize> = dealt
            .iter()
            .enumerate()
            .flat_map(|(clinic, own)| own.iter().map(move |patient| (*patient, clinic)))
            .collect();
        let mut own: Vec<Vec<Case>> = vec![Vec::new(); clinics];
        for case in rest {
            let clinic = owner
                .get(case.patient.as_str())
                .and_then(|clinic| own.get_mut(*clinic));
            if let Some(clinic) = clinic {
                clinic.push(case.clone());
            }
        }
        Self {
            clinics: own,
            validation: validation.into_iter().cloned().collect(),
        }
    }

    /// `pictures/with pneumonia` of each clinic.
    pub(crate) fn describe(&self) -> String {
        let of = |cases: &Vec<Case>| {
            let present = cases.iter().filter(|case| case.present).count();
            format!("{}/{present}", cases.len())
        };
        let clinics: Vec<String> = self.clinics.iter().map(of).collect();
        format!(
            "{} (pictures/with pneumonia); validation {}",
            clinics.join(" "),
            of(&self.validation)
        )
    }
}

/// A stable rule of the patient's name alone: the first eight bytes of its SHA-256, modulo twenty.
fn is_validation(patient: &str) -> bool {
    let hash = digest(&SHA256, ["validation share\0", patient].concat().as_bytes());
    let first = hash.as_ref().first_chunk::<8>().copied().unwrap_or_default();
    u64::from_be_bytes(first) % VALIDATION.1 < VALIDATION.0
}

/// How many of `count` each clinic gets.
fn cuts(count: usize, clinics: usize, dice: &mut StdRng) -> Vec<usize> {
    let weights: Vec<f64> = match Gamma::new(SKEW, 1.0) {
        Ok(gamma) => (0..clinics).map(|_| gamma.sample(dice)).collect(),
        Err(_) => vec![1.0; clinics],
    };
    let total: f64 = weights.iter().sum();
    let (mut sum, mut before) = (0.0, 0);
    weights
        .iter()
        .map(|weight| {
            sum += weight;
            let upto = (sum / total * count as f64).round() as usize;
            let size = upto - before;
            before = upto;
            size
        })
        .collect()
}

fn even_out(dealt: &mut [Vec<&str>], least: usize) {
    while let Some(poor) = dealt.iter().position(|own| own.len() < least) {
        let rich = dealt.iter_mut().max_by_key(|own| own.len());
        let Some(patient) = rich.filter(|own| least < own.len()).and_then(Vec::pop) else {
            return;
        };
        if let Some(poor) = dealt.get_mut(poor) {
            poor.push(patient);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn patients_are_on_one_side_and_every_picture_somewhere() {
        let cases: Vec<Case> = (0..900_u16)
            .map(|number| Case {
                patient: format!("p{}", number / 3),
                present: (number / 3) % 3 != 0,
                features: vec![f32::from(number)],
            })
            .collect();
        for clinics in [8, 50] {
            let split = Split::new(&cases, clinics, 1);
            let sides: Vec<BTreeSet<&str>> = split
                .clinics
                .iter()
                .chain([&split.validation])
                .map(|own| own.iter().map(|case| case.patient.as_str()).collect())
                .collect();
            let all: BTreeSet<&str> = sides.iter().flatten().copied().collect();
            assert_eq!(sides.iter().map(BTreeSet::len).sum::<usize>(), all.len());
            assert_eq!(all.len(), 300);
            assert!(sides.iter().all(|side| 2 <= side.len()));
            assert!((20..80).contains(&sides.last().map_or(0, BTreeSet::len)));
            let again = Split::new(&cases, clinics, 1);
            assert_eq!(again.clinics, split.clinics);
            assert_ne!(Split::new(&cases, clinics, 2).clinics, split.clinics);
        }
    }
}
