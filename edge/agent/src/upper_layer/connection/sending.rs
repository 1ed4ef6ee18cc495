//! What goes out: each command or data set in as few writes as its size allows.

use dicom_ul::pdu::{
    AbortRQServiceProviderReason as ProviderReason, AbortRQSource, AssociationRJ, Pdu, write_pdu,
};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::{Connection, Ended, P_DATA, Piece};
use crate::upper_layer::state::{Action, Event};

/// Data in one PDU that we send, where the peer sets no lower limit.
const MAX_SENT_PDU: usize = 256 * 1024;
/// The least a peer can demand and we can still speak: a PDU with an empty fragment and a byte to spare.
const MIN_PEER_PDU: u32 = 128;

impl Connection {
    pub(super) async fn send_abort(&mut self, reason: ProviderReason) {
        let source = AbortRQSource::ServiceProvider(reason);
        // The peer may be gone; the connection is closed right after anyway.
        let _ = self.send_pdu(&Pdu::AbortRQ { source }).await;
    }

    pub(in crate::upper_layer) async fn send_pdu(&mut self, pdu: &Pdu) -> Result<(), Ended> {
        self.out.clear();
        write_pdu(&mut self.out, pdu).map_err(|_| Ended::Violation("our own PDU cannot be written"))?;
        self.flush().await
    }

    pub(in crate::upper_layer) async fn send_reject(&mut self, reject: AssociationRJ) -> Result<(), Ended> {
        self.step(Event::WeReject);
        self.send_pdu(&Pdu::AssociationRJ(reject)).await
    }

    /// Sends what is in `out` in one write.
    async fn flush(&mut self) -> Result<(), Ended> {
        let seconds = self.timeout.as_secs();
        let outcome = timeout(self.timeout, async {
            self.stream.write_all(&self.out).await?;
            self.stream.flush().await
        })
        .await;
        self.out.clear();
        match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(source)) => {
                self.step(Event::Closed);
                Err(Ended::Failed { source })
            }
            Err(_) => Err(Ended::Stuck { seconds }),
        }
    }

    /// Data in one PDU to this peer, without the headers.
    fn fragment_size(&self) -> usize {
        let limit = match self.peer_max_pdu {
            0 => MAX_SENT_PDU,
            limit => (limit.max(MIN_PEER_PDU) as usize).min(MAX_SENT_PDU),
        };
        limit - 6
    }

    /// Puts a command set or data set, or a run of one, on the way; it goes out with [`Self::push`] or when much has
    /// gathered.
    pub(crate) async fn put(&mut self, piece: Piece<'_>) -> Result<(), Ended> {
        if self.step(Event::WeSendData) != Action::SendData {
            return Err(Ended::Violation("data after the association ended"));
        }
        let size = self.fragment_size();
        let mut rest = piece.bytes;
        loop {
            let (now, later) = rest.split_at(rest.len().min(size));
            let last = piece.last && later.is_empty();
            // Fits: a fragment is at most `MAX_SENT_PDU`.
            let length = u32::try_from(now.len()).unwrap_or(0) + 2;
            self.out.extend_from_slice(&[P_DATA, 0]);
            self.out.extend_from_slice(&(length + 4).to_be_bytes());
            self.out.extend_from_slice(&length.to_be_bytes());
            self.out
                .extend_from_slice(&[piece.context, u8::from(piece.command) | (u8::from(last) << 1)]);
            self.out.extend_from_slice(now);
            if MAX_SENT_PDU <= self.out.len() {
                self.flush().await?;
            }
            rest = later;
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// Sends what [`Self::put`] gathered, in one write.
    pub(crate) async fn push(&mut self) -> Result<(), Ended> {
        match self.out.is_empty() {
            true => Ok(()),
            false => self.flush().await,
        }
    }
}
