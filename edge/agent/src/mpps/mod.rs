//! Modality Performed Procedure Step (PS3.4 annex F): what scanners say of their work.
//!
//! A hint, never a need: a step that is completed names its images, so that the study can settle as soon as all are here.
//! Each step is one file below `mpps/`; what becomes of it is decided in [`step`].

mod service;
mod step;
mod store;

pub(crate) use service::MppsScp;
pub(crate) use step::{Performed, StepState};
pub(crate) use store::Steps;
