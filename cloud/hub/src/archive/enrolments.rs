//! Codes, boxes and their certificates, each change in one transaction with its line in the audit log.

use barefoot_domain::ClinicId;
use barefoot_trust::Fingerprint;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};

use super::audit::append_in;
use super::people::{commit, query};
use super::{Archive, Error, box_starts};
use crate::at_rest::Cell;
use crate::audit::Entry;

pub(crate) type Hash = [u8; 32];

/// A code, on its way into the archive.
pub(crate) struct NewCode<'a> {
    pub(crate) id: &'a Hash,
    pub(crate) secret: &'a Hash,
    pub(crate) clinic: &'a ClinicId,
    /// The operator's name.
    pub(crate) by: &'a str,
    pub(crate) expires_at_ms: i64,
}

/// How far a code is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CodeState {
    Open,
    Used { key: Hash, certificate: Fingerprint },
    Cancelled,
}

#[derive(Debug, Clone)]
pub(crate) struct CodeRow {
    pub(crate) clinic: ClinicId,
    /// `None` once it is over.
    pub(crate) secret: Option<Hash>,
    pub(crate) expires_at_ms: i64,
    pub(crate) state: CodeState,
}

/// A certificate that was issued to a box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertificateRow {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) clinic: ClinicId,
    pub(crate) key: Hash,
    pub(crate) chain: String,
    pub(crate) issued_at_ms: i64,
    pub(crate) not_after_ms: i64,
    pub(crate) renews: Option<Fingerprint>,
    pub(crate) confirmed: bool,
}

/// The box a clinic has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BoxRow {
    pub(crate) clinic: ClinicId,
    pub(crate) key: Hash,
    pub(crate) enrolled_at_ms: i64,
    pub(crate) copied_at_ms: Option<i64>,
}

/// A clinic's code and box, as operators see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SiteRow {
    pub(crate) clinic: String,
    pub(crate) code_expires_at_ms: Option<i64>,
    pub(crate) enrolled_at_ms: Option<i64>,
    pub(crate) certificate_until_ms: Option<i64>,
    pub(crate) copied_at_ms: Option<i64>,
}

impl Archive {
    /// The new code is open; another one of the clinic that was, is not.
    pub(crate) async fn add_code(&self, new: &NewCode<'_>, entry: &Entry, now_ms: i64) -> Result<(), Error> {
        let attempt = async {
            let mut transaction = self.begin().await?;
            end_codes(&mut transaction, new.clinic, now_ms).await?;
            let cell = Cell::enrolment_secret(new.id, new.clinic.as_str());
            sqlx::query(
                "INSERT INTO enrolments (code_id, clinic, secret, made_by, made_at_ms, expires_at_ms) \
                 VALUES (?, ?, ?, ?, ?, ?)",
            )
            .bind(new.id.as_slice())
            .bind(new.clinic.as_str())
            .bind(self.seal(&cell, new.secret.as_slice())?)
            .bind(new.by)
            .bind(now_ms)
            .bind(new.expires_at_ms)
            .execute(&mut *transaction)
            .await?;
            append_in(&mut transaction, entry, now_ms).await?;
            transaction.commit().await
        };
        attempt.await.map_err(commit)
    }

    /// `false` when the clinic has no open code.
    pub(crate) async fn cancel_code(
        &self,
        clinic: &ClinicId,
        entry: &Entry,
        now_ms: i64,
    ) -> Result<bool, Error> {
        let attempt = async {
            let mut transaction = self.begin().await?;
            if !end_codes(&mut transaction, clinic, now_ms).await? {
                return Ok(false);
            }
            append_in(&mut transaction, entry, now_ms).await?;
            transaction.commit().await?;
            Ok(true)
        };
        attempt.await.map_err(commit)
    }

    pub(crate) async fn code(&self, id: &Hash) -> Result<Option<CodeRow>, Error> {
        let row = sqlx::query(
            "SELECT clinic, secret, expires_at_ms, ended, used_key, fingerprint FROM enrolments WHERE code_id = ?",
        )
        .bind(id.as_slice())
        .fetch_optional(&self.pool)
        .await
        .map_err(query)?;
        row.map(|row| {
            code_of(&row, |clinic, sealed| {
                self.unseal(&Cell::enrolment_secret(id, clinic.as_str()), sealed)
            })
        })
        .transpose()
    }

