//! Serves a router over HTTP/1.1 to whoever connects, within limits: a caller who is slow, silent or many costs a fixed
//! amount and keeps nobody else out.

mod half_open;
mod seats;
mod serve;
mod slow_body;
mod tls_lines;

use std::time::Duration;

pub use half_open::{HalfOpen, Place};
pub use serve::serve;
pub use slow_body::SlowBody;
pub use tls_lines::TlsLines;

/// How much a port takes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once. One more takes the place of the one that has been quiet for longest between requests.
    pub connections: usize,
    /// Of these, from one address; `None` where all come from one, as behind a proxy.
    pub per_address: Option<usize>,
    /// Time for a request's head, and how long a connection is kept for the next one.
    pub head: Duration,
    /// Within a request: a connection on which nothing moves for this long ends.
    pub quiet: Duration,
    /// A request's body may take this long, and a second more for each kibibyte that came.
    pub body: Duration,
}

impl Limits {
    /// For pages that people open: a browser has six connections at most.
    #[must_use]
    pub const fn for_pages() -> Self {
        Self {
            connections: 1024,
            per_address: Some(128),
            head: Duration::from_secs(10),
            quiet: Duration::from_secs(120),
            body: Duration::from_secs(30),
        }
    }

    /// For a reader of figures, which asks every few seconds.
    #[must_use]
    pub const fn for_metrics() -> Self {
        Self {
            connections: 64,
            per_address: Some(16),
            ..Self::for_pages()
        }
    }
}
