//! Calls that fail when nothing moves any more, however long they take while something does.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tonic::Status;

/// Waits for one answer.
///
/// # Errors
/// The call's own, or `deadline exceeded` after `limit`.
pub(crate) async fn answered<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer,
        Err(_) => Err(stalled(limit)),
    }
}

fn stalled(limit: Duration) -> Status {
    Status::deadline_exceeded(format!("nothing moved for {} s", limit.as_secs_f32()))
}

/// Told by an upload each time the line has taken a further piece.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress(Arc<Notify>);

impl Progress {
    pub(crate) fn made(&self) {
        self.0.notify_one();
    }

    /// Waits for `call` as long as progress is made at least every `limit`.
    ///
    /// # Errors
    /// The call's own, or `deadline exceeded` when nothing moved for `limit`.
    pub(crate) async fn answered<T>(
        &self,
        limit: Duration,
        call: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Status> {
        let mut call = std::pin::pin!(call);
        loop {
            tokio::select! {
                answer = &mut call => return answer,
                () = self.0.notified() => {}
                () = tokio::time::sleep(limit) => return Err(stalled(limit)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_that_moves_may_take_long_and_one_that_stands_still_ends() {
        let progress = Progress::default();
        let moving = progress.clone();
        let call = async move {
            for _ in 0..3 {
                tokio::task::yield_now().await;
                moving.made();
            }
            Ok(())
        };
        progress.answered(Duration::from_secs(60), call).await.unwrap();
        let never = std::future::pending::<Result<(), Status>>();
        let ended = progress
            .answered(Duration::from_millis(1), never)
            .await
            .unwrap_err();
        assert_eq!(ended.code(), tonic::Code::DeadlineExceeded);
    }
}
