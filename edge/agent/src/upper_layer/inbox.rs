//! Bytes from the peer, read in large pieces and taken in small ones. Memory is one buffer, large only while an image
//! comes.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout_at};

/// Enough for headers, command sets and small data sets: what an idle association costs.
const SMALL: usize = 8 * 1024;
/// What an association that receives an image costs.
const LARGE: usize = 256 * 1024;
/// How long a large buffer waits for the next image.
const KEEP_LARGE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) enum ReadError {
    Closed,
    TimedOut,
    Failed(io::Error),
}

#[derive(Debug)]
pub(super) struct Inbox {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self {
            buffer: vec![0; SMALL],
            start: 0,
            end: 0,
        }
    }

    fn available(&self) -> usize {
        self.end - self.start
    }

    fn resize(&mut self, capacity: usize) {
        let mut buffer = vec![0; capacity];
        let kept = self.available();
        if let (Some(to), Some(from)) = (buffer.get_mut(..kept), self.buffer.get(self.start..self.end)) {
            to.copy_from_slice(from);
        }
        self.buffer = buffer;
        (self.start, self.end) = (0, kept);
    }

    /// One read into the free end of the buffer.
    async fn fill(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        deadline: Instant,
    ) -> Result<(), ReadError> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.available());
        }
        let free = self.buffer.get_mut(self.end..).unwrap_or_default();
        match timeout_at(deadline, stream.read(free)).await {
            Err(_) => Err(ReadError::TimedOut),
            Ok(Ok(0)) => Err(ReadError::Closed),
            Ok(Ok(read)) => {
                self.end += read;
                Ok(())
            }
            Ok(Err(error)) => Err(ReadError::Failed(error)),
        }
    }

    /// Waits for the first byte of what comes next. A large buffer is given back when that takes long.
    pub(super) async fn wait(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        deadline: Instant,
    ) -> Result<(), ReadError> {
        if 0 < self.available() {
            return Ok(());
        }
        if SMALL < self.buffer.len() {
            let soon = deadline.min(Instant::now() + KEEP_LARGE);
            match self.fill(stream, soon).await {
                Err(ReadError::TimedOut) if soon < deadline => self.resize(SMALL),
                other => return other,
            }
        }
        self.fill(stream, deadline).await
    }

    /// Takes exactly `N` bytes. Keeps what there is when it is cut short, so that it can be called again.
    pub(super) async fn take<const N: usize>(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        deadline: Instant,
    ) -> Result<[u8; N], ReadError> {
        loop {
            let taken = self.buffer.get(self.start..self.end);
            if let Some(bytes) = taken.and_then(|bytes| bytes.first_chunk::<N>()) {
                let bytes = *bytes;
                self.start += N;
                return Ok(bytes);
            }
            self.fill(stream, deadline).await?;
        }
    }

    /// How many bytes of a run of `wanted` are there, at least one. They are given by [`Self::consume`].
    pub(super) async fn ready(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        wanted: usize,
        deadline: Instant,
    ) -> Result<usize, ReadError> {
        if self.available() == 0 {
            if SMALL < wanted && self.buffer.len() < LARGE {
                self.resize(LARGE);
            }
            self.fill(stream, deadline).await?;
        }
        Ok(wanted.min(self.available()))
    }

    /// The next `count` bytes, at most what is there.
    pub(super) fn consume(&mut self, count: usize) -> &[u8] {
        let from = self.start;
        self.start = self.end.min(from + count);
        self.buffer.get(from..self.start).unwrap_or_default()
    }
}
