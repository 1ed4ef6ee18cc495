//! What an older hub sealed for its column only, or wrote plainly, is sealed for its row.

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};

use super::{Archive, Error};
use crate::Shutdown;
use crate::at_rest::{Cell, Column, Home};

/// So many in one transaction: others wait for it.
const AT_ONCE: i64 = 100;

/// What a pass over the database came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bound {
    /// Sealed anew.
    pub(crate) sealed: u64,
    /// Do not open, and stand as they stood.
    pub(crate) left: u64,
}

impl Archive {
    /// Seals every value for its row, those of an older hub too; from then on no other one is read. Where one does not open, for
    /// instance because a key is missing, the rest is sealed and the next start tries again.
    pub(crate) async fn bind_rows(&self) -> Result<Bound, Error> {
        let mut all = Bound::default();
        if self.vault.are_rows_bound() {
            return Ok(all);
        }
        for column in Column::ALL {
            let mut after = i64::MIN;
            while let Some((last, bound)) = self
                .bind_some(column, after)
                .await
                .map_err(|source| Error::Commit { source })?
            {
                after = last;
                all.sealed += bound.sealed;
                all.left += bound.left;
            }
        }
        if all.left == 0 {
            let vault = std::sync::Arc::clone(&self.vault);
            let marked = tokio::task::spawn_blocking(move || vault.bind_rows()).await;
            let marked = marked.map_err(std::io::Error::other).flatten();
            marked.map_err(|source| Error::Commit {
                source: sqlx::Error::Io(source),
            })?;
        }
        Ok(all)
    }

    /// The next ones behind the row `after`, and the last of them; `None` where there is none.
    async fn bind_some(&self, column: Column, after: i64) -> Result<Option<(i64, Bound)>, sqlx::Error> {
        let Home {
            table,
            column: value,
            row: identity,
        } = column.home();
        let parts: String = identity
            .iter()
            .map(|part| format!(", CAST({part} AS BLOB) AS of_{part}"))
            .collect();
        let mut step = self.step().await?;
        // The first four bytes are those of a value that is sealed for its row. All names are ours.
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT rowid AS number, CAST({value} AS BLOB) AS stored{parts} FROM {table} \
             WHERE ? < rowid AND {value} IS NOT NULL AND substr({value}, 1, 4) <> x'BF525701' ORDER BY rowid LIMIT ?"
        )))
        .bind(after)
        .bind(AT_ONCE)
        .fetch_all(&mut *step)
        .await?;
        let mut last = None;
        let mut bound = Bound::default();
        for row in rows {
            let number: i64 = row.try_get("number")?;
            last = Some(number);
            let cell = cell_of(column, identity, &row)?;
            let Ok(plain) = step.unseal(&cell, row.try_get("stored")?) else {
                bound.left += 1;
                continue;
            };
            sqlx::query(AssertSqlSafe(format!(
                "UPDATE {table} SET {value} = ? WHERE rowid = ?"
            )))
            .bind(step.seal(&cell, &plain)?)
            .bind(number)
            .execute(&mut *step)
            .await?;
            bound.sealed += 1;
        }
        step.commit().await?;
        Ok(last.map(|last| (last, bound)))
    }
}

/// What an older hub sealed is sealed for its row, beside the work. A pass that is cut goes on at the next start.
pub(crate) async fn bind_rows(archive: Archive, shutdown: Shutdown) {
    let bound = tokio::select! {
        () = shutdown.triggered() => return,
        bound = archive.bind_rows() => bound,
    };
    match bound {
        Ok(bound) if bound.left != 0 => tracing::warn!(
            sealed = bound.sealed,
            left = bound.left,
            "Some values in the database do not open and could not be sealed for their rows; the next start tries again."
        ),
        Ok(bound) if bound.sealed != 0 => {
            tracing::info!(
                sealed = bound.sealed,
                "All values in the database are sealed for their rows now."
            );
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(
            error = &error as &dyn std::error::Error,
            "Values in the database could not be sealed for their rows; the next start tries again."
        ),
    }
}

fn cell_of(column: Column, identity: &[&str], row: &SqliteRow) -> Result<Cell, sqlx::Error> {
    let parts: Vec<Vec<u8>> = identity
        .iter()
        .map(|part| row.try_get(format!("of_{part}").as_str()))
        .collect::<Result<_, _>>()?;
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    Ok(Cell::new(column, &parts))
}
