//! From a grey picture to calibrated findings.
//!
//! [`Bundle`] reads a model bundle and believes nothing in it that its hashes do not cover. [`Model::open`] tries the
//! engines and precisions the site allows, refuses every one whose answers differ from the bundle's golden ones, and
//! keeps the fastest of the rest; [`Selection`] says what it chose and why. [`Model::assess`] resizes and normalises,
//! runs the graph, and applies the linear head in our own code, which makes the class activation map exact.
//!
//! Only this crate knows of inference engines. It decides nothing about urgency: that is the caller's.

mod bundle;
mod calibration;
mod engine;
mod golden;
mod head;
mod model;
mod preprocess;
mod scope;
mod selection;

pub use bundle::{Bundle, BundleError};
pub use calibration::{Bounds, Calibration, ConfirmedCase, Kept, Recalibration, recalibrate};
pub use engine::{EngineError, EngineKind, Precision};
pub use model::{AssessError, Language, Model, NotTaken, OpenError, PooledFeatures, Prediction};
pub use selection::{Considered, EngineChoice, EngineWish, Outcome, PrecisionWish, Selection};
