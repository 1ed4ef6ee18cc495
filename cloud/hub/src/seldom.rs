//! Saying the same thing not too often.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines about the same thing.
const PAUSE: Duration = Duration::from_secs(60);

/// Something that may happen many times a second and is worth a line now and then.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<Unsaid>);

#[derive(Debug, Default)]
struct Unsaid {
    said: Option<Instant>,
    times: u64,
}

impl Seldom {
    /// It happened at `now`. How many times since the last line, where another is due.
    pub(crate) fn happened(&self, now: Instant) -> Option<u64> {
        let mut unsaid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        unsaid.times += 1;
        if unsaid.said.is_some_and(|said| now < said + PAUSE) {
            return None;
        }
        unsaid.said = Some(now);
        Some(std::mem::take(&mut unsaid.times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_said_and_the_rest_is_counted() {
        let seldom = Seldom::default();
        let start = Instant::now();
        assert_eq!(seldom.happened(start), Some(1));
        assert_eq!((seldom.happened(start), seldom.happened(start)), (None, None));
        assert_eq!(seldom.happened(start + PAUSE), Some(3));
    }
}
