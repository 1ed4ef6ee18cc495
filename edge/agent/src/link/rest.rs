//! The pause before the hub is tried again.

use std::time::Duration;

use barefoot_queue::{Lane, Queue};
use tokio::time::{Instant, sleep_until};

use crate::clock::now_ms;

/// A critical result shall be with a person within ten minutes: as long as that can be, the hub is tried each second.
const URGENT: Duration = Duration::from_secs(1);
const URGENT_FOR_MS: u64 = 10 * 60 * 1000;
/// Afterwards: each attempt may cost a metered line a kilobyte or two.
const LATE: Duration = Duration::from_secs(5);

/// Waits for `pause`, and not so long where something critical waits or comes.
pub(super) async fn rest(queue: &Queue, pause: Duration) {
    let begun = Instant::now();
    let mut news = queue.changed();
    loop {
        news.borrow_and_update();
        let most = urgent(queue).map_or(pause, |most| most.min(pause));
        let end = begun + most;
        tokio::select! {
            () = sleep_until(end) => return,
            changed = news.changed() => if changed.is_err() {
                sleep_until(end).await;
                return;
            }
        }
    }
}

/// The longest pause that what waits allows; none when nothing is critical.
fn urgent(queue: &Queue) -> Option<Duration> {
    let queued_at_ms = queue.depth().oldest_of(Lane::Critical)?;
    let waited_ms = u64::try_from(now_ms())
        .unwrap_or_default()
        .saturating_sub(queued_at_ms);
    Some(if waited_ms < URGENT_FOR_MS { URGENT } else { LATE })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    fn append(queue: &Queue, id: &str, lane: Lane, age_ms: u64) {
        let now = u64::try_from(now_ms()).unwrap();
        queue.append(lane, id, b"x", now - age_ms).unwrap();
    }

    #[tokio::test]
    async fn what_is_critical_shortens_the_pause() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::open(&folder.path().join("queue"), barefoot_queue::Config::default()).unwrap();
        append(&queue, "routine", Lane::Results, 0);
        assert_eq!(urgent(&queue), None);
        append(&queue, "late", Lane::Critical, URGENT_FOR_MS);
        assert_eq!(urgent(&queue), Some(LATE));
        queue.receipt("late").unwrap();
        let begun = Instant::now();
        let comes = async {
            tokio::task::yield_now().await;
            append(&queue, "new", Lane::Critical, 0);
        };
        tokio::join!(rest(&queue, LONG), comes);
        assert!(begun.elapsed() < LONG, "one that comes in the pause ends it");
        assert_eq!(urgent(&queue), Some(URGENT));
    }
}
