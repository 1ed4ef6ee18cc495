/// Most points of a stored curve.
const POINTS: usize = 200;

/// The ROC curve: 1 - specificity and sensitivity as the threshold falls, from (0, 0) to (1, 1). Equal scores make one
/// step; a long curve is thinned. Empty when one class has no case.
pub(super) fn roc(scores: &[f64], present: &[bool]) -> Vec<[f64; 2]> {
    let mut cases: Vec<(f64, bool)> = scores.iter().copied().zip(present.iter().copied()).collect();
    cases.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    let positives = cases.iter().filter(|(_, present)| *present).count();
    let negatives = cases.len() - positives;
    if positives == 0 || negatives == 0 {
        return Vec::new();
    }
    let (mut hits, mut alarms) = (0_usize, 0_usize);
    let mut points = vec![[0.0, 0.0]];
    for tied in cases.chunk_by(|(one, _), (other, _)| one == other) {
        hits += tied.iter().filter(|(_, present)| *present).count();
        alarms += tied.iter().filter(|(_, present)| !*present).count();
        points.push([alarms as f64 / negatives as f64, hits as f64 / positives as f64]);
    }
    thin(points)
}

/// Keeps both ends.
fn thin(points: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    let last = points.len().saturating_sub(1);
    if last < POINTS {
        return points;
    }
    let kept = (0..POINTS).map(|number| number * last / (POINTS - 1));
    kept.filter_map(|place| points.get(place).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_rises_from_corner_to_corner() {
        let curve = roc(&[0.9, 0.8, 0.8, 0.1], &[true, true, false, false]);
        assert_eq!(curve, [[0.0, 0.0], [0.0, 0.5], [0.5, 1.0], [1.0, 1.0]]);
        assert!(roc(&[0.5, 0.6], &[true, true]).is_empty());

        let many: Vec<f64> = (0..5000).map(f64::from).collect();
        let present: Vec<bool> = (0..5000).map(|case| case % 3 == 0).collect();
        let curve = roc(&many, &present);
        assert_eq!((curve.len(), curve[0], curve[199]), (200, [0.0, 0.0], [1.0, 1.0]));
        assert!(
            curve
                .windows(2)
                .all(|pair| pair[0][0] <= pair[1][0] && pair[0][1] <= pair[1][1])
        );
    }
}
