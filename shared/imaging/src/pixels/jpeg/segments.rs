//! Marker segments (T.81 annex B).

use super::huffman::Huffman;

/// The most blocks of an interleaved unit (T.81 section B.2.3).
const MOST_BLOCKS: usize = 10;

pub(super) struct Component {
    pub(super) id: u8,
    /// Sampling factors: blocks of a unit.
    pub(super) across: usize,
    pub(super) down: usize,
    /// The table of its quantisation.
    pub(super) table: usize,
}

pub(super) struct Frame {
    pub(super) precision: u8,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) components: Vec<Component>,
}

impl Frame {
    /// The largest sampling factors.
    pub(super) fn most(&self) -> (usize, usize) {
        let most = |factor: fn(&Component) -> usize| self.components.iter().map(factor).max().unwrap_or(1);
        (
            most(|component| component.across),
            most(|component| component.down),
        )
    }

    /// How many interleaved units the picture takes across and down (T.81 section A.2.3).
    pub(super) fn units(&self) -> (usize, usize) {
        let (across, down) = self.most();
        (self.width.div_ceil(8 * across), self.height.div_ceil(8 * down))
    }
}

/// A component of a scan: which of the frame's it is, and its tables.
pub(super) struct Part {
    pub(super) component: usize,
    pub(super) dc: usize,
    pub(super) ac: usize,
}

/// The marker, its segment without the length, and what stands behind it.
pub(super) fn next(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let rest = bytes.strip_prefix(&[0xFF])?;
    // Any number of fill bytes may stand before a marker.
    let at = rest.iter().position(|byte| *byte != 0xFF)?;
    let (marker, after) = rest.get(at..)?.split_first()?;
    match marker {
        0 => None,
        0x01 | 0xD0..=0xD9 => Some((*marker, &[], after)),
        _ => {
            let (length, _) = after.split_first_chunk::<2>()?;
            let (segment, behind) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            Some((*marker, segment.get(2..)?, behind))
        }
    }
}

/// T.81 section B.2.2.
pub(super) fn frame(segment: &[u8]) -> Option<Frame> {
    let [precision, y1, y0, x1, x0, count, specs @ ..] = segment else {
        return None;
    };
    let (specs, _) = specs.as_chunks::<3>();
    let components: Vec<Component> = specs
        .iter()
        .take(usize::from(*count))
        .map(|[id, factors, table]| Component {
            id: *id,
            across: usize::from(factors >> 4),
            down: usize::from(factors & 15),
            table: usize::from(*table),
        })
        .collect();
    let frame = Frame {
        precision: *precision,
        height: usize::from(u16::from_be_bytes([*y1, *y0])),
        width: usize::from(u16::from_be_bytes([*x1, *x0])),
        components,
    };
    let factors = 1..=4;
    let fits = matches!(frame.components.len(), 1 | 3)
        && frame.components.len() == usize::from(*count)
        && frame
            .components
            .iter()
            .all(|component| factors.contains(&component.across) && factors.contains(&component.down));
    (fits && frame.width != 0 && frame.height != 0).then_some(frame)
}

/// T.81 section B.2.3. Spectral selection and approximation say nothing in these processes.
pub(super) fn scan(segment: &[u8], frame: &Frame) -> Option<Vec<Part>> {
    let (count, specs) = segment.split_first()?;
    let specs = specs.get(..2 * usize::from(*count))?;
    let (specs, _) = specs.as_chunks::<2>();
    let mut parts: Vec<Part> = Vec::new();
    let mut blocks = 0;
    for [id, tables] in specs {
        let component = frame
            .components
            .iter()
            .position(|component| component.id == *id)?;
        if parts.iter().any(|part| part.component == component) {
            return None;
        }
        let found = frame.components.get(component)?;
        blocks += found.across * found.down;
        parts.push(Part {
            component,
            dc: usize::from(tables >> 4),
            ac: usize::from(tables & 15),
        });
    }
    let fits = parts.len() == 1 || (1 < parts.len() && blocks <= MOST_BLOCKS);
    fits.then_some(parts)
}

/// T.81 section B.2.4.1.
pub(super) fn quantisation(mut segment: &[u8], tables: &mut [Option<[u16; 64]>; 4]) -> Option<()> {
    while let Some((spec, rest)) = segment.split_first() {
        let wide = spec >> 4 != 0;
        let (values, behind) = rest.split_at_checked(if wide { 128 } else { 64 })?;
        let mut table = [0; 64];
        if wide {
            let (pairs, _) = values.as_chunks::<2>();
            for (entry, pair) in table.iter_mut().zip(pairs) {
                *entry = u16::from_be_bytes(*pair);
            }
        } else {
            for (entry, byte) in table.iter_mut().zip(values) {
                *entry = u16::from(*byte);
            }
        }
        *tables.get_mut(usize::from(spec & 15))? = Some(table);
        segment = behind;
    }
    Some(())
}

/// T.81 section B.2.4.2.
pub(super) fn huffman(
    mut segment: &[u8],
    dc: &mut [Option<Huffman>; 4],
    ac: &mut [Option<Huffman>; 4],
) -> Option<()> {
    while let Some((spec, rest)) = segment.split_first() {
        let (counts, rest) = rest.split_first_chunk::<16>()?;
        let length = counts.iter().map(|count| usize::from(*count)).sum();
        let (values, behind) = rest.split_at_checked(length)?;
        let tables = match spec >> 4 {
            0 => &mut *dc,
            1 => &mut *ac,
            _ => return None,
        };
        *tables.get_mut(usize::from(spec & 15))? = Some(Huffman::new(*counts, values)?);
        segment = behind;
    }
    Some(())
}
