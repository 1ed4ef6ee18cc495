//! What a new box's page and its daemon say to each other.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// Why a box could not be enrolled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("the hub's address must be host:port, for instance hub.example:8445")]
    Address,
    #[error("a code has 20 letters and digits: check every one")]
    Code,
    #[error("the hub cannot be reached: {why}")]
    Unreachable { why: String },
    #[error("what answers there is not the hub that made the code: tell your operator")]
    NotTheHub,
    #[error("the hub does not know this code: check every letter, and the hub's address")]
    UnknownCode,
    #[error("this code has expired: ask your operator for a new one")]
    ExpiredCode,
    #[error("this code was cancelled or replaced by a newer one: ask your operator for that")]
    CancelledCode,
    #[error("another box was set up with this code: ask your operator for a new one")]
    UsedCode,
    #[error("this clinic is shut out at the hub: call your operator")]
    ShutOut,
    #[error("the hub refused: {words}")]
    Refused { words: String },
    #[error("the hub's answer cannot be used: update the box or the hub")]
    Answer,
    #[error("the box cannot keep what the hub said: {why}")]
    Store { why: String },
}

type Asking = Pin<Box<dyn Future<Output = Result<(), Problem>> + Send>>;

/// What the page can do: set the box up, and hear what came of a stick.
#[derive(Clone)]
pub(crate) struct SetUpDesk {
    enrol: Arc<dyn Fn(String, String) -> Asking + Send + Sync>,
    of_a_stick: Arc<dyn Fn() -> Option<Problem> + Send + Sync>,
}

impl SetUpDesk {
    pub(crate) fn new(
        enrol: impl Fn(String, String) -> Asking + Send + Sync + 'static,
        of_a_stick: impl Fn() -> Option<Problem> + Send + Sync + 'static,
    ) -> Self {
        Self {
            enrol: Arc::new(enrol),
            of_a_stick: Arc::new(of_a_stick),
        }
    }

    pub(crate) async fn enrol(&self, hub: String, code: String) -> Result<(), Problem> {
        (self.enrol)(hub, code).await
    }

    /// Why a code that lay on a stick did not do.
    pub(crate) fn of_a_stick(&self) -> Option<Problem> {
        (self.of_a_stick)()
    }
}

impl fmt::Debug for SetUpDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetUpDesk")
    }
}

/// The first line of a stick's file that is no comment.
pub(crate) fn line(file: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(file);
    let mut lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    let line = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    line.map(str::to_owned)
}

/// What was typed or lies on a stick: hub and code in one line with a slash between, or in two parts.
pub(crate) fn parts<'a>(hub: &'a str, code: &'a str) -> (&'a str, &'a str) {
    let whole = [code, hub]
        .into_iter()
        .find_map(|text| text.trim().rsplit_once('/'));
    whole.unwrap_or((hub, code))
}
