//! An association of which every byte is the caller's choice: any SOP class, any transfer syntax, any bytes as the data
//! set, true or not. Threads and plain sockets: for loads, comparisons and attacks.

mod pdu;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::dimse;
pub use super::dimse::Answer;

/// A PDU's share of the data when the peer names no limit.
const LARGEST_BITE: u32 = 128 * 1024;

/// Why an association or a message came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the network failed")]
    Network { source: io::Error },
    #[error("the peer closed the connection")]
    Closed,
    #[error("the peer said nothing in time")]
    Silent,
    /// PS3.8 section 9.3.4.
    #[error("the association was rejected (result {result}, source {source_code}, reason {reason})")]
    Rejected { result: u8, source_code: u8, reason: u8 },
    /// PS3.8 section 9.3.8.
    #[error("the peer aborted (source {source_code}, reason {reason})")]
    Aborted { source_code: u8, reason: u8 },
    #[error("presentation context number {place} was not accepted")]
    NotAccepted { place: usize },
    #[error("the peer's answer cannot be read")]
    Malformed,
}

/// What to ask for.
#[derive(Debug, Clone)]
pub struct Proposal {
    pub called: String,
    pub calling: String,
    /// SOP class and transfer syntaxes; at most 128.
    pub contexts: Vec<(String, Vec<String>)>,
    /// For each read and write.
    pub timeout: Duration,
}

impl Proposal {
    #[must_use]
    pub fn new(called: &str, calling: &str) -> Self {
        Self {
            called: called.to_owned(),
            calling: calling.to_owned(),
            contexts: Vec::new(),
            timeout: Duration::from_secs(60),
        }
    }

    /// One more context with one transfer syntax.
    #[must_use]
    pub fn with(mut self, sop_class: &str, transfer_syntax: &str) -> Self {
        self.contexts
            .push((sop_class.to_owned(), vec![transfer_syntax.to_owned()]));
        self
    }
}

/// A C-STORE request cut into PDUs, ready to be written.
#[derive(Debug, Clone)]
pub struct Message(Vec<u8>);

impl Message {
    /// All its bytes, for those who write them slowly, in part, or changed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// An open association. Dropped, it closes the connection without a word.
#[derive(Debug)]
pub struct RawAssociation {
    socket: TcpStream,
    accepted: Vec<(u8, String)>,
    bite: usize,
    message_id: u16,
}

impl RawAssociation {
    /// # Errors
    /// When the peer cannot be reached, rejects, aborts or answers something else.
    pub fn open(address: &str, proposal: &Proposal) -> Result<Self, Error> {
        let network = |source| Error::Network { source };
        let mut socket = TcpStream::connect(address).map_err(network)?;
        socket.set_nodelay(true).map_err(network)?;
        socket.set_read_timeout(Some(proposal.timeout)).map_err(network)?;
        socket
            .set_write_timeout(Some(proposal.timeout))
            .map_err(network)?;
        socket
            .write_all(&pdu::associate_request(proposal))
            .map_err(pdu::broken)?;
        let mut association = Self {
            socket,
            accepted: Vec::new(),
            bite: 0,
            message_id: 0,
        };
        let (kind, body) = association.read()?;
        if kind != pdu::ASSOCIATE_AC {
            return Err(Error::Malformed);
        }
        let (accepted, limit) = pdu::granted(&body).ok_or(Error::Malformed)?;
        let limit = if limit == 0 {
            LARGEST_BITE
        } else {
            limit.min(LARGEST_BITE)
        };
        association.accepted = accepted;
        // The value's own head is part of the peer's limit (PS3.8 annex D.1).
        association.bite = limit.saturating_sub(6).max(2) as usize;
        Ok(association)
    }

    /// The transfer syntax agreed for the proposal's `place`th context.
    #[must_use]
    pub fn agreed(&self, place: usize) -> Option<&str> {
        let id = pdu::context_id(place);
        let context = self.accepted.iter().find(|(accepted, _)| *accepted == id)?;
        Some(&context.1)
    }

    /// Cuts a C-STORE request as this peer wants it.
    #[must_use]
    pub fn prepare(&self, place: usize, sop_class: &str, sop_instance: &str, data_set: &[u8]) -> Message {
        let context = pdu::context_id(place);
        let command = dimse::store_request(1, sop_class, sop_instance);
        let pdus = data_set.len() / self.bite + 2;
        let mut bytes = Vec::with_capacity(data_set.len() + command.len() + 12 * pdus);
        pdu::put_value(&mut bytes, context, true, true, &command);
        let mut rest = data_set;
        loop {
            let (now, after) = rest.split_at(self.bite.min(rest.len()));
            pdu::put_value(&mut bytes, context, false, after.is_empty(), now);
            rest = after;
            if rest.is_empty() {
                return Message(bytes);
            }
        }
    }

