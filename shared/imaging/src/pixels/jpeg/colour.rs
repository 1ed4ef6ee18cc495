//! What three components stand for.

use super::plane::Sample;
use super::segments::Frame;

/// What an object's header says its three components are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    Rgb,
    /// Brightness and two differences, over the full range.
    Ybr,
}

impl Colours {
    /// The header rules, as it does with pydicom and gdcm, but for two signs in the stream that pydicom believes more:
    /// components that are called R, G and B, and a JFIF segment, whose colours are never RGB.
    pub(super) fn of_stream(self, frame: &Frame, is_jfif: bool) -> Self {
        let ids: Vec<u8> = frame.components.iter().map(|component| component.id).collect();
        match ids.as_slice() {
            b"RGB" | b"rgb" => Self::Rgb,
            _ if is_jfif => Self::Ybr,
            _ => self,
        }
    }
}

/// ITU-R BT.601 over the full range (PS3.3 section C.7.6.3.1.2), in 16-bit fixed point.
pub(super) fn from_ybr<S: Sample>([level, blue, red]: [S; 3]) -> [S; 3] {
    let centre = 1 << (S::PRECISION - 1);
    let (blue, red) = (blue.level() - centre, red.level() - centre);
    let with = |sum: i32| S::clamped(level.level() + ((sum + 0x8000) >> 16));
    [
        with(91_881 * red),
        with(-22_554 * blue - 46_802 * red),
        with(116_130 * blue),
    ]
}
