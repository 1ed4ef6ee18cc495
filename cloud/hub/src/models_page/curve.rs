//! A metric over the rounds as a drawing of lines. Pure.

/// The plot's size in units of its SVG.
pub(super) const WIDTH: f64 = 420.0;
pub(super) const HEIGHT: f64 = 150.0;

/// A drawing; none when there is nothing to draw.
#[derive(Debug, PartialEq)]
pub(super) struct Curve {
    pub(super) title: &'static str,
    pub(super) lines: Vec<Line>,
    /// Labels of the vertical axis from top to bottom: highest, middle, lowest.
    pub(super) scale: [String; 3],
    pub(super) last_round: u32,
}

#[derive(Debug, PartialEq)]
pub(super) struct Line {
    pub(super) name: &'static str,
    /// `x,y x,y …`.
    pub(super) points: String,
    /// The newest point.
    pub(super) end: (String, String),
    pub(super) newest: String,
}

/// The values of one metric by round.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) name: &'static str,
    pub(super) values: Vec<(u32, f64)>,
}

/// Draws series over rounds 1 to `rounds`. `ceiling` is the highest value the metric can have.
pub(super) fn draw(
    title: &'static str,
    series: &[Series],
    rounds: u32,
    ceiling: Option<f64>,
) -> Option<Curve> {
    let series: Vec<&Series> = series.iter().filter(|series| !series.values.is_empty()).collect();
    let values = || {
        series
            .iter()
            .flat_map(|series| &series.values)
            .map(|(_, value)| *value)
    };
    let (low, high) = values().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    if !low.is_finite() || !high.is_finite() {
        return None;
    }
    let (bottom, top) = span(low, high, ceiling);
    let last_round = series
        .iter()
        .flat_map(|series| &series.values)
        .map(|(round, _)| *round)
        .fold(rounds.max(1), u32::max);
    let x = |round: u32| f64::from(round.saturating_sub(1)) / f64::from((last_round - 1).max(1)) * WIDTH;
    let y = |value: f64| (top - value) / (top - bottom) * HEIGHT;
    let line = |series: &&Series| {
        let points = series.values.iter().map(|(round, value)| (x(*round), y(*value)));
        let points: Vec<(String, String)> = points
            .map(|(x, y)| (format!("{x:.1}"), format!("{y:.1}")))
            .collect();
        Line {
            name: series.name,
            points: points
                .iter()
                .map(|(x, y)| format!("{x},{y}"))
                .collect::<Vec<_>>()
                .join(" "),
            end: points.last().cloned().unwrap_or_default(),
            newest: series
                .values
                .last()
                .map(|(_, value)| format!("{value:.4}"))
                .unwrap_or_default(),
        }
    };
    Some(Curve {
        title,
        lines: series.iter().map(line).collect(),
        scale: [top, f64::midpoint(top, bottom), bottom].map(|value| format!("{value:.3}")),
        last_round,
    })
}

/// Bottom and top of the axis: what was seen and a little more, never nothing, and not beyond what there can be.
fn span(low: f64, high: f64, ceiling: Option<f64>) -> (f64, f64) {
    let margin = ((high - low) * 0.08).max(0.005);
    let top = ceiling.map_or(high + margin, |ceiling| (high + margin).min(ceiling).max(high));
    (((low - margin).max(0.0)).min(low), top)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[(u32, f64)]) -> Series {
        Series {
            name: "auc",
            values: values.to_vec(),
        }
    }

    #[test]
    fn a_run_under_way_leaves_room_for_its_rounds() {
        let curve = draw("AUC", &[series(&[(1, 0.8), (2, 0.9)])], 5, Some(1.0)).unwrap();
        assert_eq!(curve.last_round, 5);
        let (x, _) = &curve.lines[0].end;
        assert_eq!(x, "105.0", "a quarter of the width: round 2 of 5");
        assert_eq!(curve.lines[0].newest, "0.9000");
    }

    #[test]
    fn an_axis_is_never_empty_and_never_beyond_what_there_is() {
        let curve = draw("AUC", &[series(&[(1, 1.0)])], 1, Some(1.0)).unwrap();
        assert_eq!(curve.scale[0], "1.000");
        assert!(curve.lines[0].points.starts_with("0.0,0.0"));
        assert!(draw("AUC", &[series(&[])], 3, None).is_none());
        assert!(draw("AUC", &[series(&[(1, f64::NAN)])], 3, None).is_none());
        let loss = draw("loss", &[series(&[(1, 0.001)])], 3, None).unwrap();
        assert_eq!(loss.scale[2], "0.000");
    }
}
