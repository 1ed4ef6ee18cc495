use tokio_util::sync::CancellationToken;

/// Asks every part of the hub to finish what it is committing and stop. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Can be called more than once.
    pub fn trigger(&self) {
        self.0.cancel();
    }

    /// Returns once [`Shutdown::trigger`] was called.
    pub async fn triggered(&self) {
        self.0.cancelled().await;
    }

    /// The same, for what knows no hub.
    pub(crate) fn token(&self) -> CancellationToken {
        self.0.clone()
    }

    #[must_use]
    pub fn is_triggered(&self) -> bool {
        self.0.is_cancelled()
    }
}
