//! What tests, the demonstration and the benchmarks share: pictures, a scanner, a bad line, the real daemons.
//!
//! Nothing here is part of the product, and nothing of the product's own code is used to check the product: the
//! simulator writes its own DICOM bytes. Modules in the order a test uses them.

mod data_set;
pub use data_set::Charset;

mod instance;
pub use instance::{
    COMPUTED_RADIOGRAPHY, CT_IMAGE, DX_FOR_PRESENTATION, Description, Instance, Pixels, Radiograph, Samples,
};

pub mod phantom;

pub mod wrap;

pub mod scanner;

pub mod sources;

pub mod wait;

pub mod processes;

pub mod http;

pub mod browser;

pub mod line;

pub mod packets;

pub mod surroundings;

pub mod daemons;

pub mod hub_files;

pub mod bundle;

pub mod federation;

pub mod power_cut;

pub mod queue_load;
