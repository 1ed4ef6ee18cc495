//! The bits of a scan. A byte 0xFF among them has a nought behind it (T.81 section F.1.2.3); with anything else it is a
//! marker, behind which nothing is read.

pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// From the uppermost bit on.
    held: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            held: 0,
            count: 0,
        }
    }

    /// What follows the scan, from its marker on.
    pub(super) fn behind(&self) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let marker = rest
            .windows(2)
            .position(|pair| matches!(pair, [0xFF, 0x01..=0xFE]));
        marker.and_then(|at| rest.get(at..)).unwrap_or_default()
    }

    /// Goes on behind the restart marker of this number (T.81 section F.2.2.4).
    pub(super) fn restart(&mut self, number: u8) -> Option<()> {
        let bytes = self.behind().strip_prefix(&[0xFF, 0xD0 + number])?;
        *self = Self::new(bytes);
        Some(())
    }

    /// Makes 32 bits ready, where there are as many.
    pub(super) fn fill(&mut self) {
        if self.count < 32 {
            self.refill();
        }
    }

    fn refill(&mut self) {
        let word = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<4>);
        if let Some(word) = word.filter(|word| !word.contains(&0xFF)) {
            self.held |= u64::from(u32::from_be_bytes(*word)) << (32 - self.count);
            self.count += 32;
            self.at += 4;
            return;
        }
        while self.count <= 56 {
            let Some(byte) = self.bytes.get(self.at) else {
                return;
            };
            self.at += match (*byte, self.bytes.get(self.at + 1)) {
                (0xFF, Some(0)) => 2,
                (0xFF, _) => return,
                _ => 1,
            };
            self.held |= u64::from(*byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// The next sixteen; noughts stand for those that are missing.
    pub(super) fn peek(&self) -> u32 {
        (self.held >> 48) as u32
    }

    /// `None` where there are not as many.
    pub(super) fn skip(&mut self, count: u32) -> Option<()> {
        self.count = self.count.checked_sub(count)?;
        self.held <<= count;
        Some(())
    }

    /// At most sixteen.
    pub(super) fn take(&mut self, count: u32) -> Option<u32> {
        let value = self.peek() >> (16 - count);
        self.skip(count)?;
        Some(value)
    }
}
