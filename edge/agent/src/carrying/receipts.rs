use barefoot_trust::{Purpose, Signer};
use barefoot_wire::{ReceiptOutcome, decode_carried_receipts};
use time::OffsetDateTime;

use super::{Carrying, Error};
use crate::handoff::{FromHub, HubReceipt, Restoration};

/// What was in a file of receipts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    pub stored: usize,
    /// Set aside for a person.
    pub refused: usize,
}

impl Carrying {
    /// Hands the hub's receipts on to whoever writes them down, as if they had come over the line. Receipts of records that
    /// are gone already change nothing.
    ///
    /// # Errors
    /// When the file is not the hub's, not for this box, or damaged.
    pub(crate) async fn take_receipts(&self, file: &[u8]) -> Result<Taken, Error> {
        let from_hub = self.from_hub.as_ref().ok_or(Error::Stopping)?;
        let opened = self
            .identity
            .open(Purpose::Receipts, file, OffsetDateTime::now_utc())
            .map_err(|source| Error::Open { source })?;
        if opened.writer != Signer::Hub {
            return Err(Error::NotTheHub);
        }
        let (messages, restorations) =
            decode_carried_receipts(&opened.content).map_err(|source| Error::Content { source })?;
        // First: what the hub has lost is owed again, and then what it has now is receipted.
        let restored = Restoration::all(&restorations);
        if !restored.is_empty() {
            from_hub
                .send(FromHub::Restored(restored))
                .await
                .map_err(|_| Error::Stopping)?;
        }
        let mut taken = Taken::default();
        for message in messages {
            let stored = message.receipts.iter();
            let stored = stored
                .filter(|receipt| receipt.outcome == ReceiptOutcome::Stored)
                .count();
            taken.stored += stored;
            taken.refused += message.receipts.len() - stored;
            let receipts: Vec<HubReceipt> = message.receipts.into_iter().map(HubReceipt::from).collect();
            from_hub
                .send(FromHub::Receipts(receipts))
                .await
                .map_err(|_| Error::Stopping)?;
        }
        Ok(taken)
    }
}
