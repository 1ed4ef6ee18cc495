//! The bits of a scan. A byte after 0xFF has seven: its first is stuffed (T.87 section A.1).

pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    held: u64,
    count: u32,
    after_ff: bool,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            held: 0,
            count: 0,
            after_ff: false,
        }
    }

    /// What follows the scan, from its marker on.
    pub(super) fn behind(&self) -> &'a [u8] {
        let rest = self.bytes.get(self.at.saturating_sub(1)..).unwrap_or_default();
        let marker = rest
            .windows(2)
            .position(|pair| matches!(pair, [0xFF, 0x80..=0xFF]));
        marker.and_then(|at| rest.get(at..)).unwrap_or_default()
    }

    pub(super) fn bit(&mut self) -> Option<bool> {
        self.take(1).map(|bit| bit == 1)
    }

    /// At most 32 of them; `None` behind the end.
    pub(super) fn take(&mut self, wanted: u32) -> Option<u32> {
        while self.count < wanted {
            self.fill()?;
        }
        self.count -= wanted;
        let mask = (1_u64 << wanted) - 1;
        u32::try_from((self.held >> self.count) & mask).ok()
    }

    /// How many noughts stand before the next one, which is taken too; `None` where there are more than `most`.
    pub(super) fn noughts(&mut self, most: u32) -> Option<u32> {
        let mut noughts = 0;
        while !self.bit()? {
            noughts += 1;
            if most < noughts {
                return None;
            }
        }
        Some(noughts)
    }

    fn fill(&mut self) -> Option<()> {
        let byte = *self.bytes.get(self.at)?;
        if self.after_ff && 0x80 <= byte {
            // A marker: the scan ends here.
            return None;
        }
        self.at += 1;
        let width = if self.after_ff { 7 } else { 8 };
        self.held = (self.held << width) | u64::from(byte);
        self.count += width;
        self.after_ff = byte == 0xFF;
        Some(())
    }
}
