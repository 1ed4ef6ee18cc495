//! How a picture's grey levels lie, for the quality rules.

use crate::pixels::GrayImage;

/// Levels told apart: the usual depth of a radiograph.
const LEVELS: usize = 4096;

/// Shares and grey levels within 0 and 1; an empty picture is all zero.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PixelStatistics {
    /// One pixel in a hundred is no brighter.
    pub p01: f32,
    pub p50: f32,
    /// One pixel in a hundred is brighter.
    pub p99: f32,
    pub mean: f32,
    /// Share of pixels that are fully black.
    pub black_fraction: f32,
    /// Share of pixels that are fully white.
    pub white_fraction: f32,
    /// Of 4096 levels, how many occur.
    pub distinct_levels: u32,
}

/// One pass over the picture.
#[must_use]
pub fn statistics(image: &GrayImage) -> PixelStatistics {
    let total = image.data.len();
    if total == 0 {
        return PixelStatistics::default();
    }
    let mut histogram = vec![0_u32; LEVELS];
    let top = (LEVELS - 1) as f32;
    for level in &image.data {
        // Rounded by the cast, which makes NaN zero too.
        let bin = (level * top + 0.5) as usize;
        if let Some(count) = histogram.get_mut(bin.min(LEVELS - 1)) {
            *count += 1;
        }
    }
    let share = |count: Option<&u32>| count.copied().unwrap_or(0) as f32 / total as f32;
    let weighted: f64 = histogram
        .iter()
        .enumerate()
        .map(|(bin, count)| bin as f64 * f64::from(*count))
        .sum();
    PixelStatistics {
        p01: percentile(&histogram, total, 0.01),
        p50: percentile(&histogram, total, 0.50),
        p99: percentile(&histogram, total, 0.99),
        mean: (weighted / total as f64) as f32 / top,
        black_fraction: share(histogram.first()),
        white_fraction: share(histogram.last()),
        distinct_levels: histogram.iter().map(|count| u32::from(*count != 0)).sum(),
    }
}

/// The level below or at which the share `rank` of all pixels lies.
fn percentile(histogram: &[u32], total: usize, rank: f64) -> f32 {
    let wanted = (total as f64 * rank).ceil() as u64;
    let mut passed = 0_u64;
    let bin = histogram.iter().position(|count| {
        passed += u64::from(*count);
        wanted <= passed
    });
    bin.unwrap_or(0) as f32 / (LEVELS - 1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(data: Vec<f32>) -> PixelStatistics {
        statistics(&GrayImage {
            width: data.len() as u32,
            height: 1,
            data,
            frame_count: 1,
        })
    }

    #[test]
    fn a_ramp_is_spread_evenly() {
        let found = of((0..=1000).map(|i| i as f32 / 1000.0).collect());
        assert!((found.p01 - 0.01).abs() < 0.002, "{found:?}");
        assert!(
            (found.p50 - 0.5).abs() < 0.002 && (found.mean - 0.5).abs() < 0.002,
            "{found:?}"
        );
        assert!((found.p99 - 0.99).abs() < 0.002, "{found:?}");
        assert_eq!(found.distinct_levels, 1001);
    }

    #[test]
    fn black_and_white_are_counted() {
        let found = of(vec![0.0, 0.0, 0.0, 1.0]);
        assert_eq!((found.black_fraction, found.white_fraction), (0.75, 0.25));
        assert_eq!(found.distinct_levels, 2);
    }

    #[test]
    fn nothing_and_nonsense_are_survived() {
        assert_eq!(of(Vec::new()), PixelStatistics::default());
        assert_eq!(of(vec![f32::NAN, f32::INFINITY, -5.0]).distinct_levels, 2);
    }
}
