//! One association's connection: PDUs in and out by the state machine, presentation data as a stream.
//!
//! Presentation data are handed on piece by piece as they come, whatever the PDU's size; all other PDUs are small and
//! are read whole, within a limit, and taken apart by dicom-ul.

use std::time::Duration;

use dicom_ul::pdu::{AbortRQServiceProviderReason as ProviderReason, Pdu};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::inbox::{Inbox, ReadError};
use super::state::{Action, Event, Role, State, transition};

mod receiving;
mod sending;

/// A TCP connection, plain or within TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

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
