use barefoot_domain::{ClinicId, Tier};
use sqlx::Row;

use super::row;
use crate::archive::read::query;
use crate::archive::{Archive, Error};

/// When somebody works, every week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shift {
    pub(crate) id: String,
    pub(crate) person: String,
    /// Minutes after Monday 00:00.
    pub(crate) from_minute: u32,
    pub(crate) minutes: u32,
}

/// When somebody does not, all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Absence {
    pub(crate) id: String,
    pub(crate) person: String,
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
}

/// Readers who read for some clinics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) tier: Tier,
    pub(crate) members: Vec<String>,
    pub(crate) clinics: Vec<String>,
}

impl Archive {
    /// Whether a reader wants to look before hearing what the model said.
    pub(crate) async fn hides_ai(&self, person: &str) -> Result<bool, Error> {
        let chosen: Option<bool> = sqlx::query_scalar("SELECT hide_ai FROM reader_settings WHERE person = ?")
            .bind(person)
            .fetch_optional(&self.pool)
            .await
            .map_err(query)?;
        Ok(chosen.unwrap_or(false))
    }

    pub(crate) async fn set_hides_ai(&self, person: &str, hide: bool) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO reader_settings (person, hide_ai) VALUES (?, ?) \
             ON CONFLICT (person) DO UPDATE SET hide_ai = excluded.hide_ai",
        )
        .bind(person)
        .bind(hide)
        .execute(&self.pool)
        .await
        .map_err(|source| Error::Commit { source })?;
        Ok(())
    }

    pub(crate) async fn shifts(&self) -> Result<Vec<Shift>, Error> {
        let rows: Vec<(String, String, u32, u32)> = sqlx::query_as(
            "SELECT id, person, from_minute, minutes FROM shifts ORDER BY person, from_minute",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        Ok(rows
            .into_iter()
            .map(|(id, person, from_minute, minutes)| Shift {
                id,
                person,
                from_minute,
                minutes,
            })
            .collect())
    }

    pub(crate) async fn put_shift(&self, shift: &Shift) -> Result<(), Error> {
        sqlx::query("INSERT INTO shifts (id, person, from_minute, minutes) VALUES (?, ?, ?, ?)")
            .bind(&shift.id)
            .bind(&shift.person)
            .bind(shift.from_minute)
            .bind(shift.minutes)
            .execute(&self.pool)
            .await
            .map_err(|source| Error::Commit { source })?;
        Ok(())
    }

    /// Absences that are not over at `now_ms`.
    pub(crate) async fn absences(&self, now_ms: i64) -> Result<Vec<Absence>, Error> {
        let rows: Vec<(String, String, i64, i64)> = sqlx::query_as(
            "SELECT id, person, from_ms, to_ms FROM absences WHERE ? < to_ms ORDER BY from_ms",
        )
        .bind(now_ms)
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        Ok(rows
            .into_iter()
            .map(|(id, person, from_ms, to_ms)| Absence {
                id,
                person,
                from_ms,
                to_ms,
            })
            .collect())
    }

    pub(crate) async fn put_absence(&self, absence: &Absence) -> Result<(), Error> {
        sqlx::query("INSERT INTO absences (id, person, from_ms, to_ms) VALUES (?, ?, ?, ?)")
            .bind(&absence.id)
            .bind(&absence.person)
            .bind(absence.from_ms)
            .bind(absence.to_ms)
            .execute(&self.pool)
            .await
            .map_err(|source| Error::Commit { source })?;
        Ok(())
    }

    /// Takes a shift or an absence off the roster.
    pub(crate) async fn remove_from_roster(&self, id: &str) -> Result<bool, Error> {
        let commit = |source| Error::Commit { source };
        let mut removed = 0;
        for sql in [
            "DELETE FROM shifts WHERE id = ?",
            "DELETE FROM absences WHERE id = ?",
        ] {
            let done = sqlx::query(sql)
                .bind(id)
                .execute(&self.pool)
                .await
                .map_err(commit)?;
            removed += done.rows_affected();
        }
        Ok(removed != 0)
    }

    pub(crate) async fn groups(&self) -> Result<Vec<Group>, Error> {
        let rows = sqlx::query("SELECT id, name, tier FROM reader_groups ORDER BY tier, name")
            .fetch_all(&self.pool)
            .await
            .map_err(query)?;
        let members: Vec<(String, String)> =
            sqlx::query_as("SELECT group_id, person FROM group_members ORDER BY person")
                .fetch_all(&self.pool)
                .await
                .map_err(query)?;
        let clinics: Vec<(String, String)> =
            sqlx::query_as("SELECT group_id, clinic FROM group_clinics ORDER BY clinic")
                .fetch_all(&self.pool)
                .await
                .map_err(query)?;
        let of = |pairs: &[(String, String)], id: &str| -> Vec<String> {
            pairs
                .iter()
                .filter(|(group, _)| group == id)
                .map(|(_, value)| value.clone())
                .collect()
        };
        rows.iter()
            .map(|row| {
                let id: String = row.try_get("id").map_err(query)?;
                Ok(Group {
                    name: row.try_get("name").map_err(query)?,
                    tier: row::tier(row.try_get("tier").map_err(query)?)?,
                    members: of(&members, &id),
                    clinics: of(&clinics, &id),
                    id,
                })
            })
            .collect()
    }

    /// Writes a group as it is now, whatever it was.
    pub(crate) async fn put_group(&self, group: &Group) -> Result<(), Error> {
        let write = async {
            let mut step = self.step().await?;
            sqlx::query("DELETE FROM reader_groups WHERE id = ?")
                .bind(&group.id)
                .execute(&mut *step)
                .await?;
            sqlx::query("INSERT INTO reader_groups (id, name, tier) VALUES (?, ?, ?)")
                .bind(&group.id)
                .bind(&group.name)
                .bind(row::tier_number(group.tier))
                .execute(&mut *step)
                .await?;
            for (sql, values) in [
                (
                    "INSERT OR IGNORE INTO group_members (group_id, person) VALUES (?, ?)",
                    &group.members,
                ),
                (
                    "INSERT OR IGNORE INTO group_clinics (group_id, clinic) VALUES (?, ?)",
                    &group.clinics,
                ),
            ] {
                for value in values {
                    sqlx::query(sql)
                        .bind(&group.id)
                        .bind(value)
                        .execute(&mut *step)
                        .await?;
                }
            }
            step.commit().await
        };
        write.await.map_err(|source| Error::Commit { source })
    }

    pub(crate) async fn remove_group(&self, id: &str) -> Result<bool, Error> {
        let done = sqlx::query("DELETE FROM reader_groups WHERE id = ?")
            .bind(id)
            .execute(&self.pool)
            .await
            .map_err(|source| Error::Commit { source })?;
        Ok(done.rows_affected() != 0)
    }

    /// Whether `person` of `tier` reads for `clinic`: no group of the tier names it, or one that the person is in.
    pub(crate) async fn reads_for(&self, person: &str, tier: Tier, clinic: &ClinicId) -> Result<bool, Error> {
        sqlx::query_scalar(
            "SELECT NOT EXISTS (SELECT 1 FROM group_clinics c JOIN reader_groups g ON g.id = c.group_id \
               WHERE g.tier = ?1 AND c.clinic = ?2) \
             OR EXISTS (SELECT 1 FROM group_clinics c JOIN reader_groups g ON g.id = c.group_id \
               JOIN group_members m ON m.group_id = g.id WHERE g.tier = ?1 AND c.clinic = ?2 AND m.person = ?3)",
        )
        .bind(row::tier_number(tier))
        .bind(clinic.as_str())
        .bind(person)
        .fetch_one(&self.pool)
        .await
        .map_err(query)
    }
}
