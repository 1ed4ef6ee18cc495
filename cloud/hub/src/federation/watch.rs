use barefoot_wire::v1;
use futures_util::stream::{self, Stream};
use tokio::sync::watch;
use tonic::Status;

use super::Error;
use super::runs::Runs;

/// A run that somebody follows.
struct Follower {
    runs: Runs,
    name: String,
    changes: watch::Receiver<u64>,
    /// What was told last.
    told: Option<v1::RunView>,
}

impl Runs {
    /// The run at once, then again on every change, until it has ended or the hub stops.
    ///
    /// # Errors
    /// [`Error::UnknownRun`].
    pub(crate) async fn watch(
        &self,
        name: &str,
    ) -> Result<impl Stream<Item = Result<v1::RunView, Status>> + Send + use<>, Error> {
        // Subscribed before the first look: no change falls between.
        let follower = Follower {
            runs: self.clone(),
            name: name.to_owned(),
            changes: self.0.changes.subscribe(),
            told: None,
        };
        self.view(name).await?;
        Ok(stream::unfold(Some(follower), |follower| async {
            let mut follower = follower?;
            match follower.next().await {
                Ok(None) => None,
                Ok(Some(view)) => Some((Ok(view), Some(follower))),
                Err(status) => Some((Err(status), None)),
            }
        }))
    }
}

impl Follower {
    async fn next(&mut self) -> Result<Option<v1::RunView>, Status> {
        if self.told.as_ref().is_some_and(|told| told.state != "running") {
            return Ok(None);
        }
        loop {
            self.changes.mark_unchanged();
            let view = self.runs.view(&self.name).await?;
            if self.told.as_ref() != Some(&view) {
                self.told = Some(view.clone());
                return Ok(Some(view));
            }
            tokio::select! {
                () = self.runs.0.shutdown.triggered() => {
                    return Err(Status::unavailable("The hub stops; ask again."));
                }
                changed = self.changes.changed() => if changed.is_err() {
                    return Ok(None);
                },
            }
        }
    }
}
