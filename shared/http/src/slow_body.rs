use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::HttpBody;
use bytes::{Buf, Bytes};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

/// Why a request's body ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum SlowBody {
    #[error("the request's body came too slowly")]
    Slow,
    #[error("the request's body broke off")]
    Broken { source: hyper::Error },
}

/// Bytes that buy another second.
const A_SECONDS_WORTH: u64 = 1024;

/// A request's body that must come at some pace.
#[derive(Debug)]
pub(crate) struct Paced {
    body: Incoming,
    /// Armed with the first wait.
    deadline: Option<Pin<Box<Sleep>>>,
    begun: Instant,
    patience: Duration,
    came: u64,
}

impl Paced {
    pub(crate) fn new(body: Incoming, patience: Duration) -> Self {
        Self {
            body,
            deadline: None,
            begun: Instant::now(),
            patience,
            came: 0,
        }
    }

    fn end(&self) -> Instant {
        self.begun + self.patience + Duration::from_secs(self.came / A_SECONDS_WORTH)
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = SlowBody;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SlowBody>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            let frame = frame.map(|frame| frame.map_err(|source| SlowBody::Broken { source }));
            if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
                self.came += data.remaining() as u64;
            }
            return Poll::Ready(frame);
        }
        let end = self.end();
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if deadline.deadline() != end {
            deadline.as_mut().reset(end);
        }
        ready!(deadline.as_mut().poll(context));
        Poll::Ready(Some(Err(SlowBody::Slow)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
