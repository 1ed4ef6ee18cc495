//! A picture of path lengths: how many centimetres of water each ray passes.

/// Centimetres to grid points, and the sums.
#[derive(Debug, Clone)]
pub(crate) struct Canvas {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
    /// Grid points per centimetre.
    pub(crate) scale: f32,
    pub(crate) values: Vec<f32>,
}

/// What a tube adds where a ray passes `distance` (0 axis, 1 wall) from its axis.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tube {
    /// Vessels: the chord of a full cylinder.
    Solid,
    /// Ribs and clavicles: cortical bone around marrow, so the walls stand out.
    Hollow,
}

impl Tube {
    fn chord(self, distance: f32) -> f32 {
        let outer = (1.0 - distance * distance).max(0.0).sqrt();
        match self {
            Self::Solid => outer,
            Self::Hollow => {
                let inner = distance / 0.8;
                outer - 0.62 * (1.0 - inner * inner).max(0.0).sqrt()
            }
        }
    }
}

/// A point of a path and the tube's radius there, centimetres.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node {
    pub(crate) x: f32,
    pub(crate) y: f32,
    pub(crate) radius: f32,
    /// Water-equivalent centimetres for a ray through the whole diameter.
    pub(crate) density: f32,
}

impl Canvas {
    pub(crate) fn new(columns: usize, rows: usize, scale: f32) -> Self {
        Self {
            columns,
            rows,
            scale,
            values: vec![0.0; columns * rows],
        }
    }

    /// Where a grid point lies: x from the middle, y from the top, centimetres.
    pub(crate) fn place(&self, column: usize, row: usize) -> (f32, f32) {
        (
            (column as f32 + 0.5 - self.columns as f32 / 2.0) / self.scale,
            (row as f32 + 0.5) / self.scale,
        )
    }

    /// Draws a path of tubes. Each grid point takes the path's strongest chord once, so joints do not double.
    pub(crate) fn tube(&mut self, path: &[Node], tube: Tube) {
        let mut touched: Vec<(usize, f32)> = Vec::new();
        for pair in path.windows(2) {
            if let [from, to] = pair {
                self.segment(*from, *to, tube, &mut touched);
            }
        }
        touched.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
        touched.dedup_by_key(|(index, _)| *index);
        for (index, amount) in touched {
            if let Some(value) = self.values.get_mut(index) {
                *value += amount;
            }
        }
    }

    fn segment(&self, from: Node, to: Node, tube: Tube, touched: &mut Vec<(usize, f32)>) {
        let reach = from.radius.max(to.radius);
        let half_width = self.columns as f32 / 2.0;
        let column = |x: f32| ((x * self.scale + half_width).max(0.0) as usize).min(self.columns);
        let row = |y: f32| ((y * self.scale).max(0.0) as usize).min(self.rows);
        let (dx, dy) = (to.x - from.x, to.y - from.y);
        let length_squared = (dx * dx + dy * dy).max(1e-9);
        let overlap = 0.4 * reach / length_squared.sqrt();
        for r in row(from.y.min(to.y) - reach)..row(from.y.max(to.y) + reach) {
            for c in column(from.x.min(to.x) - reach)..column(from.x.max(to.x) + reach) {
                let (x, y) = self.place(c, r);
                let along = ((x - from.x) * dx + (y - from.y) * dy) / length_squared;
                // A little beyond its ends, so that a bend leaves no gap.
                if !(-overlap..=1.0 + overlap).contains(&along) {
                    continue;
                }
                let t = along.clamp(0.0, 1.0);
                let radius = from.radius + (to.radius - from.radius) * t;
                let (ox, oy) = (x - from.x - dx * along, y - from.y - dy * along);
                let distance = (ox * ox + oy * oy).sqrt() / radius;
                if distance < 1.0 {
                    let density = from.density + (to.density - from.density) * t;
                    touched.push((r * self.columns + c, density * tube.chord(distance)));
                }
            }
        }
    }

    /// The value at any place by bilinear interpolation, grid coordinates.
    #[inline]
    pub(crate) fn sample(&self, x: f32, y: f32) -> f32 {
        let x = (x - 0.5).clamp(0.0, self.columns as f32 - 1.001);
        let y = (y - 0.5).clamp(0.0, self.rows as f32 - 1.001);
        let (column, row) = (x as usize, y as usize);
        let (u, v) = (x - column as f32, y - row as f32);
        let index = row * self.columns + column;
        let value = |index: usize| self.values.get(index).copied().unwrap_or_default();
        let upper = value(index) * (1.0 - u) + value(index + 1) * u;
        let lower = value(index + self.columns) * (1.0 - u) + value(index + self.columns + 1) * u;
        upper * (1.0 - v) + lower * v
    }
}
