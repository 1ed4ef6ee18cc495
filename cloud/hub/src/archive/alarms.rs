use barefoot_domain::Tier;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::cases::tier;
use super::read::query;
use super::{Archive, Error};

/// A critical case was not read in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alarm {
    pub(crate) number: i64,
    pub(crate) clinic: String,
    /// What people call the case.
    pub(crate) case: i64,
    /// Whose time runs now.
    pub(crate) tier: Tier,
    /// Somebody is reading it.
    pub(crate) held: bool,
    pub(crate) at_ms: i64,
}

impl Archive {
    /// Alarms that nobody has been told of, the oldest first.
    pub(crate) async fn untold_alarms(&self, most: u32) -> Result<Vec<Alarm>, Error> {
        let rows = sqlx::query(
            "SELECT number, clinic, called, tier, held, at_ms FROM alarms WHERE told_at_ms IS NULL \
             ORDER BY number LIMIT ?",
        )
        .bind(most)
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        rows.iter().map(alarm).collect()
    }

    pub(crate) async fn alarm_told(&self, number: i64, now_ms: i64) -> Result<(), Error> {
        sqlx::query("UPDATE alarms SET told_at_ms = ? WHERE number = ? AND told_at_ms IS NULL")
            .bind(now_ms)
            .bind(number)
            .execute(&self.pool)
            .await
            .map_err(|source| Error::Commit { source })?;
        Ok(())
    }

    /// Alarms that no listener of MQTT has taken, the oldest first.
    pub(crate) async fn unpublished_alarms(&self, most: u32) -> Result<Vec<Alarm>, Error> {
        let rows = sqlx::query(
            "SELECT number, clinic, called, tier, held, at_ms FROM alarms WHERE unpublished = 1 \
             ORDER BY number LIMIT ?",
        )
        .bind(most)
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        rows.iter().map(alarm).collect()
    }

    /// Those after `number` that nobody has taken, or that are not older than `since_ms`, the oldest first.
    pub(crate) async fn alarms_after(
        &self,
        number: i64,
        since_ms: i64,
        most: u32,
    ) -> Result<Vec<Alarm>, Error> {
        let rows = sqlx::query(
            "SELECT number, clinic, called, tier, held, at_ms FROM alarms \
             WHERE ? < number AND (unpublished = 1 OR ? <= at_ms) ORDER BY number LIMIT ?",
        )
        .bind(number)
        .bind(since_ms)
        .bind(most)
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        rows.iter().map(alarm).collect()
    }

    pub(crate) async fn alarm_published(&self, number: i64) -> Result<(), Error> {
        sqlx::query("UPDATE alarms SET unpublished = 0 WHERE number = ?")
            .bind(number)
            .execute(&self.pool)
            .await
            .map_err(|source| Error::Commit { source })?;
        Ok(())
    }
}

fn alarm(row: &SqliteRow) -> Result<Alarm, Error> {
    Ok(Alarm {
        number: row.try_get("number").map_err(query)?,
        clinic: row.try_get("clinic").map_err(query)?,
        case: row.try_get("called").map_err(query)?,
        tier: tier(row.try_get("tier").map_err(query)?)?,
        held: row.try_get("held").map_err(query)?,
        at_ms: row.try_get("at_ms").map_err(query)?,
    })
}
