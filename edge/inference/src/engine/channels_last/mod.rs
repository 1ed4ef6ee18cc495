//! Convolutions with the channels last, in vectors of channels.
//!
//! tract computes a depthwise convolution tap by tap without vector instructions on x86-64, packs what a pointwise one
//! reads anew for every picture, and leaves a limit (ReLU6) behind a depthwise one to passes of its own. Here weights
//! are laid out once, at load, a bias, a limit and what is added to the result are part of the convolution, and the
//! processor's widest vectors are found when the program runs.

mod dense;
mod depthwise;
mod gate;
mod geometry;
mod layer;
mod op;
mod rewrite;
#[cfg(test)]
mod tests;

pub(super) use self::rewrite::rewrite;
