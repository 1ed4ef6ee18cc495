//! Retrieving (WADO-RS, PS3.18 section 10.4): whole objects, their attributes, frames, pictures.
//!
//! Objects stream from their files; of what is decoded one frame is in memory for each of the few places there are for it.

mod bulk;
mod find;
mod frames;
mod metadata;
mod objects;
mod range;
mod rendered;

pub(super) use bulk::bulk_data;
pub(super) use frames::frames;
pub(super) use frames::numbers as frame_numbers;
pub(super) use metadata::metadata;
pub(super) use objects::{any_instance, objects};
pub(super) use range::{Asked as AskedRange, asked as asked_range};
pub(super) use rendered::{frame_rendered, frame_thumbnail, instance_rendered, thumbnail};
