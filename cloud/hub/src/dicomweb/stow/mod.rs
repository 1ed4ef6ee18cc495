//! Storing (STOW-RS, PS3.18 section 10.5): other systems may bring images, a city's archive a prior for instance.
//!
//! What comes is held against the same form as what clinics send: identity removed by the profile, the patient a pseudonym.
//! Anything else is refused and gone. It lies in a space of its own and never joins a clinic's case; a UID that is here
//! with other bytes is refused.

mod report;
mod service;
mod take;

pub(super) use service::{store, store_in_study};
