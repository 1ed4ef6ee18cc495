//! A chest as a radiologist would sketch it: centimetres, x from the midline (the patient's right is negative, as the
//! picture hangs), y from the upper edge of a 35 × 42 cm detector.

use super::canvas::{Canvas, Node, Tube};
use super::noise::{Field, Random};

/// What differs from person to person.
#[derive(Debug, Clone)]
pub(crate) struct Anatomy {
    /// Widest point of the lungs, from the midline.
    pub(crate) cage: f32,
    pub(crate) apex: f32,
    pub(crate) right_dome: f32,
    pub(crate) left_dome: f32,
    pub(crate) heart_width: f32,
    pub(crate) heart_height: f32,
    pub(crate) heart_x: f32,
    pub(crate) thickness: f32,
    pub(crate) tilt: f32,
    pub(crate) gas_bubble: f32,
}

impl Anatomy {
    pub(crate) fn draw(random: &mut Random) -> Self {
        let right_dome = random.between(28.5, 31.0);
        Self {
            cage: random.between(12.6, 14.2),
            apex: random.between(6.2, 7.2),
            right_dome,
            left_dome: right_dome + random.between(0.8, 1.8),
            heart_width: random.between(5.6, 6.8),
            heart_height: random.between(5.0, 5.9),
            heart_x: random.between(1.6, 2.4),
            thickness: random.between(19.0, 25.0),
            tilt: random.between(9.0, 12.0),
            gas_bubble: random.between(0.0, 2.6),
        }
    }

    /// Half the width of the body at a height: neck, shoulders, chest wall.
    fn half_width(&self, y: f32) -> f32 {
        let shoulder = smooth((y - 2.6) / 6.5);
        let waist = smooth((y - 9.0) / 6.0);
        let wall = self.cage + 2.6;
        5.2 + (20.5 - 5.2) * shoulder - (20.5 - wall) * waist
    }

    /// Water the body would be without lungs and bones.
    pub(crate) fn body(&self, x: f32, y: f32) -> f32 {
        let half = self.half_width(y);
        let across = x / half;
        let shape = 1.0 - across.abs().powf(2.6);
        if shape <= 0.0 {
            return 0.0;
        }
        let depth = 0.62 + 0.38 * smooth((y - 3.0) / 10.0);
        self.thickness * depth * shape.sqrt()
    }

    /// How deep in a lung a ray passes, 0 outside to 1 in the middle; negative x is the right lung.
    pub(crate) fn lung(&self, x: f32, y: f32) -> f32 {
        let side = x.abs();
        let up = (27.0 - y) / (27.0 - self.apex);
        if up >= 1.0 {
            return 0.0;
        }
        // The cage: an ellipse above its widest point, nearly straight below it.
        let lateral = if up > 0.0 {
            self.cage * (1.0 - up * up * up).max(0.0).powf(0.52)
        } else {
            self.cage + 0.02 * up
        };
        // The mediastinal border bends away from the apex and around the great vessels.
        let medial = 2.0 + 1.1 * smooth((self.apex + 4.0 - y) / 4.0) + 0.5 * smooth((y - 24.0) / 6.0);
        let dome = if x < 0.0 { self.right_dome } else { self.left_dome };
        let from_top = side - 5.4;
        let floor = dome + if from_top > 0.0 { 0.075 } else { 0.028 } * from_top * from_top;
        let to_lateral = (lateral - side) / 3.6;
        let to_medial = (side - medial) / 1.5;
        let to_floor = (floor - y) / 1.1;
        let to_apex = (y - self.apex) / 4.0;
        if to_lateral <= 0.0 || to_medial <= 0.0 || to_floor <= 0.0 {
            return 0.0;
        }
        round(to_lateral) * round(to_medial) * round(to_floor) * round(to_apex)
    }

    /// Heart, great vessels and mediastinum: share of the lung's depth they displace, 0 to 1.
    pub(crate) fn mediastinum(&self, x: f32, y: f32) -> f32 {
        let bottom = self.left_dome + 0.6;
        let (hx, hy) = (x - self.heart_x, y - (bottom - self.heart_height));
        // The long axis points to the patient's left and down.
        let (sin, cos) = (0.45_f32.sin(), 0.45_f32.cos());
        let (u, v) = (hx * cos + hy * sin, hy * cos - hx * sin);
        let heart = blob(u / (self.heart_width * 1.06), v / self.heart_height);
        let atrium = blob((x + 2.0) / 2.7, (y - bottom + self.heart_height) / 5.2);
        let knob = blob((x - 2.0) / 1.6, (y - 14.4) / 1.7);
        let trunk = blob((x - 2.2) / 1.8, (y - 18.6) / 4.2);
        let cava = blob((x + 1.9) / 1.5, (y - 15.5) / 6.5);
        let strip = round((2.3 - x.abs()) / 0.7) * round((y - 2.0) / 3.0);
        // Together they leave the air that none of them takes.
        let air = [heart, atrium, knob * 0.8, trunk * 0.6, cava * 0.6, strip];
        1.0 - air.into_iter().map(|taken| 1.0 - taken).product::<f32>()
    }

