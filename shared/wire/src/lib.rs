//! What travels between clinic and hub.
//!
//! The protobuf schema is in `proto/`: `results` and `cases` travel over MQTT; `federation`, `releases` and `operator` are gRPC
//! services; `images` is what HTTPS carries. The Rust in `gen/` is committed and a test regenerates and compares
//! it, so building needs no protobuf compiler. `convert` is the one place where wire and domain types meet, and
//! where what came from outside is checked. `topics` owns the MQTT topic scheme, `broker_rules` says it to brokers.

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

mod broker_rules;
pub use broker_rules::BrokerRules;

pub mod images;

mod assessment;

mod convert;
pub use convert::{
    DecodeError, MAX_ENVELOPE_BYTES, MadeBy, Receipt, ReceiptOutcome, SCHEMA, StudyResult, decode_envelope,
    decode_receipt, decode_result, encode_receipt, encode_result, receipt_envelope, result_envelope,
};

mod correction;
pub use correction::{correction_envelope, decode_correction};

mod cases;
pub use cases::{
    MAX_MESSAGE_CHARS, MAX_REPORT_BYTES, MAX_REPORT_CHARS, case_state_envelope, decode_case_state,
    decode_message, decode_opinion, decode_report, decode_report_read, decode_signed_report, encode_report,
    message_envelope, opinion_envelope, report_read_envelope, signed_report_envelope,
};

mod signers;
pub use signers::{SignerStatement, decode_signer_statement, encode_signer_statement};

mod batch;
pub use batch::{
    BATCH_VERSION, BatchError, DICTIONARY, MAX_BATCH_BYTES, MAX_BATCH_ENVELOPES, Packing, decode_batch,
    encode_batch,
};

mod receipts;
pub use receipts::{MAX_CORRELATION_BYTES, Receipts, decode_receipts, receipts_envelope};

mod presence;
pub use presence::{
    MAX_FOLLOWS, MAX_RESTORATIONS, RESTORATION_BYTES, START_BYTES, decode_health, decode_hello,
    decode_presence, health_envelope, hello, hello_envelope, presence_envelope,
};

mod carried;
pub use carried::{
    MAX_CARRIED_FRAMES, decode_carried_receipts, decode_carried_results, encode_carried_receipts,
    encode_carried_results,
};
