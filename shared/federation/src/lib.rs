//! Federated learning as pure maths and rules. No network, no clock, no disk: bytes, values and randomness come in,
//! decisions and values go out.
//!
//! An update is the change of the model's trainable values in one clinic (local minus global), flattened in the
//! order of a [`layout`], cut into chunks and named by content. In the clinic it is clipped, noised, and either
//! encoded or masked; the hub decodes and checks it, aggregates chunk by chunk and steps the global model.
//!
//! ```text
//! clinic   delta → clip → noise → residual/encoding (or secagg) → chunk
//! hub      chunk → encoding (or secagg) → hygiene → strategy + aggregate → next global model
//!          privacy counts what the releases cost
//! ```

mod kernels;

pub mod layout;

pub mod clip;
pub mod noise;

pub mod chunk;
pub mod encoding;
pub mod residual;

pub mod aggregate;
pub mod hygiene;
pub mod strategy;

pub mod privacy;

pub mod secagg;

pub mod round;

pub mod metrics;
