//! Whether a candidate may be offered for signing. Pure: parameters, test sets and the plan in, a verdict out.
//!
//! `structure` (is it an allowed change at all) → `recalibrate` (temperature and operating point, on the calibration
//! set only) → `measure` (candidate beside base, set by set) → `verdict` (each bound, its value, held or not).
//! What cannot be measured does not hold: the gate fails closed.

mod measure;
mod recalibrate;
mod roc;
mod structure;
mod verdict;

pub(crate) use measure::{Bin, Estimate, FindingReport, Measures, SetReport};
pub(super) use measure::{curve_figures, measure};
pub(crate) use recalibrate::Recalibrated;
pub(super) use recalibrate::recalibrate;
pub(super) use structure::check as check_structure;
pub(super) use verdict::judge;
pub(crate) use verdict::{Check, Limit, Quantity, Uncovered};
