//! How the patient lies in the picture, as far as the object says.

use barefoot_domain::Side;
use barefoot_imaging::header::Header;

/// Which side of the patient the left of a picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pose {
    /// Not known, or seen from the side.
    #[default]
    Unknown,
    /// The patient's right is at the picture's left: as a reader faces the patient.
    Facing,
    /// The patient's left is at the picture's left.
    Turned,
    /// All of it is one side of the patient: one knee, one hand.
    One(Side),
}

impl Pose {
    #[must_use]
    pub fn of(header: &Header) -> Self {
        Self::from(
            header.laterality().as_deref(),
            header.patient_orientation().as_deref(),
            header.view_position().as_deref(),
        )
    }

    /// The object's own word on its orientation goes before what is usual for its view.
    fn from(laterality: Option<&str>, rows_towards: Option<&str>, view: Option<&str>) -> Self {
        match (
            laterality,
            rows_towards.and_then(|towards| towards.chars().next()),
            view,
        ) {
            (Some("R"), ..) => Self::One(Side::Right),
            (Some("L"), ..) => Self::One(Side::Left),
            (_, Some('L'), _) => Self::Facing,
            (_, Some('R'), _) => Self::Turned,
            (_, Some(_), _) => Self::Unknown,
            (_, None, Some("PA" | "AP")) => Self::Facing,
            (_, None, _) => Self::Unknown,
        }
    }

    /// The side of what lies so far towards the picture's left and right, each as a share of it.
    pub(crate) fn side(self, left_share: f32) -> Option<Side> {
        /// With less than this beyond the middle it is the other side's.
        const BEYOND: f32 = 0.25;
        let (left, right) = match self {
            Self::Unknown => return None,
            Self::One(side) => return Some(side),
            Self::Facing => (Side::Right, Side::Left),
            Self::Turned => (Side::Left, Side::Right),
        };
        Some(if left_share < BEYOND {
            right
        } else if 1.0 - BEYOND < left_share {
            left
        } else {
            Side::Both
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_says_how_the_patient_lies_and_else_its_view() {
        for (laterality, orientation, view, expected) in [
            (None, None, Some("PA"), Pose::Facing),
            (None, None, Some("AP"), Pose::Facing),
            (None, Some("L"), None, Pose::Facing),
            (None, Some("LF"), Some("AP"), Pose::Facing),
            (None, Some("R"), Some("PA"), Pose::Turned),
            (None, Some("A"), Some("PA"), Pose::Unknown),
            (None, None, Some("LL"), Pose::Unknown),
            (None, None, None, Pose::Unknown),
            (Some("R"), Some("L"), Some("AP"), Pose::One(Side::Right)),
            (Some("U"), None, Some("PA"), Pose::Facing),
        ] {
            assert_eq!(
                Pose::from(laterality, orientation, view),
                expected,
                "{orientation:?} {view:?}"
            );
        }
    }

    #[test]
    fn the_pictures_left_is_the_patients_right() {
        assert_eq!(Pose::Facing.side(1.0), Some(Side::Right));
        assert_eq!(Pose::Facing.side(0.1), Some(Side::Left));
        assert_eq!(Pose::Turned.side(1.0), Some(Side::Left));
        assert_eq!(Pose::Facing.side(0.5), Some(Side::Both));
        assert_eq!(Pose::One(Side::Left).side(1.0), Some(Side::Left));
        assert_eq!(Pose::Unknown.side(1.0), None);
    }
}
