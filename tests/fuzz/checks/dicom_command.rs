//! A DIMSE command set.

pub(crate) fn check(bytes: &[u8]) {
    barefoot_edge::fuzzing::command_set(bytes);
}
