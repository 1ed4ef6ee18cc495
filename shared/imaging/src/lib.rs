//! DICOM to domain and pictures.
//!
//! An object's way: [`header`] reads a file's elements within fixed bounds (nothing a sender writes into a length field
//! makes it allocate or descend further), [`text`] decodes what people wrote into it, [`pixels`] makes one grey picture of
//! its pixel data, [`statistics`] says how its grey levels lie, and [`render`] turns it into what a page shows. What is
//! asked about objects comes as a [`data_set`] and is decided in [`query`]; [`transcode`] writes one anew for another node.
//! What a model said becomes DICOM and FHIR objects in [`evidence`], what a reader signed documents in [`report`].
//!
//! Nothing here logs, and no error holds a value: values are somebody's name. General DICOM parsers never see a received
//! file: the codecs get single frames whose size was checked before.

pub mod data_set;
pub mod deidentify;
pub mod evidence;
pub mod header;
mod part10;
pub mod pixels;
pub mod presented;
pub mod quality;
pub mod query;
mod recompress;
pub mod render;
pub mod report;
mod resample;
pub mod statistics;
mod stored;
pub mod tags;
pub mod text;
pub mod transcode;
pub mod video;

pub use stored::{Bytes, Stored};
