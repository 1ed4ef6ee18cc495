//! Points of the drawings, in the coordinates of the templates' SVG: a square of [`SIDE`] units, y downward.

use super::super::gate::Bin;

/// Side of a drawing's plot area.
pub(super) const SIDE: f64 = 240.0;

/// `x,y x,y …` for a polyline.
pub(super) fn polyline(points: &[[f64; 2]]) -> String {
    let points: Vec<String> = points
        .iter()
        .map(|[x, y]| format!("{:.1},{:.1}", across(*x), down(*y)))
        .collect();
    points.join(" ")
}

/// A dot of a reliability diagram; its area tells how many cases it stands for.
#[derive(Debug, PartialEq)]
pub(super) struct Dot {
    pub(super) x: String,
    pub(super) y: String,
    pub(super) radius: String,
    pub(super) cases: u32,
}

pub(super) fn dots(bins: &[Bin]) -> Vec<Dot> {
    let all: u32 = bins.iter().map(|bin| bin.cases).sum();
    bins.iter()
        .map(|bin| Dot {
            x: format!("{:.1}", across(bin.mean_score)),
            y: format!("{:.1}", down(bin.present)),
            radius: format!(
                "{:.1}",
                2.5 + 9.0 * (f64::from(bin.cases) / f64::from(all.max(1))).sqrt()
            ),
            cases: bin.cases,
        })
        .collect()
}

fn across(share: f64) -> f64 {
    share.clamp(0.0, 1.0) * SIDE
}

fn down(share: f64) -> f64 {
    (1.0 - share.clamp(0.0, 1.0)) * SIDE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_is_below_on_the_left() {
        assert_eq!(
            polyline(&[[0.0, 0.0], [0.5, 1.0], [1.0, 1.0]]),
            "0.0,240.0 120.0,0.0 240.0,0.0"
        );
        let bin = |cases| Bin {
            cases,
            mean_score: 0.25,
            present: 0.75,
        };
        let dots = dots(&[bin(1), bin(99)]);
        assert_eq!((dots[0].x.as_str(), dots[0].y.as_str()), ("60.0", "60.0"));
        let radius = |place: usize| dots[place].radius.parse::<f64>().unwrap();
        assert!(radius(0) < radius(1) && radius(1) < 12.0);
    }
}
