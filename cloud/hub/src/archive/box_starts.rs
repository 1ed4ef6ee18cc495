//! The starts of each clinic's box, judged and written down in one transaction with what follows from them.

use barefoot_domain::ClinicId;
use sqlx::{Row, Sqlite, Transaction};

use super::audit::append_in;
use super::people::{commit, query};
use super::{Archive, Error};
use crate::audit::Entry;
use crate::box_starts::{Heard, Start, Told, Verdict, judge};
use crate::revocation::Holder;

/// Stands for the operator where the hub itself shut a clinic out, and its reason.
const BY_HUB: (&str, &str) = ("hub", "two machines use its identity");

impl Archive {
    /// Whether it is the box that came before. Where it is not, nobody with its identity is let in any more: the box that was
    /// enrolled until another is, one with a certificate made by hand until an operator restores the clinic.
    pub(crate) async fn note_start(
        &self,
        clinic: &ClinicId,
        told: &Told,
        entry: impl Fn(Verdict) -> Option<Entry>,
        now_ms: i64,
    ) -> Result<Verdict, Error> {
        let attempt = async {
            let mut transaction = self.begin().await?;
            let before = starts(&mut transaction, clinic).await?;
            let mut known = before.clone();
            let verdict = judge(&mut known, told);
            if known != before {
                put(&mut transaction, clinic, &known).await?;
            }
            if verdict == Verdict::Copied && !shut_out(&mut transaction, clinic, now_ms).await? {
                // It is known, and was on its way.
                return Ok(verdict);
            }
            if let Some(entry) = entry(verdict) {
                append_in(&mut transaction, &entry, now_ms).await?;
            }
            transaction.commit().await?;
            Ok(verdict)
        };
        attempt.await.map_err(commit)
    }

    /// Clinics whose identity two machines use.
    pub(crate) async fn copied_clinics(&self) -> Result<Vec<String>, Error> {
        let (by, reason) = BY_HUB;
        sqlx::query_scalar(
            "SELECT clinic FROM enrolled_boxes WHERE copied_at_ms IS NOT NULL \
             UNION SELECT holder FROM revocations WHERE kind = 'clinic' AND by_whom = ? AND reason = ?",
        )
        .bind(by)
        .bind(reason)
        .fetch_all(&self.pool)
        .await
        .map_err(query)
    }
}

/// What comes next is the clinic's box, whatever came before.
pub(super) async fn forget(
    transaction: &mut Transaction<'static, Sqlite>,
    clinic: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM box_starts WHERE clinic = ?")
        .bind(clinic)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

async fn starts(
    transaction: &mut Transaction<'static, Sqlite>,
    clinic: &ClinicId,
) -> Result<Vec<Heard>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT start, machine, session, left_behind FROM box_starts WHERE clinic = ? ORDER BY place",
    )
    .bind(clinic.as_str())
    .fetch_all(&mut **transaction)
    .await?;
    rows.iter()
        .map(|row| {
            let start: Vec<u8> = row.try_get("start")?;
            let session: i64 = row.try_get("session")?;
            Ok(Heard {
                // One of another length is no start of anybody.
                start: Start::try_from(start.as_slice()).unwrap_or_default(),
                machine: row.try_get("machine")?,
                session: u64::try_from(session).unwrap_or_default(),
                left_behind: row.try_get("left_behind")?,
            })
        })
        .collect()
}

async fn put(
    transaction: &mut Transaction<'static, Sqlite>,
    clinic: &ClinicId,
    known: &[Heard],
) -> Result<(), sqlx::Error> {
    forget(transaction, clinic.as_str()).await?;
    for (place, heard) in (0_i64..).zip(known) {
        sqlx::query(
            "INSERT INTO box_starts (clinic, place, start, machine, session, left_behind) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(clinic.as_str())
        .bind(place)
        .bind(heard.start.as_slice())
        .bind(&heard.machine)
        .bind(i64::try_from(heard.session).unwrap_or(i64::MAX))
        .bind(heard.left_behind)
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}

/// `false` when it was shut out before.
async fn shut_out(
    transaction: &mut Transaction<'static, Sqlite>,
    clinic: &ClinicId,
    now_ms: i64,
) -> Result<bool, sqlx::Error> {
    let enrolled: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM enrolled_boxes WHERE clinic = ?")
        .bind(clinic.as_str())
        .fetch_one(&mut **transaction)
        .await?;
    let marked = if enrolled != 0 {
        sqlx::query("UPDATE enrolled_boxes SET copied_at_ms = ? WHERE clinic = ? AND copied_at_ms IS NULL")
            .bind(now_ms)
            .bind(clinic.as_str())
            .execute(&mut **transaction)
            .await?
    } else {
        let holder = Holder::Clinic(clinic.clone());
        let ((kind, name), (by, reason)) = (holder.words(), BY_HUB);
        sqlx::query(
            "INSERT INTO revocations (kind, holder, at_ms, by_whom, reason) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (kind, holder) DO NOTHING",
        )
        .bind(kind)
        .bind(name)
        .bind(now_ms)
        .bind(by)
        .bind(reason)
        .execute(&mut **transaction)
        .await?
    };
    Ok(marked.rows_affected() != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Action, Actor, Object};

    fn told(start: u8, follows: &[u8], machine: &[u8], session: u64) -> Told {
        Told {
            start: [start; 16],
            follows: follows.iter().map(|one| [*one; 16]).collect(),
            machine: machine.to_vec(),
            session,
        }
    }

    #[tokio::test]
    async fn a_clinic_with_a_certificate_made_by_hand_is_shut_out_until_it_is_restored() {
        let dir = tempfile::tempdir().unwrap();
        let archive = Archive::open_with_keys(&dir.path().join("hub.sqlite"))
            .await
            .unwrap();
        let clinic = ClinicId::new("clinic-7").unwrap();
        let entry = |action| Entry::new(Actor::Hub("line"), action, Object::none());
        let note = async |told: &Told| {
            let entry = |verdict| (verdict == Verdict::Copied).then(|| entry(Action::BoxCopied));
            archive.note_start(&clinic, told, entry, 5).await.unwrap()
        };
        assert_eq!(note(&told(1, &[], b"a", 1)).await, Verdict::Itself);
        assert_eq!(note(&told(2, &[1], b"b", 2)).await, Verdict::Itself);
        assert!(archive.copied_clinics().await.unwrap().is_empty());
        for _ in 0..2 {
            assert_eq!(note(&told(1, &[], b"a", 3)).await, Verdict::Copied);
        }
        assert_eq!(archive.copied_clinics().await.unwrap(), ["clinic-7"]);
        let written: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM audit")
            .fetch_one(&archive.pool)
            .await
            .unwrap();
        assert_eq!(written, 1, "it is told once");
        let holder = Holder::Clinic(clinic.clone());
        let restored = entry(Action::CertificateRestored);
        assert!(archive.restore(&holder, &restored, 6).await.unwrap());
        assert!(archive.copied_clinics().await.unwrap().is_empty());
        // Whichever comes first now is the clinic's.
        assert_eq!(note(&told(1, &[], b"a", 4)).await, Verdict::Itself);
    }
}
