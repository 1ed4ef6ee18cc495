use barefoot_domain::{ClinicId, Correction};
use barefoot_wire::v1;

use super::{Archive, Error};
use crate::at_rest::Cell;

/// Most messages for one clinic that are looked at at once; the rest follow as these are receipted.
const BATCH: i64 = 64;

/// A message a clinic has not receipted yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) envelope_id: String,
    /// A protobuf `Envelope`.
    pub(crate) envelope: Vec<u8>,
    /// What is in it.
    pub(crate) kind: v1::Kind,
}

/// A correction with what surrounds it.
#[derive(Debug)]
pub(crate) struct NewCorrection<'a> {
    pub(crate) clinic: &'a ClinicId,
    pub(crate) correction: &'a Correction,
    pub(crate) expert: &'a str,
    pub(crate) message: &'a Waiting,
}

impl Archive {
    /// Keeps the correction together with its message to the clinic; `false` when there is no such result.
    pub(crate) async fn record_correction(&self, new: &NewCorrection<'_>) -> Result<bool, Error> {
        self.try_record_correction(new)
            .await
            .map_err(|source| Error::Commit { source })
    }

    async fn try_record_correction(&self, new: &NewCorrection<'_>) -> Result<bool, sqlx::Error> {
        let correction = new.correction;
        let mut transaction = self.step().await?;
        let known: Option<i64> = sqlx::query_scalar(
            "SELECT r.number FROM results r JOIN findings f ON f.result = r.number \
             WHERE r.clinic = ? AND r.case_id = ? AND r.version = ? AND f.code = ?",
        )
        .bind(new.clinic.as_str())
        .bind(correction.case.as_str())
        .bind(correction.version)
        .bind(correction.finding.as_str())
        .fetch_optional(&mut *transaction)
        .await?;
        if known.is_none() {
            return Ok(false);
        }
        let cell = Cell::outgoing(new.clinic.as_str(), &new.message.envelope_id);
        sqlx::query("INSERT INTO outgoing (clinic, envelope_id, made_at_ms, envelope) VALUES (?, ?, ?, ?)")
            .bind(new.clinic.as_str())
            .bind(&new.message.envelope_id)
            .bind(correction.recorded_at_ms)
            .bind(transaction.seal(&cell, &new.message.envelope)?)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "INSERT INTO corrections (id, clinic, case_id, version, finding, present, expert, recorded_at_ms, \
             envelope_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&correction.id)
        .bind(new.clinic.as_str())
        .bind(correction.case.as_str())
        .bind(correction.version)
        .bind(correction.finding.as_str())
        .bind(correction.present)
        .bind(new.expert)
        .bind(correction.recorded_at_ms)
        .bind(&new.message.envelope_id)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// What `clinic` has not receipted, oldest first; of one moment as it was written: a report before the word that it is there.
    pub(crate) async fn unsettled(&self, clinic: &ClinicId) -> Result<Vec<Waiting>, Error> {
        let rows: Vec<(String, Vec<u8>, i32)> = sqlx::query_as(
            "SELECT envelope_id, envelope, kind FROM outgoing WHERE clinic = ? AND settled_at_ms IS NULL \
             ORDER BY made_at_ms, rowid LIMIT ?",
        )
        .bind(clinic.as_str())
        .bind(BATCH)
        .fetch_all(&self.pool)
        .await
        .map_err(|source| Error::Query { source })?;
        rows.into_iter()
            .map(|(envelope_id, envelope, kind)| {
                let cell = Cell::outgoing(clinic.as_str(), &envelope_id);
                Ok(Waiting {
                    envelope: self.unseal(&cell, envelope)?,
                    envelope_id,
                    kind: v1::Kind::try_from(kind).unwrap_or_default(),
                })
            })
            .collect()
    }

    /// The clinics that have something to hear.
    pub(crate) async fn clinics_to_tell(&self) -> Result<Vec<ClinicId>, Error> {
        let names: Vec<String> =
            sqlx::query_scalar("SELECT DISTINCT clinic FROM outgoing WHERE settled_at_ms IS NULL")
                .fetch_all(&self.pool)
                .await
                .map_err(|source| Error::Query { source })?;
        names
            .into_iter()
            .map(|name| ClinicId::new(name).map_err(|_| Error::Stored { what: "clinic" }))
            .collect()
    }

    /// The clinic's word on a message; a second word changes nothing.
    pub(crate) async fn settle(
        &self,
        clinic: &ClinicId,
        envelope_id: &str,
        refused: Option<&str>,
        now_ms: i64,
    ) -> Result<(), Error> {
        let write = async {
            let mut step = self.step().await?;
            let settled = sqlx::query(
                "UPDATE outgoing SET settled_at_ms = ?, refused = ? \
                 WHERE clinic = ? AND envelope_id = ? AND settled_at_ms IS NULL",
            )
            .bind(now_ms)
            .bind(refused)
            .bind(clinic.as_str())
            .bind(envelope_id)
            .execute(&mut *step)
            .await?
            .rows_affected();
            if settled != 0 && refused.is_none() {
                sqlx::query(
                    "UPDATE reports SET delivered_at_ms = ? \
                     WHERE clinic = ? AND envelope_id = ? AND delivered_at_ms IS NULL",
                )
                .bind(now_ms)
                .bind(clinic.as_str())
                .bind(envelope_id)
                .execute(&mut *step)
                .await?;
            }
            step.commit().await
        };
        write.await.map_err(|source| Error::Commit { source })
    }
}
