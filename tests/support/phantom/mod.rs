//! Pictures for a machine that has none: chests and CT slices drawn from a seed.
//!
//! A person should say "chest"; no model needs to believe it.

mod noise;

mod canvas;

mod anatomy;

mod chest;
pub use chest::{Chest, Defect, Size};

mod ct;
pub use ct::CtSlice;
