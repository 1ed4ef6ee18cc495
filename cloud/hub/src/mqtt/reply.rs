use std::fmt;
use std::sync::Arc;

use barefoot_domain::ClinicId;
use barefoot_wire::{hello, hello_envelope, receipt_envelope, receipts_envelope, topics, v1};
use bytes::Bytes;
use prost::Message;
use ulid::Ulid;

use crate::clock::now_ms;
use crate::ingest::Answer;

/// An answer as it is published.
pub(super) struct Reply {
    pub(super) topic: String,
    pub(super) payload: Bytes,
}

/// The hub's own certificate (DER) as it is now: it may be replaced while the hub runs.
#[derive(Clone)]
pub(crate) struct OwnCertificate(Arc<dyn Fn() -> Vec<u8> + Send + Sync>);

impl OwnCertificate {
    pub(crate) fn new(now: impl Fn() -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }
}

impl fmt::Debug for OwnCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnCertificate")
    }
}

/// What goes back to `clinic`; `None` where nothing does.
pub(super) fn reply(clinic: &ClinicId, answer: &Answer, certificate: &OwnCertificate) -> Option<Reply> {
    let id = Ulid::generate().to_string();
    let now = now_ms();
    let (topic, envelope) = match answer {
        Answer::Receipt(receipt) => (
            topics::down_receipt(clinic),
            receipt_envelope(id, clinic, receipt),
        ),
        Answer::Receipts(receipts) => (
            topics::down_receipts(clinic),
            receipts_envelope(id, clinic, receipts),
        ),
        Answer::Hello {
            presence_id,
            received_at_ms,
            takes_words,
            restorations,
        } => {
            // A clock that was set back in between must not make a hello that no box believes.
            let answered_at_ms = now.max(*received_at_ms);
            let mut hello = hello(
                presence_id.clone(),
                *received_at_ms,
                answered_at_ms,
                &(certificate.0)(),
            );
            if !takes_words {
                hello.takes.clear();
            }
            hello.restoration = restorations.iter().copied().map(Into::into).collect();
            (topics::down_hello(clinic), hello_envelope(id, clinic, &hello))
        }
        Answer::Noted | Answer::Unreadable => return None,
    };
    let envelope = v1::Envelope {
        sent_at_ms: now,
        ..envelope
    };
    Some(Reply {
        topic,
        payload: envelope.encode_to_vec().into(),
    })
}
