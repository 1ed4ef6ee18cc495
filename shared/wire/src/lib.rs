//! What travels between clinic and hub.
//!
//! The protobuf schema is in `proto/`: `results` travels over MQTT; `federation`, `releases` and `operator` are gRPC
//! services. The Rust in `gen/` is committed and a test regenerates and compares
//! it, so building needs no protobuf compiler. `convert` is the one place where wire and domain types meet, and
//! where what came from outside is checked. `topics` owns the MQTT topic scheme.

/// The generated messages, package `barefoot.v1`.
#[allow(
    missing_debug_implementations,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::indexing_slicing,
    reason = "generated code"
)]
pub mod v1 {
    include!("gen/barefoot.v1.rs");
}

pub mod topics;

mod convert;
pub use convert::{
    DecodeError, MAX_ENVELOPE_BYTES, Receipt, ReceiptOutcome, SCHEMA, StudyResult, decode_envelope,
    decode_receipt, decode_result, encode_receipt, encode_result, receipt_envelope, result_envelope,
};

mod correction;
pub use correction::{correction_envelope, decode_correction};
