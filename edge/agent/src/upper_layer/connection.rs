//! One association's connection: PDUs in and out by the state machine, presentation data as a stream.
//!
//! Presentation data are handed on piece by piece as they come, whatever the PDU's size; all other PDUs are small and
//! are read whole, within a limit, and taken apart by dicom-ul.

use std::time::Duration;

use dicom_ul::pdu::{
    AbortRQServiceProviderReason as ProviderReason, AbortRQSource, AssociationRJ, Pdu, read_pdu, write_pdu,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::inbox::{Inbox, ReadError};
use super::state::{Action, Event, Role, State, transition};

/// A TCP connection, plain or within TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// PS3.8 section 9.3.1: type, reserved, length.
const HEADER: usize = 6;
/// A request with 128 presentation contexts of 40 transfer syntaxes each is a third of this.
const MAX_CONTROL_PDU: u32 = 1024 * 1024;
/// Data in one PDU that we send, where the peer sets no lower limit.
const MAX_SENT_PDU: usize = 256 * 1024;
/// The least a peer can demand and we can still speak: a PDU with an empty fragment and a byte to spare.
const MIN_PEER_PDU: u32 = 128;

/// Bytes read at once from a peer whose words do not matter any more.
const DRAINED: usize = 4 * 1024;

const P_DATA: u8 = 0x04;

/// Why an association is over. Where the peer could still hear, it was told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("the peer aborted")]
    Aborted,
    #[error("the peer closed the connection")]
    Closed,
    #[error("nothing came for {seconds} s")]
    Idle { seconds: u64 },
    #[error("the peer took nothing for {seconds} s")]
    Stuck { seconds: u64 },
    #[error("the connection failed")]
    Failed { source: std::io::Error },
    #[error("the peer broke the protocol: {0}")]
    Violation(&'static str),
    #[error("the peer released the association")]
    Released,
}

/// A piece of presentation data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece<'a> {
    pub context: u8,
    pub command: bool,
    pub bytes: &'a [u8],
    /// The command set or data set ends with it.
    pub last: bool,
}

#[derive(Debug)]
pub(crate) enum Received<'a> {
    Data(Piece<'a>),
    ReleaseAsked,
}

/// A presentation data value that is being received.
#[derive(Debug, Clone, Copy)]
struct Fragment {
    context: u8,
    command: bool,
    last: bool,
    left: u32,
}

pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    inbox: Inbox,
    role: Role,
    state: State,
    /// Bytes of the P-DATA-TF PDU under way that have not come yet, its fragment included.
    pdu_left: u32,
    fragment: Option<Fragment>,
    /// By when the PDU under way must be complete.
    deadline: Option<Instant>,
    max_received_pdu: u32,
    peer_max_pdu: u32,
    timeout: Duration,
    out: Vec<u8>,
}

impl Connection {
    /// `timeout`: how long the peer may take for each PDU, and for taking what we send.
    pub(super) fn new(stream: Box<dyn Stream>, role: Role, max_received_pdu: u32, timeout: Duration) -> Self {
        Self {
            stream,
            inbox: Inbox::new(),
            role,
            state: State::Idle,
            pdu_left: 0,
            fragment: None,
            deadline: None,
            max_received_pdu,
            peer_max_pdu: 0,
            timeout,
            out: Vec::new(),
        }
    }

    pub(super) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// 0: the peer sets no limit.
    pub(super) fn set_peer_max_pdu(&mut self, bytes: u32) {
        self.peer_max_pdu = bytes;
    }

    /// Moves on. A local event out of turn is answered like a peer's mistake: the association ends.
    pub(super) fn step(&mut self, event: Event) -> Action {
        match transition(self.state, event, self.role) {
            Some((action, next)) => {
                self.state = next;
                action
            }
            None => Action::Close,
        }
    }

    /// The next PDU that is no presentation data, read whole; for the time before the association is established.
    pub(super) async fn control_pdu(&mut self) -> Result<(Event, Pdu), Ended> {
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

    async fn violation(&mut self, event: Event, what: &'static str) -> Ended {
        if self.step(event) == Action::SendAbort {
            let reason = match event {
                Event::InvalidPdu => ProviderReason::UnrecognizedPdu,
                _ => ProviderReason::UnexpectedPdu,
            };
            self.send_abort(reason).await;
        }
        Ended::Violation(what)
    }

    /// Ends the association because of what the peer sent, or because we must.
    pub(crate) async fn abort(&mut self, reason: ProviderReason, what: &'static str) -> Ended {
        if self.step(Event::WeAbort) == Action::SendAbort {
            self.send_abort(reason).await;
        }
        Ended::Violation(what)
    }

    /// For a PDU that the state machine has answered with an abort already.
    pub(super) async fn unexpected(&mut self, what: &'static str) -> Ended {
        self.send_abort(ProviderReason::UnexpectedPdu).await;
        Ended::Violation(what)
    }

    async fn send_abort(&mut self, reason: ProviderReason) {
        let source = AbortRQSource::ServiceProvider(reason);
        // The peer may be gone; the connection is closed right after anyway.
        let _ = self.send_pdu(&Pdu::AbortRQ { source }).await;
    }

    pub(super) async fn send_pdu(&mut self, pdu: &Pdu) -> Result<(), Ended> {
        self.out.clear();
        write_pdu(&mut self.out, pdu).map_err(|_| Ended::Violation("our own PDU cannot be written"))?;
        self.flush().await
    }

    pub(super) async fn send_reject(&mut self, reject: AssociationRJ) -> Result<(), Ended> {
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

    /// Answers the peer's wish to release.
    pub(crate) async fn answer_release(&mut self) -> Result<(), Ended> {
        match self.step(Event::WeAnswerRelease) {
            Action::SendReleaseResponse | Action::SendFirstReleaseResponse => {
                self.send_pdu(&Pdu::ReleaseRP).await
            }
            _ => Err(Ended::Violation("a release that nobody asked for")),
        }
    }

    /// Asks to release and waits until the peer agrees; data that still come are dropped.
    pub(crate) async fn release(&mut self) -> Result<(), Ended> {
        if self.step(Event::WeRelease) != Action::SendReleaseRequest {
            return Err(Ended::Violation("a release of no association"));
        }
        self.send_pdu(&Pdu::ReleaseRQ).await?;
        loop {
            match self.receive().await {
                Ok(Received::Data(_)) => {}
                Ok(Received::ReleaseAsked) => {
                    self.answer_release().await?;
                    if self.state == State::AwaitingClose {
                        return Ok(());
                    }
                }
                Err(Ended::Released) => return Ok(()),
                Err(ended) => return Err(ended),
            }
        }
    }

    /// Sta13: lets the peer close, so that our last word is not lost to a reset, but only for `patience`.
    pub(crate) async fn close(mut self, patience: Duration) {
        if self.state != State::AwaitingClose {
            return;
        }
        let deadline = Instant::now() + patience;
        loop {
            match self.inbox.ready(&mut self.stream, DRAINED, deadline).await {
                Ok(count) => {
                    self.inbox.consume(count);
                }
                Err(ReadError::TimedOut) => {
                    self.step(Event::TimerExpired);
                    return;
                }
                Err(ReadError::Closed | ReadError::Failed(_)) => {
                    self.step(Event::Closed);
                    return;
                }
            }
        }
    }
}
