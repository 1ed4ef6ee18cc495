//! Where a model saw what it says: a map over the picture and measured regions, never outside the anatomy shown.

mod anatomy;
mod occlusion;
mod placed;
mod pose;
mod regions;

pub(crate) use anatomy::Anatomy;
pub(crate) use occlusion::{Plane, occlusion_maps};
pub(crate) use placed::{Field, Grid, placed};
pub use pose::Pose;
pub(crate) use regions::regions;
