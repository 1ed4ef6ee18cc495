//! Waiting for a condition, never for a time.

use std::fmt::Display;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(25);

/// What was waited for in vain, and what it looked like last.
#[derive(Debug, thiserror::Error)]
#[error("waited {seconds} s for {what}; last seen: {last}")]
pub struct TimedOut {
    pub what: String,
    pub seconds: u64,
    pub last: String,
}

/// Asks `look` again and again until it gives a value. It answers from the present state (level, not edge), so a
/// change between two looks is never missed.
///
/// # Errors
/// When the time is over; says what `look` said last.
pub async fn wait_for<T, E: Display>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, TimedOut> {
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(value) => return Ok(value),
            Err(last) if within <= begun.elapsed() => {
                return Err(TimedOut {
                    what: what.to_owned(),
                    seconds: within.as_secs(),
                    last: last.to_string(),
                });
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_status_is_told() {
        let mut looks = 0;
        let error = wait_for("the third", Duration::from_millis(60), async || {
            looks += 1;
            Err::<(), _>(format!("look {looks}"))
        })
        .await
        .unwrap_err();
        assert!(1 < looks);
        assert!(error.to_string().ends_with(&format!("look {looks}")), "{error}");
        let mut looks = 0;
        let third = wait_for("the third", Duration::from_secs(9), async || {
            looks += 1;
            if looks == 3 { Ok(looks) } else { Err("too few") }
        })
        .await;
        assert_eq!(third.unwrap(), 3);
    }
}