    /// The code is used: the clinic's box is the one with this certificate. `false`, and nothing changed, when the code is not
    /// open any more.
    pub(crate) async fn enrol(
        &self,
        code: &Hash,
        issued: &CertificateRow,
        entry: &Entry,
    ) -> Result<bool, Error> {
        let attempt = async {
            let mut transaction = self.begin().await?;
            let used = sqlx::query(
                "UPDATE enrolments SET ended = 'used', used_key = ?, fingerprint = ? \
                 WHERE code_id = ? AND ended IS NULL",
            )
            .bind(issued.key.as_slice())
            .bind(issued.fingerprint.0.as_slice())
            .bind(code.as_slice())
            .execute(&mut *transaction)
            .await?;
            if used.rows_affected() == 0 {
                return Ok(false);
            }
            sqlx::query(
                "INSERT INTO enrolled_boxes (clinic, key, enrolled_at_ms) VALUES (?, ?, ?) ON CONFLICT (clinic) DO UPDATE \
                 SET key = excluded.key, enrolled_at_ms = excluded.enrolled_at_ms, copied_at_ms = NULL",
            )
            .bind(issued.clinic.as_str())
            .bind(issued.key.as_slice())
            .bind(issued.issued_at_ms)
            .execute(&mut *transaction)
            .await?;
            box_starts::forget(&mut transaction, issued.clinic.as_str()).await?;
            put_certificate(&mut transaction, issued).await?;
            append_in(&mut transaction, entry, issued.issued_at_ms).await?;
            transaction.commit().await?;
            Ok(true)
        };
        attempt.await.map_err(commit)
    }

    pub(crate) async fn certificate(&self, of: Fingerprint) -> Result<Option<CertificateRow>, Error> {
        let row = sqlx::query("SELECT * FROM certificates WHERE fingerprint = ?")
            .bind(of.0.as_slice())
            .fetch_optional(&self.pool)
            .await
            .map_err(query)?;
        row.map(|row| certificate_of(&row)).transpose()
    }

    /// The one that renews this one.
    pub(crate) async fn successor(&self, of: Fingerprint) -> Result<Option<CertificateRow>, Error> {
        let row = sqlx::query("SELECT * FROM certificates WHERE renews = ?")
            .bind(of.0.as_slice())
            .fetch_optional(&self.pool)
            .await
            .map_err(query)?;
        row.map(|row| certificate_of(&row)).transpose()
    }

    /// `false`, and nothing changed, when the one it renews was renewed meanwhile.
    pub(crate) async fn add_renewed(&self, issued: &CertificateRow, entry: &Entry) -> Result<bool, Error> {
        let attempt = async {
            let mut transaction = self.begin().await?;
            if !put_certificate(&mut transaction, issued).await? {
                return Ok(false);
            }
            append_in(&mut transaction, entry, issued.issued_at_ms).await?;
            transaction.commit().await?;
            Ok(true)
        };
        attempt.await.map_err(commit)
    }

    /// The box has stored it. A second time changes nothing.
    pub(crate) async fn confirm_certificate(&self, which: Fingerprint, now_ms: i64) -> Result<(), Error> {
        sqlx::query(
            "UPDATE certificates SET confirmed_at_ms = ? WHERE fingerprint = ? AND confirmed_at_ms IS NULL",
        )
        .bind(now_ms)
        .bind(which.0.as_slice())
        .execute(&self.pool)
        .await
        .map_err(commit)?;
        Ok(())
    }

    /// There are two boxes with this key. `false` when that was known.
    pub(crate) async fn box_was_copied(
        &self,
        clinic: &ClinicId,
        entry: &Entry,
        now_ms: i64,
    ) -> Result<bool, Error> {
        let attempt = async {
            let mut transaction = self.begin().await?;
            let marked = sqlx::query(
                "UPDATE enrolled_boxes SET copied_at_ms = ? WHERE clinic = ? AND copied_at_ms IS NULL",
            )
            .bind(now_ms)
            .bind(clinic.as_str())
            .execute(&mut *transaction)
            .await?;
            if marked.rows_affected() == 0 {
                return Ok(false);
            }
            append_in(&mut transaction, entry, now_ms).await?;
            transaction.commit().await?;
            Ok(true)
        };
        attempt.await.map_err(commit)
    }

    pub(crate) async fn enrolled_boxes(&self) -> Result<Vec<BoxRow>, Error> {
        let rows = sqlx::query("SELECT clinic, key, enrolled_at_ms, copied_at_ms FROM enrolled_boxes")
            .fetch_all(&self.pool)
            .await
            .map_err(query)?;
        rows.iter()
            .map(|row| {
                Ok(BoxRow {
                    clinic: clinic_of(row)?,
                    key: hash(row.try_get("key").map_err(query)?)?,
                    enrolled_at_ms: row.try_get("enrolled_at_ms").map_err(query)?,
                    copied_at_ms: row.try_get("copied_at_ms").map_err(query)?,
                })
            })
            .collect()
    }

