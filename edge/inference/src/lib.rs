//! From a grey picture to calibrated findings.
//!
//! [`Bundle`] reads a model bundle and believes nothing in it that its hashes do not cover. [`Model::open`] tries the
//! engines and precisions the site allows, refuses every one whose answers differ from the bundle's golden ones, and
//! keeps the fastest of the rest; [`Selection`] says what it chose and why. [`Model::assess`] resizes and normalises,
//! runs the graph, and reads what it gives as the manifest says: a feature map, over which the linear head runs in our
//! own code and the class activation map is exact; scores of an opaque graph, which is asked by covering parts of the
//! picture where it looked; or a mask.
//!
//! Only this crate knows of inference engines. It decides nothing about urgency: that is the caller's.

mod age;
mod bundle;
mod calibration;
mod engine;
mod explain;
mod golden;
mod head;
mod memory;
mod model;
mod preprocess;
mod reader;
mod scope;
mod selection;

#[doc(hidden)]
pub use bundle::fuzzing;
pub use bundle::{Bundle, BundleError};
pub use calibration::{Bounds, Calibration, ConfirmedCase, Kept, Recalibration, recalibrate};
pub use engine::{EngineError, EngineKind, Precision, Provider};
pub use explain::Pose;
pub use model::{
    AssessError, FindingMask, Language, Model, NotTaken, OpenError, PooledFeatures, Prediction, Viewing,
};
pub use selection::{Considered, EngineChoice, EngineWish, Outcome, PrecisionWish, Selection};
