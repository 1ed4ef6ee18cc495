use sqlx::{AssertSqlSafe, SqlitePool};

use super::Error;

/// Version n is what stands after the first n of these. A released file is never edited; a change is a new file.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_results.sql"),
    include_str!("migrations/0002_federation.sql"),
    include_str!("migrations/0003_models.sql"),
    include_str!("migrations/0004_rollouts.sql"),
    include_str!("migrations/0005_corrections.sql"),
    include_str!("migrations/0006_ended_updates.sql"),
    include_str!("migrations/0007_rollouts_alive.sql"),
    include_str!("migrations/0008_lines.sql"),
    include_str!("migrations/0009_images.sql"),
    include_str!("migrations/0010_objects_by_hash.sql"),
    include_str!("migrations/0011_people.sql"),
    include_str!("migrations/0012_audit.sql"),
    include_str!("migrations/0013_cases.sql"),
    include_str!("migrations/0014_reports.sql"),
    include_str!("migrations/0015_dicomweb.sql"),
    include_str!("migrations/0016_case_workitems.sql"),
    include_str!("migrations/0017_alarms_by_mqtt.sql"),
    include_str!("migrations/0018_made_by.sql"),
    include_str!("migrations/0019_long_lists.sql"),
    include_str!("migrations/0020_revocations.sql"),
    include_str!("migrations/0021_enrolment.sql"),
    include_str!("migrations/0022_audit_repository.sql"),
    include_str!("migrations/0024_identities.sql"),
    include_str!("migrations/0025_audit_is_not_replaced.sql"),
    include_str!("migrations/0026_box_starts.sql"),
    include_str!("migrations/0027_bound_rows.sql"),
    include_str!("migrations/0028_restorations.sql"),
];

/// The version of databases that this program writes.
pub(super) fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Each step is one transaction together with its version number: a cut leaves the older version, whole.
pub(super) async fn migrate(pool: &SqlitePool, path: &str) -> Result<(), Error> {
    let open = |source| Error::Open {
        path: path.to_owned(),
        source,
    };
    let found: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(pool)
        .await
        .map_err(open)?;
    let known = known();
    if !(0..=known).contains(&found) {
        return Err(Error::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    for (to, sql) in (1..).zip(MIGRATIONS).filter(|(to, _)| found < *to) {
        let failed = |source| Error::Migrate {
            path: path.to_owned(),
            to,
            source,
        };
        let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        sqlx::raw_sql(*sql)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        // A pragma takes no parameters; the number is ours.
        sqlx::raw_sql(AssertSqlSafe(format!("PRAGMA user_version = {to}")))
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        tracing::info!(version = to, "The database was brought to a new version.");
    }
    Ok(())
}