    /// Sends a prepared request and waits for its answer.
    ///
    /// # Errors
    /// When the association ends first.
    pub fn send(&mut self, message: &Message) -> Result<Answer, Error> {
        self.write(&message.0)?;
        self.answer()
    }

    /// Sends an instance, whatever it is, and waits for the answer.
    ///
    /// # Errors
    /// When the context was not accepted or the association ends first.
    pub fn store(
        &mut self,
        place: usize,
        sop_class: &str,
        sop_instance: &str,
        data_set: &[u8],
    ) -> Result<Answer, Error> {
        self.store_from(place, sop_class, sop_instance, data_set)
    }

    /// The same for a data set that is made while it is sent.
    ///
    /// # Errors
    /// As [`Self::store`], and when `data_set` cannot be read.
    pub fn store_from(
        &mut self,
        place: usize,
        sop_class: &str,
        sop_instance: &str,
        mut data_set: impl Read,
    ) -> Result<Answer, Error> {
        self.agreed(place).ok_or(Error::NotAccepted { place })?;
        let context = pdu::context_id(place);
        self.message_id = self.message_id.wrapping_add(1);
        let command = dimse::store_request(self.message_id, sop_class, sop_instance);
        let mut bytes = Vec::with_capacity(self.bite + 12);
        pdu::put_value(&mut bytes, context, true, true, &command);
        let mut bite = self.bite_from(&mut data_set)?;
        loop {
            // Whether a bite is the last is known when there is no next one.
            let next = self.bite_from(&mut data_set)?;
            pdu::put_value(&mut bytes, context, false, next.is_empty(), &bite);
            self.write(&bytes)?;
            bytes.clear();
            if next.is_empty() {
                break;
            }
            bite = next;
        }
        let answer = self.answer()?;
        if answer.message_id == self.message_id {
            Ok(answer)
        } else {
            Err(Error::Malformed)
        }
    }

    fn bite_from(&self, data_set: &mut impl Read) -> Result<Vec<u8>, Error> {
        let mut bite = Vec::with_capacity(self.bite);
        data_set
            .take(self.bite as u64)
            .read_to_end(&mut bite)
            .map_err(|source| Error::Network { source })?;
        Ok(bite)
    }

    /// C-ECHO in a context that was accepted for it.
    ///
    /// # Errors
    /// When the association ends first.
    pub fn echo(&mut self, place: usize) -> Result<Answer, Error> {
        let mut bytes = Vec::new();
        let command = dimse::echo_request(1);
        pdu::put_value(&mut bytes, pdu::context_id(place), true, true, &command);
        self.write(&bytes)?;
        self.answer()
    }

    /// Any bytes at all.
    ///
    /// # Errors
    /// When the peer takes them no longer.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.socket.write_all(bytes).map_err(pdu::broken)
    }

    /// Waits for the answer to whatever was written.
    ///
    /// # Errors
    /// When the association ends first, or the answer is none.
    pub fn answer(&mut self) -> Result<Answer, Error> {
        let mut command = Vec::new();
        loop {
            let (kind, body) = self.read()?;
            if kind != pdu::P_DATA {
                return Err(Error::Malformed);
            }
            for (is_last, data) in pdu::values(&body).ok_or(Error::Malformed)? {
                command.extend_from_slice(data);
                if is_last {
                    return dimse::answer(&command).ok_or(Error::Malformed);
                }
            }
        }
    }

    /// # Errors
    /// When the peer does not agree to it.
    pub fn release(mut self) -> Result<(), Error> {
        self.write(&pdu::RELEASE_RQ)?;
        match self.read()? {
            (pdu::RELEASE_RP, _) => Ok(()),
            _ => Err(Error::Malformed),
        }
    }

    /// A-ABORT, and gone.
    pub fn abort(mut self) {
        let _ = self.write(&pdu::ABORT_RQ);
    }

    fn read(&mut self) -> Result<(u8, Vec<u8>), Error> {
        let (kind, body) = pdu::read(&mut AcknowledgingAtOnce(&self.socket))?;
        let reason = |at: usize| body.get(at).copied().unwrap_or_default();
        match kind {
            pdu::ASSOCIATE_RJ => Err(Error::Rejected {
                result: reason(1),
                source_code: reason(2),
                reason: reason(3),
            }),
            pdu::ABORT => Err(Error::Aborted {
                source_code: reason(2),
                reason: reason(3),
            }),
            _ => Ok((kind, body)),
        }
    }
}

/// A peer that writes an answer in two pieces waits for the first one's acknowledgement, some 40 ms, unless it comes at
/// once. The kernel forgets the wish, and heeds it for what has come already: it is said again after every piece.
struct AcknowledgingAtOnce<'a>(&'a TcpStream);

impl Read for AcknowledgingAtOnce<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut socket = self.0;
        let count = socket.read(buffer)?;
        let _ = rustix::net::sockopt::set_tcp_quickack(self.0, true);
        Ok(count)
    }
}
