use barefoot_federation::layout::Layout;

use super::super::plan::Change;
use super::{Check, Limit, Quantity};

/// Holds the candidate's parameters against the base's. Both have the layout's length.
pub(in super::super) fn check(
    layout: &Layout,
    base: &[f32],
    candidate: &[f32],
    change: &Change,
) -> Vec<Check> {
    let finite = candidate.iter().all(|value| value.is_finite());
    let same_length = base.len() == layout.elements() && candidate.len() == layout.elements();
    let mut checks = vec![
        Check::whole(Quantity::Finite, None, None, finite),
        Check::whole(Quantity::Layout, None, None, same_length),
    ];
    if !finite || !same_length {
        return checks;
    }
    let mut start = 0;
    for (place, spec) in layout.specs().iter().enumerate() {
        let length = tensor_length(layout, place);
        let range = start..start + length;
        start += length;
        if change.tensors.contains(&spec.name) {
            continue;
        }
        let unchanged = match (base.get(range.clone()), candidate.get(range)) {
            (Some(before), Some(after)) => before
                .iter()
                .zip(after)
                .all(|(before, after)| before.to_bits() == after.to_bits()),
            _ => false,
        };
        checks.push(Check {
            subject: Some(spec.name.clone()),
            ..Check::whole(Quantity::TensorUnchanged, None, None, unchanged)
        });
    }
    let distance = relative_distance(base, candidate);
    let bound = change.largest_relative_distance;
    checks.push(Check::whole(
        Quantity::RelativeDistance,
        // Any distance is no limit.
        bound.is_finite().then_some(Limit::AtMost(bound)),
        distance.is_finite().then_some(distance),
        distance <= bound,
    ));
    checks
}

fn tensor_length(layout: &Layout, place: usize) -> usize {
    let shape = layout.specs().get(place).map(|spec| spec.shape.as_slice());
    let length: u64 = shape.unwrap_or_default().iter().product();
    usize::try_from(length).unwrap_or_default()
}

/// L2 distance divided by the base's L2 norm; from a base of zeros everything but itself is infinitely far.
fn relative_distance(base: &[f32], candidate: &[f32]) -> f64 {
    let squares =
        |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let moved = squares(
        &mut base
            .iter()
            .zip(candidate)
            .map(|(b, c)| f64::from(*c) - f64::from(*b)),
    );
    let norm = squares(&mut base.iter().map(|value| f64::from(*value)));
    if moved == 0.0 { 0.0 } else { moved / norm }
}

#[cfg(test)]
mod tests {
    use barefoot_federation::layout::TensorSpec;

    use super::*;

    fn layout() -> Layout {
        let spec = |name: &str, shape: &[u64]| TensorSpec {
            name: name.to_owned(),
            shape: shape.to_vec(),
        };
        Layout::new(vec![spec("weight", &[1, 2]), spec("bias", &[1])]).unwrap()
    }

    fn failed(candidate: &[f32], tensors: &[&str], distance: f64) -> Vec<Quantity> {
        let change = Change {
            tensors: tensors.iter().map(|name| (*name).to_owned()).collect(),
            largest_relative_distance: distance,
        };
        check(&layout(), &[3.0, 4.0, 0.0], candidate, &change)
            .into_iter()
            .filter(|check| !check.held)
            .map(|check| check.quantity)
            .collect()
    }

    #[test]
    fn only_what_the_plan_names_may_move_and_only_so_far() {
        let both = ["weight", "bias"];
        assert_eq!(failed(&[3.0, 4.0, 1.0], &both, 0.2), []);
        assert_eq!(failed(&[3.0, 4.0, 1.1], &both, 0.2), [Quantity::RelativeDistance]);
        assert_eq!(failed(&[3.0, 4.0, 1.1], &both, f64::INFINITY), []);
        assert_eq!(
            failed(&[3.0, 4.0, 0.1], &["weight"], 1.0),
            [Quantity::TensorUnchanged]
        );
        assert_eq!(failed(&[3.0, f32::NAN, 0.0], &both, 1.0), [Quantity::Finite]);
        assert_eq!(failed(&[3.0, 4.0], &both, 1.0), [Quantity::Layout]);
    }

    #[test]
    fn from_a_base_of_zeros_everything_is_far() {
        assert_eq!(relative_distance(&[0.0], &[0.0]), 0.0);
        assert_eq!(relative_distance(&[0.0], &[1.0]), f64::INFINITY);
    }
}
