//! C-STORE (PS3.4 annex B): streams each data set to whoever keeps it and answers with the keeper's verdict. It decides
//! nothing about content and touches no disk.

mod dimse_status;
mod sop_classes;

use crate::dimse::{Answering, Call, Service, element, field};
use crate::handoff::{Incoming, Keeper, Kept};
use crate::upper_layer::{Ended, Offered, Roles};
#[cfg(test)]
pub(crate) use sop_classes::{NAMED_SYNTAXES, STANDARD_CLASSES};
use sop_classes::{TRANSFER_SYNTAXES, is_storage_class};

pub(crate) struct StorageScp {
    keeps_private: bool,
    keeper: Keeper,
}

impl StorageScp {
    /// `keeps_private`: classes that the standard does not know are kept too.
    #[must_use]
    pub(crate) fn new(keeps_private: bool, keeper: Keeper) -> Self {
        Self {
            keeps_private,
            keeper,
        }
    }

    async fn store(&self, mut call: Call<'_>) -> Result<(), Ended> {
        let class = call.command.text(element::AFFECTED_SOP_CLASS_UID);
        let instance = call.command.text(element::AFFECTED_SOP_INSTANCE_UID);
        let mismatch = |comment: &str| {
            let response = call.command.response(dimse_status::DATA_SET_MISMATCH);
            response.with_comment(comment)
        };
        let (Some(class), Some(instance)) = (class, instance) else {
            let response = mismatch("The request names no SOP class or instance");
            return call.respond(response, None).await;
        };
        if class != call.context.abstract_syntax {
            let response = mismatch("SOP class and presentation context differ");
            return call.respond(response, None).await;
        }
        let mut receiving = (self.keeper)(Incoming {
            association: Some(call.caller.association),
            source_ae: call.caller.ae_title.clone(),
            sop_class_uid: class,
            sop_instance_uid: instance,
            transfer_syntax: call.context.transfer_syntax.clone(),
        });
        loop {
            let piece = call.data().await?;
            receiving.write(piece.bytes);
            if piece.last {
                break;
            }
        }
        let outcome = receiving.finish().await;
        match &outcome {
            Ok(placed) => {
                let acts = &call.caller.acts;
                acts.stored(&placed.study, placed.kept == Kept::Duplicate).await;
            }
            Err(_) => call.caller.acts.refused(),
        }
        if let Err(refusal) = &outcome {
            let cause = std::error::Error::source(refusal)
                .map(ToString::to_string)
                .unwrap_or_default();
            tracing::warn!(scanner = call.caller.ae_title, reason = %refusal, cause, "An image was refused.");
        }
        let (status, comment) = dimse_status::of(&outcome);
        let mut response = call.command.response(status);
        if let Some(comment) = comment {
            response = response.with_comment(comment);
        }
        call.respond(response, None).await
    }
}

impl Service for StorageScp {
    fn offer(&self, abstract_syntax: &str) -> Option<Offered> {
        is_storage_class(abstract_syntax, self.keeps_private).then_some(Offered {
            transfer_syntaxes: &TRANSFER_SYNTAXES,
            // Whoever asks for C-GET is sent images on its own association: it is the provider then.
            roles: Roles { scu: true, scp: true },
        })
    }

    fn answers(&self, field: u16) -> bool {
        field == field::C_STORE
    }

    fn call<'a>(&'a self, call: Call<'a>) -> Answering<'a> {
        Box::pin(self.store(call))
    }
}
