//! Which named tensors an update consists of, and how its values are cut into chunks.
//!
//! The tensors of a layout, flattened in row-major order and laid end to end in layout order, are one vector of
//! `P` values. Chunk `i` is the values `i * CHUNK_VALUES ..` of that vector, whatever the encoding.

use std::collections::HashSet;

/// Values in every chunk but the last: 1 MiB as float32.
pub const CHUNK_VALUES: usize = 262_144;
/// Most tensors in a layout.
pub const MAX_TENSORS: usize = 1024;
/// Most characters in a tensor's name.
pub const MAX_NAME: usize = 128;
/// Most dimensions of a tensor.
pub const MAX_DIMENSIONS: usize = 16;
/// Most values in a layout.
pub const MAX_ELEMENTS: u64 = 1 << 31;

/// One named tensor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TensorSpec {
    /// 1 to 128 of `A-Z a-z 0-9 . _ -`.
    pub name: String,
    /// Row-major dimensions, none of them zero. Empty for a single value.
    pub shape: Vec<u64>,
}

/// A checked list of tensors. Two updates can be added exactly when their layouts are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Layout {
    specs: Vec<TensorSpec>,
    elements: usize,
}

impl Layout {
    /// Checks a list of tensors that may come from outside.
    ///
    /// # Errors
    /// [`LayoutError`] names the first tensor that breaks a rule.
    pub fn new(specs: Vec<TensorSpec>) -> Result<Self, LayoutError> {
        if specs.is_empty() || specs.len() > MAX_TENSORS {
            return Err(LayoutError::Tensors { count: specs.len() });
        }
        let mut names = HashSet::with_capacity(specs.len());
        let mut elements = 0_u64;
        for (index, spec) in specs.iter().enumerate() {
            if !is_name(&spec.name) {
                return Err(LayoutError::Name { index });
            }
            if !names.insert(spec.name.as_str()) {
                return Err(LayoutError::DuplicateName { index });
            }
            elements = tensor_elements(spec)
                .and_then(|size| elements.checked_add(size))
                .filter(|total| *total <= MAX_ELEMENTS)
                .ok_or(LayoutError::Shape { index })?;
        }
        let elements = usize::try_from(elements).map_err(|_| LayoutError::Shape {
            index: specs.len() - 1,
        })?;
        Ok(Self { specs, elements })
    }

    /// The tensors in order.
    pub fn specs(&self) -> &[TensorSpec] {
        &self.specs
    }

    /// `P`: values in the flattened vector.
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// Chunks the vector is cut into; at least one.
    pub fn chunks(&self) -> usize {
        self.elements.div_ceil(CHUNK_VALUES)
    }

    /// Values in `chunk`; 0 when there is no such chunk.
    pub fn chunk_values(&self, chunk: usize) -> usize {
        chunk
            .checked_mul(CHUNK_VALUES)
            .map_or(0, |start| self.elements.saturating_sub(start).min(CHUNK_VALUES))
    }
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// `None` for a zero dimension, too many dimensions or an overflow.
fn tensor_elements(spec: &TensorSpec) -> Option<u64> {
    if spec.shape.len() > MAX_DIMENSIONS || spec.shape.contains(&0) {
        return None;
    }
    spec.shape
        .iter()
        .try_fold(1_u64, |size, dimension| size.checked_mul(*dimension))
}

/// Why a list of tensors is no layout. Names from outside are not repeated; the index is the tensor's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// None, or more than [`MAX_TENSORS`].
    #[error("A layout has 1 to {MAX_TENSORS} tensors, this one has {count}.")]
    Tensors {
        /// Tensors listed.
        count: usize,
    },
    /// A name that is empty, too long or of other characters.
    #[error(
        "The name of tensor {index} is not 1 to {MAX_NAME} letters, digits, dots, dashes or underscores."
    )]
    Name {
        /// Place in the list.
        index: usize,
    },
    /// The name of an earlier tensor.
    #[error("Tensor {index} has the name of an earlier tensor.")]
    DuplicateName {
        /// Place in the list.
        index: usize,
    },
    /// A zero dimension, too many dimensions, or more than [`MAX_ELEMENTS`] values up to here.
    #[error(
        "The shape of tensor {index} has a zero, too many dimensions, or makes more than {MAX_ELEMENTS} values."
    )]
    Shape {
        /// Place in the list.
        index: usize,
    },
}
