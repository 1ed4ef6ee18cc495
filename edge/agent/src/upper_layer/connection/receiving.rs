//! What comes in: PDUs by the state machine, presentation data as a stream.

use dicom_ul::pdu::{AbortRQServiceProviderReason as ProviderReason, Pdu, read_pdu};
use tokio::time::Instant;

use super::{Connection, Ended, Fragment, P_DATA, Piece, Received};
use crate::upper_layer::inbox::ReadError;
use crate::upper_layer::state::{Action, Event, State};

/// PS3.8 section 9.3.1: type, reserved, length.
const HEADER: usize = 6;
/// A request with 128 presentation contexts of 40 transfer syntaxes each is a third of this.
const MAX_CONTROL_PDU: u32 = 1024 * 1024;

impl Connection {
    /// The next PDU that is no presentation data, read whole; for the time before the association is established.
    pub(in crate::upper_layer) async fn control_pdu(&mut self) -> Result<(Event, Pdu), Ended> {
        let (kind, length) = self.pdu_header().await?;
        if kind == P_DATA {
            return Err(self
                .violation(Event::DataPdu, "data before the association was established")
                .await);
        }
        self.control_body(kind, length).await
    }

    /// What comes next while the association stands.
    pub(crate) async fn receive(&mut self) -> Result<Received<'_>, Ended> {
        loop {
            if let Some(fragment) = self.fragment {
                return self.piece(fragment).await;
            }
            if 0 < self.pdu_left {
                self.fragment_header().await?;
                continue;
            }
            let (kind, length) = self.pdu_header().await?;
            if kind == P_DATA {
                match self.step(Event::DataPdu) {
                    Action::TakeData if length == 0 => self.deadline = None,
                    Action::TakeData if length <= self.max_received_pdu => self.pdu_left = length,
                    Action::TakeData => {
                        return Err(self
                            .abort(ProviderReason::InvalidPduParameter, "a longer PDU than agreed")
                            .await);
                    }
                    _ => return Err(self.unexpected("data after a release").await),
                }
                continue;
            }
            let (event, _) = self.control_body(kind, length).await?;
            match self.step(event) {
                // Both asked, and the peer's answer comes before ours.
                Action::ReportReleaseAsked if self.state == State::CollisionAwaitFirst => {}
                Action::ReportReleaseAsked | Action::ReportReleaseConfirmed => {
                    return Ok(Received::ReleaseAsked);
                }
                Action::ReportAborted => return Err(Ended::Aborted),
                Action::ReportReleased => return Err(Ended::Released),
                _ => return Err(self.unexpected("a PDU of another state").await),
            }
        }
    }

    /// Whether the peer has said something that was not taken yet, or is saying it.
    pub(crate) async fn has_news(&mut self) -> bool {
        self.fragment.is_some()
            || 0 < self.pdu_left
            || !matches!(
                self.inbox.wait(&mut self.stream, Instant::now()).await,
                Err(ReadError::TimedOut)
            )
    }

    async fn pdu_header(&mut self) -> Result<(u8, u32), Ended> {
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + self.timeout);
        let header = match self.inbox.wait(&mut self.stream, deadline).await {
            Ok(()) => self.inbox.take::<HEADER>(&mut self.stream, deadline).await,
            Err(error) => Err(error),
        };
        match header {
            Ok([kind, _, a, b, c, d]) => Ok((kind, u32::from_be_bytes([a, b, c, d]))),
            Err(error) => Err(self.read_failed(error).await),
        }
    }

    async fn control_body(&mut self, kind: u8, length: u32) -> Result<(Event, Pdu), Ended> {
        if MAX_CONTROL_PDU < length {
            return Err(self
                .violation(Event::InvalidPdu, "a PDU of an absurd length")
                .await);
        }
        let mut whole = vec![kind, 0];
        whole.extend_from_slice(&length.to_be_bytes());
        let mut left = length as usize;
        let deadline = self.deadline.unwrap_or_else(Instant::now);
        while 0 < left {
            match self.inbox.ready(&mut self.stream, left, deadline).await {
                Ok(count) => {
                    whole.extend_from_slice(self.inbox.consume(count));
                    left -= count;
                }
                Err(error) => return Err(self.read_failed(error).await),
            }
        }
        self.deadline = None;
        let Ok(Some(pdu)) = read_pdu(whole.as_slice(), MAX_CONTROL_PDU, true) else {
            return Err(self
                .violation(Event::InvalidPdu, "a PDU that cannot be read")
                .await);
        };
        let event = match &pdu {
            Pdu::AssociationRQ(_) => Event::RequestPdu,
            Pdu::AssociationAC(_) => Event::AcceptPdu,
            Pdu::AssociationRJ(_) => Event::RejectPdu,
            Pdu::PData { .. } => Event::DataPdu,
            Pdu::ReleaseRQ => Event::ReleaseRequestPdu,
            Pdu::ReleaseRP => Event::ReleaseResponsePdu,
            Pdu::AbortRQ { .. } => Event::AbortPdu,
            Pdu::Unknown { .. } => {
                return Err(self.violation(Event::InvalidPdu, "a PDU of unknown type").await);
            }
        };
        Ok((event, pdu))
    }

    /// PS3.8 section 9.3.5.1 and annex E.2.
    async fn fragment_header(&mut self) -> Result<(), Ended> {
        let deadline = self.deadline.unwrap_or_else(Instant::now);
        if self.pdu_left < 6 {
            return Err(self
                .abort(
                    ProviderReason::InvalidPduParameter,
                    "a fragment that does not fit its PDU",
                )
                .await);
        }
        let [a, b, c, d, context, control] = match self.inbox.take::<6>(&mut self.stream, deadline).await {
            Ok(bytes) => bytes,
            Err(error) => return Err(self.read_failed(error).await),
        };
        let length = u32::from_be_bytes([a, b, c, d]);
        let Some(left) = length.checked_sub(2).filter(|left| *left <= self.pdu_left - 6) else {
            return Err(self
                .abort(
                    ProviderReason::InvalidPduParameter,
                    "a fragment that does not fit its PDU",
                )
                .await);
        };
        self.pdu_left -= 6;
        self.fragment = Some(Fragment {
            context,
            command: control & 1 != 0,
            last: control & 2 != 0,
            left,
        });
        Ok(())
    }

    async fn piece(&mut self, fragment: Fragment) -> Result<Received<'_>, Ended> {
        let deadline = self.deadline.unwrap_or_else(Instant::now);
        let count = match fragment.left {
            0 => 0,
            left => match self.inbox.ready(&mut self.stream, left as usize, deadline).await {
                // Fits: it is at most `left`.
                Ok(count) => u32::try_from(count).unwrap_or(left),
                Err(error) => return Err(self.read_failed(error).await),
            },
        };
        let left = fragment.left - count;
        self.fragment = (0 < left).then_some(Fragment { left, ..fragment });
        self.pdu_left -= count;
        if self.pdu_left == 0 {
            self.deadline = None;
        }
        Ok(Received::Data(Piece {
            context: fragment.context,
            command: fragment.command,
            bytes: self.inbox.consume(count as usize),
            last: fragment.last && left == 0,
        }))
    }

    async fn read_failed(&mut self, error: ReadError) -> Ended {
        match error {
            ReadError::Closed => {
                self.step(Event::Closed);
                Ended::Closed
            }
            ReadError::Failed(source) => {
                self.step(Event::Closed);
                Ended::Failed { source }
            }
            ReadError::TimedOut => {
                let seconds = self.timeout.as_secs();
                // Before the request only the timer's own rule holds: close, say nothing (AA-2).
                if self.step(Event::WeAbort) == Action::SendAbort {
                    self.send_abort(ProviderReason::ReasonNotSpecified).await;
                }
                Ended::Idle { seconds }
            }
        }
    }
}
