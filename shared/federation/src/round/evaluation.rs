use std::collections::BTreeMap;

/// Means of the clinics' metrics, weighted by their examples: one for each name, over the clinics that report it.
///
/// Replies are (weight, metrics); a reply of weight 0 counts for nothing. A mean that is no finite number is left out.
/// Names come out in order.
pub fn weighted_metrics<'a>(
    replies: impl IntoIterator<Item = (f64, &'a [(String, f64)])>,
) -> Vec<(String, f64)> {
    let mut sums: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (weight, metrics) in replies {
        for (name, value) in metrics {
            let (sum, weights) = sums.entry(name).or_default();
            *sum += weight * value;
            *weights += weight;
        }
    }
    sums.into_iter()
        .filter(|(_, (_, weights))| 0.0 < *weights)
        .map(|(name, (sum, weights))| (name.to_owned(), sum / weights))
        .filter(|(_, mean)| mean.is_finite())
        .collect()
}
