use std::collections::{HashSet, VecDeque};
use std::num::NonZeroU16;

use bytes::Bytes;
use bytestring::ByteString;

/// Most messages waiting for the client to acknowledge earlier ones. A client that falls further behind is cut.
const MOST_WAITING: usize = 1024;

/// A message to one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Down {
    pub(super) topic: ByteString,
    pub(super) payload: Bytes,
}

/// What goes to one session with QoS 1, within its Receive Maximum.
#[derive(Debug)]
pub(super) struct Window {
    most_in_flight: usize,
    last_id: u16,
    in_flight: HashSet<NonZeroU16>,
    waiting: VecDeque<Down>,
}

/// The client does not acknowledge what it is sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overflow;

impl Window {
    pub(super) fn new(most_in_flight: u16) -> Self {
        Self {
            most_in_flight: usize::from(most_in_flight).max(1),
            last_id: 0,
            in_flight: HashSet::new(),
            waiting: VecDeque::new(),
        }
    }

    /// The message with its packet id when it may go out now; otherwise it waits.
    pub(super) fn push(&mut self, message: Down) -> Result<Option<(NonZeroU16, Down)>, Overflow> {
        if self.in_flight.len() < self.most_in_flight {
            return Ok(Some((self.take_id(), message)));
        }
        if MOST_WAITING <= self.waiting.len() {
            return Err(Overflow);
        }
        self.waiting.push_back(message);
        Ok(None)
    }

    /// Notes an acknowledgement; returns the message that may go out instead. An unknown id is ignored.
    pub(super) fn acknowledged(&mut self, id: NonZeroU16) -> Option<(NonZeroU16, Down)> {
        if !self.in_flight.remove(&id) {
            return None;
        }
        let message = self.waiting.pop_front()?;
        Some((self.take_id(), message))
    }

    /// Ends: far fewer than 65,535 are in flight.
    fn take_id(&mut self) -> NonZeroU16 {
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            if let Some(id) = NonZeroU16::new(self.last_id)
                && self.in_flight.insert(id)
            {
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn down(payload: &'static str) -> Down {
        Down {
            topic: "t".into(),
            payload: payload.into(),
        }
    }

    #[test]
    fn no_more_than_the_client_takes_and_no_id_twice() {
        let mut window = Window::new(2);
        let (first, _) = window.push(down("")).unwrap().unwrap();
        let (second, _) = window.push(down("")).unwrap().unwrap();
        assert_ne!(first, second);
        assert_eq!(window.push(down("third")), Ok(None));
        let (third, message) = window.acknowledged(first).unwrap();
        assert_eq!(message, down("third"));
        assert_eq!(window.acknowledged(first), None, "an acknowledgement counts once");
        window.last_id = u16::MAX;
        assert_eq!(window.acknowledged(third), None);
        assert_eq!(
            window.push(down("")).unwrap().unwrap().0,
            NonZeroU16::MIN,
            "ids wrap and skip 0"
        );
    }

    #[test]
    fn a_client_that_never_acknowledges_overflows() {
        let mut window = Window::new(1);
        let overflow = (0..).find(|_| window.push(down("")).is_err());
        assert_eq!(overflow, Some(1 + MOST_WAITING));
    }
}
