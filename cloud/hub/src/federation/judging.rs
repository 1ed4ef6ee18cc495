//! A candidate whose judgement failed is judged again until it has one; its run has ended all the same.

use std::time::Duration;

use super::runs::Runs;

impl Runs {
    /// Judges what waits: from before the start, and after each run's end; every `pause` while something fails. Until
    /// the shutdown.
    pub(super) async fn keep_judging(&self, pause: Duration) {
        loop {
            let all = tokio::select! {
                () = self.0.shutdown.triggered() => return,
                all = self.0.registry.judge_waiting() => all,
            };
            tokio::select! {
                () = self.0.shutdown.triggered() => return,
                () = self.0.unjudged.notified() => {}
                () = tokio::time::sleep(pause), if !all => {}
            }
        }
    }
}
