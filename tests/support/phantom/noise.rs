//! Seeded randomness that is the same on every machine.

/// `SplitMix64`: one multiplication chain per draw, good enough for pictures, never for secrets.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66_D1CE_4E5B)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in 0 to 1.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / 16_777_216.0
    }

    pub(crate) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Near enough a normal deviate: four 16-bit uniforms summed, mean 0, deviation 1.
    pub(crate) fn normal(&mut self) -> f32 {
        let bits = self.bits();
        let sum = (bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48);
        (sum as f32 / 65_536.0 - 2.0) * 1.732
    }
}

/// Smooth random field with features about `cell` wide, values about -1 to 1.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    cell: f32,
    columns: usize,
    rows: usize,
    values: Vec<f32>,
}

impl Field {
    pub(crate) fn new(random: &mut Random, width: f32, height: f32, cell: f32) -> Self {
        let columns = (width / cell) as usize + 3;
        let rows = (height / cell) as usize + 3;
        Self {
            cell,
            columns,
            rows,
            values: (0..columns * rows).map(|_| random.between(-1.0, 1.0)).collect(),
        }
    }

    /// `x` and `y` from 0 in the unit of `cell`.
    pub(crate) fn at(&self, x: f32, y: f32) -> f32 {
        let (x, y) = ((x / self.cell).max(0.0), (y / self.cell).max(0.0));
        let (column, row) = (
            (x as usize).min(self.columns - 2),
            (y as usize).min(self.rows - 2),
        );
        let (u, v) = (ease(x - column as f32), ease(y - row as f32));
        let value = |column: usize, row: usize| {
            self.values
                .get(row * self.columns + column)
                .copied()
                .unwrap_or_default()
        };
        let upper = value(column, row) * (1.0 - u) + value(column + 1, row) * u;
        let lower = value(column, row + 1) * (1.0 - u) + value(column + 1, row + 1) * u;
        upper * (1.0 - v) + lower * v
    }
}

fn ease(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
