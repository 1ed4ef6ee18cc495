//! The daemon in the clinic.
