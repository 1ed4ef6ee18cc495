//! The one port that asks for no certificate: boxes get theirs here. Small, slow and bounded; nothing else is served on it.

mod port;
mod service;

pub(crate) use port::EnrolmentPort;
