//! The length of an update and how it is bounded: McMahan et al. 2018 (arXiv 1710.06963), section 3.

use crate::kernels;

/// Part of a shrunk value that is given up so that rounding to float32 cannot push the norm above the limit again.
const ROUNDING: f64 = 1.0 - 1.0 / 8_388_608.0;

/// The l2 norm of a vector that arrives in pieces.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct L2Norm {
    squares: f64,
}

impl L2Norm {
    /// Takes up the next piece.
    pub fn add(&mut self, values: &[f32]) {
        self.squares += kernels::squares(values);
    }

    /// Takes up the squares of a piece that somebody else has gone through.
    pub(crate) fn add_squares(&mut self, squares: f64) {
        self.squares += squares;
    }

    /// The norm of all pieces so far, in the values' unit. NaN or infinite when one of them was.
    pub fn value(self) -> f64 {
        self.squares.sqrt()
    }
}

/// The l2 norm of one piece.
pub fn l2_norm(values: &[f32]) -> f64 {
    let mut norm = L2Norm::default();
    norm.add(values);
    norm.value()
}

/// Why an update cannot be clipped.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum ClipError {
    /// The norm is NaN or infinite: so was a value.
    #[error("The update holds a value that is not a finite number.")]
    NotFinite,
    /// The limit is not a positive number.
    #[error("A clip norm is a positive number.")]
    Limit,
}

/// What every value of an update of length `norm` is multiplied by so that its length is at most `limit`:
/// 1 when it is already.
///
/// # Errors
/// [`ClipError`].
pub fn clip_factor(norm: f64, limit: f64) -> Result<f64, ClipError> {
    if !(limit.is_finite() && limit > 0.0) {
        return Err(ClipError::Limit);
    }
    if !norm.is_finite() {
        return Err(ClipError::NotFinite);
    }
    Ok(if norm <= limit {
        1.0
    } else {
        limit / norm * ROUNDING
    })
}

/// Multiplies every value by `factor`; a factor of 1 changes no bit.
pub fn scale(values: &mut [f32], factor: f64) {
    if factor != 1.0 {
        for value in values {
            *value = (f64::from(*value) * factor) as f32;
        }
    }
}

/// Shrinks a whole update to length `limit` if it is longer. Returns the length it had.
///
/// # Errors
/// [`ClipError`]; the values are then unchanged.
pub fn clip(values: &mut [f32], limit: f64) -> Result<f64, ClipError> {
    let norm = l2_norm(values);
    scale(values, clip_factor(norm, limit)?);
    Ok(norm)
}
