use std::collections::HashMap;

use barefoot_domain::ClinicId;
use barefoot_federation::chunk::ChunkId;

use super::super::{Archive, Error};
use super::rows::{chunk_id, commit, get, query};

/// What became of chunks that were to be written down for a clinic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Uploaded {
    Noted,
    /// The clinic would have more bytes than it may; nothing was written down.
    TooMuch,
}

impl Archive {
    /// Chunks this clinic has sent that no reply names yet, with their lengths in bytes.
    pub(crate) async fn uploads_of(&self, clinic: &ClinicId) -> Result<HashMap<ChunkId, u64>, Error> {
        sqlx::query("SELECT chunk, bytes FROM uploads WHERE clinic = ?")
            .bind(clinic.as_str())
            .fetch_all(&self.pool)
            .await
            .map_err(query)?
            .iter()
            .map(|row| {
                let bytes: i64 = get(row, "bytes")?;
                let bytes = u64::try_from(bytes).map_err(|_| Error::Stored { what: "upload" })?;
                Ok((chunk_id(row, "chunk")?, bytes))
            })
            .collect()
    }

    /// Notes that the clinic has sent these chunks, of so many bytes each.
    pub(crate) async fn note_uploads(
        &self,
        clinic: &ClinicId,
        chunks: &[(ChunkId, u64)],
        most_bytes: u64,
    ) -> Result<Uploaded, Error> {
        let write = async {
            let mut step = self.pool.begin_with("BEGIN IMMEDIATE").await?;
            for (id, bytes) in chunks {
                sqlx::query(
                    "INSERT INTO uploads (clinic, chunk, bytes) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                )
                .bind(clinic.as_str())
                .bind(id.0.as_slice())
                .bind(i64::try_from(*bytes).unwrap_or(i64::MAX))
                .execute(&mut *step)
                .await?;
            }
            let total: i64 =
                sqlx::query_scalar("SELECT COALESCE(SUM(bytes), 0) FROM uploads WHERE clinic = ?")
                    .bind(clinic.as_str())
                    .fetch_one(&mut *step)
                    .await?;
            if most_bytes < u64::try_from(total).unwrap_or(u64::MAX) {
                return Ok(Uploaded::TooMuch);
            }
            step.commit().await?;
            Ok(Uploaded::Noted)
        };
        write.await.map_err(commit)
    }

    /// No round takes updates: what was sent for the last one is not needed any more.
    pub(crate) async fn forget_uploads(&self) -> Result<(), Error> {
        sqlx::query("DELETE FROM uploads")
            .execute(&self.pool)
            .await
            .map_err(commit)?;
        Ok(())
    }
}
