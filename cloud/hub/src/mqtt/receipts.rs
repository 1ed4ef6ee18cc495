use std::collections::{HashSet, VecDeque};
use std::num::NonZeroU16;

use bytes::Bytes;

/// Most receipts waiting for the client to acknowledge earlier ones. A client that falls further behind is cut.
const MOST_WAITING: usize = 1024;

/// Receipts to one session, within its Receive Maximum.
#[derive(Debug)]
pub(super) struct ReceiptWindow {
    most_in_flight: usize,
    last_id: u16,
    in_flight: HashSet<NonZeroU16>,
    waiting: VecDeque<Bytes>,
}

/// The client does not acknowledge what it is sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overflow;

impl ReceiptWindow {
    pub(super) fn new(most_in_flight: u16) -> Self {
        Self {
            most_in_flight: usize::from(most_in_flight).max(1),
            last_id: 0,
            in_flight: HashSet::new(),
            waiting: VecDeque::new(),
        }
    }

    /// The receipt with its packet id when it may go out now; otherwise it waits.
    pub(super) fn push(&mut self, receipt: Bytes) -> Result<Option<(NonZeroU16, Bytes)>, Overflow> {
        if self.in_flight.len() < self.most_in_flight {
            return Ok(Some((self.take_id(), receipt)));
        }
        if MOST_WAITING <= self.waiting.len() {
            return Err(Overflow);
        }
        self.waiting.push_back(receipt);
        Ok(None)
    }

    /// Notes an acknowledgement; returns the receipt that may go out instead. An unknown id is ignored.
    pub(super) fn acknowledged(&mut self, id: NonZeroU16) -> Option<(NonZeroU16, Bytes)> {
        if !self.in_flight.remove(&id) {
            return None;
        }
        let receipt = self.waiting.pop_front()?;
        Some((self.take_id(), receipt))
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

    #[test]
    fn no_more_than_the_client_takes_and_no_id_twice() {
        let mut window = ReceiptWindow::new(2);
        let (first, _) = window.push(Bytes::new()).unwrap().unwrap();
        let (second, _) = window.push(Bytes::new()).unwrap().unwrap();
        assert_ne!(first, second);
        assert_eq!(window.push("third".into()), Ok(None));
        let (third, payload) = window.acknowledged(first).unwrap();
        assert_eq!(payload, "third");
        assert_eq!(window.acknowledged(first), None, "an acknowledgement counts once");
        window.last_id = u16::MAX;
        assert_eq!(window.acknowledged(third), None);
        assert_eq!(
            window.push(Bytes::new()).unwrap().unwrap().0,
            NonZeroU16::MIN,
            "ids wrap and skip 0"
        );
    }

    #[test]
    fn a_client_that_never_acknowledges_overflows() {
        let mut window = ReceiptWindow::new(1);
        let overflow = (0..).find(|_| window.push(Bytes::new()).is_err());
        assert_eq!(overflow, Some(1 + MOST_WAITING));
    }
}