    /// Air in trachea and main bronchi, centimetres.
    pub(crate) fn airway(&self, canvas: &mut Canvas) {
        let node = |x: f32, y: f32, radius: f32| Node {
            x,
            y,
            radius,
            density: -3.4 * radius,
        };
        canvas.tube(
            &[node(0.1, -1.0, 0.95), node(0.0, 8.0, 0.92), node(-0.3, 16.2, 0.9)],
            Tube::Solid,
        );
        canvas.tube(&[node(-0.3, 16.0, 0.7), node(-2.4, 19.2, 0.55)], Tube::Solid);
        canvas.tube(&[node(-0.2, 16.0, 0.7), node(3.2, 19.4, 0.5)], Tube::Solid);
    }

    /// Ribs are tilted rings; seen along the beam each makes a flat arc behind and a steep one in front.
    pub(crate) fn ribs(&self, canvas: &mut Canvas, random: &mut Random) {
        for number in 0_u8..11 {
            let n = f32::from(number);
            let level = 6.2 + 2.42 * n + random.between(-0.12, 0.12);
            let reach = (self.cage + 0.75) * (1.0 - (-0.75 - 0.48 * n).exp()).min(1.0);
            let tilt = self.tilt * (0.42 + 0.075 * n).min(1.0);
            // The lowest ribs end before they come round to the front.
            let last = if number < 7 {
                148.0
            } else {
                118.0 - 6.0 * (n - 7.0)
            };
            for side in [-1.0_f32, 1.0] {
                let lift = random.between(-0.1, 0.1);
                let steps = 80_u8;
                let path: Vec<Node> = (0..=steps)
                    .map(|step| {
                        let t = f32::from(step) / f32::from(steps);
                        let angle = (last * t).to_radians();
                        let swing = angle.sin().abs().powf(0.8);
                        Node {
                            x: side * (1.2 + (reach - 1.2) * swing),
                            y: level + lift + tilt * (1.0 - angle.cos()) / 2.0
                                - 1.1 * angle.sin() * (1.0 - t),
                            radius: 0.62 + 0.12 * (1.0 - t),
                            density: 4.2 - 1.9 * t,
                        }
                    })
                    .collect();
                canvas.tube(&path, Tube::Hollow);
            }
        }
    }

    pub(crate) fn shoulders(&self, canvas: &mut Canvas, random: &mut Random) {
        let drop = random.between(-0.4, 0.4);
        for side in [-1.0_f32, 1.0] {
            let node = |x: f32, y: f32, radius: f32, density: f32| Node {
                x: side * x,
                y: y + drop * side * 0.5,
                radius,
                density,
            };
            canvas.tube(
                &[
                    node(1.7, 9.3, 0.95, 4.4),
                    node(4.0, 8.5, 0.72, 4.8),
                    node(7.5, 7.5, 0.62, 4.8),
                    node(10.5, 6.3, 0.66, 4.6),
                    node(13.6, 5.6, 0.8, 4.2),
                ],
                Tube::Hollow,
            );
            // Scapula: its thick borders, swung outside the lung fields as in a good PA view.
            canvas.tube(
                &[
                    node(12.6, 7.4, 0.55, 1.3),
                    node(12.9, 12.0, 0.42, 1.2),
                    node(14.1, 17.6, 0.5, 1.2),
                ],
                Tube::Hollow,
            );
            canvas.tube(
                &[
                    node(16.4, 8.2, 0.8, 1.6),
                    node(15.6, 13.0, 0.6, 1.5),
                    node(14.2, 17.6, 0.5, 1.2),
                ],
                Tube::Hollow,
            );
            canvas.tube(
                &[
                    node(16.6, 7.4, 2.1, 3.4),
                    node(17.6, 12.0, 1.5, 3.0),
                    node(18.0, 20.0, 1.3, 3.0),
                ],
                Tube::Hollow,
            );
        }
    }

    /// Vertebra after vertebra, disc after disc: water-equivalent centimetres.
    pub(crate) fn spine(&self, x: f32, y: f32) -> f32 {
        let half = 1.35 + 0.018 * y;
        let column = round((half - x.abs()) / 0.35);
        let phase = (y / (2.1 + 0.012 * y)).fract();
        let body = 0.72 + 0.28 * round((phase.min(1.0 - phase)) / 0.16);
        let pedicle = |side: f32| blob((x - side * 1.0) / 0.32, (phase - 0.35) / 0.16);
        let process = blob(x / 0.3, (phase - 0.75) / 0.22);
        2.3 * column * body + 0.9 * (pedicle(1.0) + pedicle(-1.0) + process)
    }

