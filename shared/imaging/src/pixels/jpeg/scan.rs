//! One scan's blocks in the order they come in (T.81 sections A.2 and F.2.2).

use super::Tables;
use super::bits::Bits;
use super::blocks::Coding;
use super::plane::{Plane, Sample};
use super::segments::{Frame, Part};

/// `None` where the stream is damaged.
pub(super) fn decode<S: Sample>(
    bits: &mut Bits<'_>,
    frame: &Frame,
    parts: &[Part],
    tables: &Tables,
    planes: &mut [Plane<S>],
) -> Option<()> {
    let mut codings = Vec::new();
    for part in parts {
        let component = frame.components.get(part.component)?;
        planes.get_mut(part.component)?.begin()?;
        codings.push(Coding {
            quantisation: tables.quantisation.get(component.table)?.as_ref()?,
            dc: tables.dc.get(part.dc)?.as_ref()?,
            ac: tables.ac.get(part.ac)?.as_ref()?,
            predicted: 0,
        });
    }
    // Blocks of a unit, and units across and down: a component alone comes block by block.
    let (factors, (across, down)) = match parts {
        [alone] => (vec![(1, 1)], planes.get(alone.component)?.blocks()),
        _ => {
            let factors = |part: &Part| {
                let component = frame.components.get(part.component)?;
                Some((component.across, component.down))
            };
            let factors: Option<Vec<_>> = parts.iter().map(factors).collect();
            (factors?, frame.units())
        }
    };
    let mut restarts = Restarts::new(tables.restart_interval);
    for unit_y in 0..down {
        for unit_x in 0..across {
            if let Some(number) = restarts.due() {
                bits.restart(number)?;
                codings.iter_mut().for_each(|coding| coding.predicted = 0);
            }
            for ((part, coding), (across, down)) in parts.iter().zip(&mut codings).zip(&factors) {
                let plane = planes.get_mut(part.component)?;
                for y in unit_y * down..(unit_y + 1) * down {
                    for x in unit_x * across..(unit_x + 1) * across {
                        let mut block = [[0; 8]; 8];
                        let is_flat = coding.block(bits, &mut block)?;
                        plane.put(x, y, &block, is_flat)?;
                    }
                }
            }
        }
    }
    Some(())
}

/// When the next restart marker comes, and which.
struct Restarts {
    interval: u32,
    left: u32,
    number: u8,
}

impl Restarts {
    fn new(interval: u32) -> Self {
        Self {
            interval,
            left: interval,
            number: 0,
        }
    }

    /// Called before each unit.
    fn due(&mut self) -> Option<u8> {
        if self.interval == 0 {
            return None;
        }
        if self.left != 0 {
            self.left -= 1;
            return None;
        }
        self.left = self.interval - 1;
        let number = self.number;
        self.number = (number + 1) % 8;
        Some(number)
    }
}
