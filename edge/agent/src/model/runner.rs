//! A model at work on a thread of its own, for so long and no longer. What takes too long goes on alone: nothing can end
//! it from outside, but no study waits for it, and it is given no other work before it has ended.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

/// Why a model said nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Silence {
    /// It did not end in time, or still works on what it did not end in time.
    TooSlow,
    Failed(String),
}

/// One for each model.
#[derive(Debug, Default)]
pub(crate) struct Runner {
    busy: Arc<AtomicBool>,
}

impl Runner {
    /// What `work` gives, if it gives it within `limit`. A panic of it stays with it.
    pub(crate) fn within<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Result<T, Silence> {
        if self.busy.swap(true, Ordering::AcqRel) {
            return Err(Silence::TooSlow);
        }
        let busy = Arc::clone(&self.busy);
        let (answer, answered) = sync_channel(1);
        let begun = thread::Builder::new().name("model".to_owned()).spawn(move || {
            let said = catch_unwind(AssertUnwindSafe(work));
            // Before the answer: who has it may ask again at once.
            busy.store(false, Ordering::Release);
            // Nobody listens any more to what came too late.
            let _ = answer.send(said.unwrap_or_else(|_| Err("it panicked".to_owned())));
        });
        if let Err(error) = begun {
            self.busy.store(false, Ordering::Release);
            return Err(Silence::Failed(error.to_string()));
        }
        match answered.recv_timeout(limit) {
            Ok(said) => said.map_err(Silence::Failed),
            Err(RecvTimeoutError::Timeout) => Err(Silence::TooSlow),
            Err(RecvTimeoutError::Disconnected) => Err(Silence::Failed("it ended without a word".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn an_answer_in_time_is_given_and_the_next_question_asked() {
        let runner = Runner::default();
        for number in 0..100 {
            assert_eq!(runner.within(LONG, move || Ok(number)), Ok(number));
        }
    }

    #[test]
    fn what_takes_too_long_keeps_nobody_waiting_and_gets_no_other_work() {
        let runner = Runner::default();
        let (end, ended) = sync_channel::<()>(0);
        let slow = move || {
            let _ = ended.recv();
            Ok(1)
        };
        assert_eq!(runner.within(Duration::ZERO, slow), Err(Silence::TooSlow));
        // However long the next may wait, it is not given to a model that still works.
        assert_eq!(runner.within(LONG, || Ok(2)), Err(Silence::TooSlow));
        drop(end);
        let again = loop {
            match runner.within(LONG, || Ok(3)) {
                Err(Silence::TooSlow) => thread::yield_now(),
                said => break said,
            }
        };
        assert_eq!(again, Ok(3));
    }

    #[test]
    fn a_panic_or_an_error_is_the_models_failure() {
        let runner = Runner::default();
        let failed = runner.within::<()>(LONG, || Err("no number".to_owned()));
        assert_eq!(failed, Err(Silence::Failed("no number".to_owned())));
        let panicked = runner.within::<()>(LONG, || panic!("a fault in an engine"));
        assert_eq!(panicked, Err(Silence::Failed("it panicked".to_owned())));
        assert_eq!(runner.within(LONG, || Ok(4)), Ok(4));
    }
}
