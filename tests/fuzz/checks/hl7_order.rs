//! An HL7 order message.

pub(crate) fn check(bytes: &[u8]) {
    barefoot_edge::fuzzing::hl7_orders(bytes);
}
