//! What systemd hears of this daemon. Outside of it all of this does nothing.

use sd_notify::NotifyState;

/// Every port listens.
pub(crate) fn ready() {
    tell(NotifyState::Ready);
}

pub(crate) fn stopping() {
    tell(NotifyState::Stopping);
}

/// A sign of life for as long as tasks are run: three in the time after which systemd would start the daemon again.
pub(crate) async fn signs_of_life() {
    let Some(patience) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut beat = tokio::time::interval(patience / 3);
    loop {
        beat.tick().await;
        tell(NotifyState::Watchdog);
    }
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "The service manager cannot be told how the daemon is.");
    }
}