    /// Pulmonary vessels: trees from both hila, thinner and fainter at each fork.
    pub(crate) fn vessels(&self, canvas: &mut Canvas, random: &mut Random) {
        for side in [-1.0_f32, 1.0] {
            let root = (side * 3.3, if side < 0.0 { 20.4 } else { 19.4 });
            for branch in 0_u8..9 {
                let angle = -1.35 + 2.75 * f32::from(branch) / 8.0 + random.between(-0.12, 0.12);
                let radius = random.between(0.34, 0.5);
                // Not all from one point: a hilum is a bundle, not a star.
                let start = (root.0 + side * 0.3 * angle.cos(), root.1 + 0.9 * angle.sin());
                Self::vessel(canvas, random, side, start, angle, radius, 0);
            }
        }
    }

    fn vessel(
        canvas: &mut Canvas,
        random: &mut Random,
        side: f32,
        from: (f32, f32),
        angle: f32,
        radius: f32,
        depth: u8,
    ) {
        if radius < 0.06 || depth > 5 {
            return;
        }
        let mut path = Vec::new();
        let (mut x, mut y, mut heading) = (from.0, from.1, angle);
        let steps = 6_u8;
        let length = random.between(1.9, 3.0) * (1.0 - 0.09 * f32::from(depth));
        for step in 0..=steps {
            let narrowing = 1.0 - 0.3 * f32::from(step) / f32::from(steps);
            path.push(Node {
                x,
                y,
                radius: radius * narrowing,
                density: 5.5 * radius * narrowing,
            });
            heading += random.between(-0.12, 0.12);
            x += side * heading.cos() * length / f32::from(steps);
            y += heading.sin() * length / f32::from(steps);
        }
        canvas.tube(&path, Tube::Solid);
        let spread = random.between(0.22, 0.5);
        for turn in [-spread, spread * 0.8] {
            let thinner = radius * random.between(0.58, 0.74);
            Self::vessel(canvas, random, side, (x, y), heading + turn, thinner, depth + 1);
        }
    }

    /// Gas under the left diaphragm, centimetres of air.
    pub(crate) fn stomach(&self, x: f32, y: f32) -> f32 {
        2.2 * self.gas_bubble
            * blob(
                (x - 6.0) / (1.2 + self.gas_bubble),
                (y - self.left_dome - 2.6) / 1.5,
            )
    }
}

/// A pneumonia-like opacity: patches of water where air should be.
#[derive(Debug, Clone)]
pub(crate) struct Consolidation {
    patches: Vec<(f32, f32, f32, f32)>,
    coarse: Field,
    fine: Field,
}

impl Consolidation {
    pub(crate) fn draw(random: &mut Random) -> Self {
        let side = if random.unit() < 0.6 { -1.0 } else { 1.0 };
        let (x, y) = (side * random.between(6.4, 9.4), random.between(19.5, 26.5));
        let patches = (0..7)
            .map(|_| {
                (
                    x + random.between(-2.2, 2.2),
                    y + random.between(-2.4, 2.4),
                    random.between(1.4, 3.0),
                    random.between(0.35, 0.75),
                )
            })
            .collect();
        Self {
            patches,
            coarse: Field::new(random, 40.0, 45.0, 1.1),
            fine: Field::new(random, 40.0, 45.0, 0.37),
        }
    }

    /// Share of the lung's air that is gone, 0 to 1.
    pub(crate) fn share(&self, x: f32, y: f32) -> f32 {
        let sum: f32 = self
            .patches
            .iter()
            .map(|(px, py, radius, weight)| {
                let distance = ((x - px).powi(2) + (y - py).powi(2)) / (radius * radius);
                weight * (-1.3 * distance).exp()
            })
            .sum();
        if sum < 0.01 {
            return 0.0;
        }
        let grain = 1.0 + 0.25 * self.coarse.at(x + 20.0, y) + 0.1 * self.fine.at(x + 20.0, y);
        (1.0 - (-sum * grain).exp()).clamp(0.0, 0.92)
    }
}

/// 0 to 1 along a circle's quarter: an edge as a rounded body throws it.
fn round(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    (t * (2.0 - t)).sqrt()
}

fn smooth(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// The chord of an ellipsoid, 1 in its middle.
fn blob(u: f32, v: f32) -> f32 {
    (1.0 - u * u - v * v).max(0.0).sqrt()
}