    /// By clinic.
    pub(crate) async fn sites(&self, now_ms: i64) -> Result<Vec<SiteRow>, Error> {
        let rows = sqlx::query(
            "SELECT clinic, MAX(code) AS code, MAX(enrolled) AS enrolled, MAX(until) AS until, MAX(copied) AS copied FROM ( \
               SELECT clinic, expires_at_ms AS code, NULL AS enrolled, NULL AS until, NULL AS copied FROM enrolments \
                 WHERE ended IS NULL AND expires_at_ms > ? \
               UNION ALL SELECT clinic, NULL, enrolled_at_ms, NULL, copied_at_ms FROM enrolled_boxes \
               UNION ALL SELECT c.clinic, NULL, NULL, c.not_after_ms, NULL FROM certificates c \
                 JOIN enrolled_boxes b ON b.clinic = c.clinic AND b.key = c.key) \
             GROUP BY clinic ORDER BY clinic",
        )
        .bind(now_ms)
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        rows.iter()
            .map(|row| {
                Ok(SiteRow {
                    clinic: row.try_get("clinic").map_err(query)?,
                    code_expires_at_ms: row.try_get("code").map_err(query)?,
                    enrolled_at_ms: row.try_get("enrolled").map_err(query)?,
                    certificate_until_ms: row.try_get("until").map_err(query)?,
                    copied_at_ms: row.try_get("copied").map_err(query)?,
                })
            })
            .collect()
    }
}

/// Ends the clinic's open codes, and forgets the secrets of all that are over. Whether the clinic had one.
async fn end_codes(
    transaction: &mut Transaction<'static, Sqlite>,
    clinic: &ClinicId,
    now_ms: i64,
) -> Result<bool, sqlx::Error> {
    let ended = sqlx::query("UPDATE enrolments SET ended = 'cancelled' WHERE clinic = ? AND ended IS NULL")
        .bind(clinic.as_str())
        .execute(&mut **transaction)
        .await?;
    sqlx::query("UPDATE enrolments SET secret = NULL WHERE ended = 'cancelled' OR expires_at_ms <= ?")
        .bind(now_ms)
        .execute(&mut **transaction)
        .await?;
    Ok(ended.rows_affected() != 0)
}

/// `false` when there is one that renews the same one.
async fn put_certificate(
    transaction: &mut Transaction<'static, Sqlite>,
    issued: &CertificateRow,
) -> Result<bool, sqlx::Error> {
    let put = sqlx::query(
        "INSERT INTO certificates (fingerprint, clinic, key, chain, issued_at_ms, not_after_ms, renews) \
         VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(issued.fingerprint.0.as_slice())
    .bind(issued.clinic.as_str())
    .bind(issued.key.as_slice())
    .bind(&issued.chain)
    .bind(issued.issued_at_ms)
    .bind(issued.not_after_ms)
    .bind(issued.renews.map(|one| one.0.to_vec()))
    .execute(&mut **transaction)
    .await?;
    Ok(put.rows_affected() != 0)
}

fn code_of(
    row: &SqliteRow,
    unseal: impl FnOnce(&ClinicId, Vec<u8>) -> Result<Vec<u8>, Error>,
) -> Result<CodeRow, Error> {
    let secret: Option<Vec<u8>> = row.try_get("secret").map_err(query)?;
    let ended: Option<String> = row.try_get("ended").map_err(query)?;
    let state = match ended.as_deref() {
        None => CodeState::Open,
        Some("used") => CodeState::Used {
            key: hash(row.try_get("used_key").map_err(query)?)?,
            certificate: Fingerprint(hash(row.try_get("fingerprint").map_err(query)?)?),
        },
        Some(_) => CodeState::Cancelled,
    };
    let clinic = clinic_of(row)?;
    Ok(CodeRow {
        secret: secret.map(|sealed| hash(unseal(&clinic, sealed)?)).transpose()?,
        clinic,
        expires_at_ms: row.try_get("expires_at_ms").map_err(query)?,
        state,
    })
}

fn certificate_of(row: &SqliteRow) -> Result<CertificateRow, Error> {
    let renews: Option<Vec<u8>> = row.try_get("renews").map_err(query)?;
    let confirmed: Option<i64> = row.try_get("confirmed_at_ms").map_err(query)?;
    Ok(CertificateRow {
        fingerprint: Fingerprint(hash(row.try_get("fingerprint").map_err(query)?)?),
        clinic: clinic_of(row)?,
        key: hash(row.try_get("key").map_err(query)?)?,
        chain: row.try_get("chain").map_err(query)?,
        issued_at_ms: row.try_get("issued_at_ms").map_err(query)?,
        not_after_ms: row.try_get("not_after_ms").map_err(query)?,
        renews: renews.map(|one| hash(one).map(Fingerprint)).transpose()?,
        confirmed: confirmed.is_some(),
    })
}

fn clinic_of(row: &SqliteRow) -> Result<ClinicId, Error> {
    let text: String = row.try_get("clinic").map_err(query)?;
    ClinicId::new(text).map_err(|_| Error::Stored { what: "clinic" })
}

fn hash(bytes: Vec<u8>) -> Result<Hash, Error> {
    bytes.try_into().map_err(|_| Error::Stored { what: "hash" })
}
