//! Searching (QIDO-RS, PS3.18 section 10.6).

mod attributes;
mod parse;
mod service;

pub(super) use attributes::tag_of;
pub(super) use parse::parse;
pub(super) use service::{
    instances, instances_of_series, instances_of_study, series, series_of_study, studies,
};
