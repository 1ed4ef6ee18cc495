mod devices;
mod referrals;

use sqlx::Row;

use super::read::query;
use super::{Archive, Error};

pub(crate) use devices::{Days, Device};
pub(crate) use referrals::{End, WentUp};

/// How a tier's cases went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Turnaround {
    /// 1 county, 2 city, 3 province; who signed.
    pub(crate) tier: i64,
    /// 0 routine, 1 review, 2 critical.
    pub(crate) urgency: i64,
    /// From coming onto the list to the signature, milliseconds, each case.
    pub(crate) took_ms: Vec<i64>,
    /// Signed without ever having been late.
    pub(crate) in_time: u32,
}

/// The model's calls beside the signed reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Agreement {
    pub(crate) model: String,
    pub(crate) finding: String,
    pub(crate) both_positive: u32,
    pub(crate) only_model: u32,
    pub(crate) only_expert: u32,
    pub(crate) both_negative: u32,
}

/// How good a clinic's images are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Quality {
    pub(crate) clinic: String,
    pub(crate) modality: String,
    pub(crate) grades: [u32; 3],
}

fn count(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

impl Archive {
    /// Cases signed since `since_ms`, by the tier of who signed and urgency.
    pub(crate) async fn turnaround(&self, since_ms: i64) -> Result<Vec<Turnaround>, Error> {
        let rows: Vec<(i64, i64, i64, bool)> = sqlx::query_as(
            "SELECT r.tier, r.urgency, r.signed_at_ms - c.opened_at_ms, c.overdue FROM reports r \
             JOIN cases c ON c.clinic = r.clinic AND c.case_id = r.case_id \
             WHERE r.addendum_to IS NULL AND ? <= r.signed_at_ms ORDER BY r.tier, r.urgency DESC",
        )
        .bind(since_ms)
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        let mut all: Vec<Turnaround> = Vec::new();
        for (tier, urgency, took, overdue) in rows {
            let same = |one: &&mut Turnaround| one.tier == tier && one.urgency == urgency;
            if let Some(one) = all.iter_mut().find(same) {
                one.took_ms.push(took);
                one.in_time += u32::from(!overdue);
            } else {
                all.push(Turnaround {
                    tier,
                    urgency,
                    took_ms: vec![took],
                    in_time: u32::from(!overdue),
                });
            }
        }
        for one in &mut all {
            one.took_ms.sort_unstable();
        }
        Ok(all)
    }

    /// What the model called and the reports signed since `since_ms` say; what cannot be said is left out.
    pub(crate) async fn agreement(&self, since_ms: i64) -> Result<Vec<Agreement>, Error> {
        let rows = sqlx::query(
            "SELECT COALESCE(x.model_id || ' ' || x.model_version, '') AS model, s.finding, \
             SUM(s.called = 1 AND s.presence = 'present') AS both_positive, \
             SUM(s.called = 1 AND s.presence = 'absent') AS only_model, \
             SUM(s.called = 0 AND s.presence = 'present') AS only_expert, \
             SUM(s.called = 0 AND s.presence = 'absent') AS both_negative \
             FROM report_statements s JOIN reports r ON r.id = s.report \
             JOIN results x ON x.clinic = r.clinic AND x.case_id = r.case_id AND x.version = r.version \
             WHERE s.called IS NOT NULL AND ? <= r.signed_at_ms GROUP BY 1, 2 ORDER BY 1, 2",
        )
        .bind(since_ms)
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        rows.iter()
            .map(|row| {
                let number = |name: &str| row.try_get::<i64, _>(name).map(count).map_err(query);
                Ok(Agreement {
                    model: row.try_get("model").map_err(query)?,
                    finding: row.try_get("finding").map_err(query)?,
                    both_positive: number("both_positive")?,
                    only_model: number("only_model")?,
                    only_expert: number("only_expert")?,
                    both_negative: number("both_negative")?,
                })
            })
            .collect()
    }

    /// How often what happened to cases since `since_ms`: the history's word, and the number of cases.
    pub(crate) async fn ways(&self, since_ms: i64) -> Result<Vec<(String, u32)>, Error> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT event, COUNT(DISTINCT clinic || '/' || case_id) FROM case_events WHERE ? <= at_ms \
             AND event IN ('arrived', 'asked', 'referred', 'second_wanted', 'differs', 'escalated', 'overdue', \
             'images_wanted', 'signed', 'addendum', 'withdrawn') GROUP BY event ORDER BY 2 DESC",
        )
        .bind(since_ms)
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        Ok(rows
            .into_iter()
            .map(|(event, cases)| (event, count(cases)))
            .collect())
    }

    /// Grades of the results committed since `since_ms`, by clinic and modality.
    pub(crate) async fn quality_by_clinic(&self, since_ms: i64) -> Result<Vec<Quality>, Error> {
        let rows: Vec<(String, String, i64, i64, i64)> = sqlx::query_as(
            "SELECT clinic, modality, SUM(quality = 'A'), SUM(quality = 'B'), SUM(quality = 'C') FROM results \
             WHERE ? <= committed_at_ms GROUP BY clinic, modality ORDER BY clinic, modality",
        )
        .bind(since_ms)
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        Ok(rows
            .into_iter()
            .map(|(clinic, modality, a, b, c)| Quality {
                clinic,
                modality,
                grades: [count(a), count(b), count(c)],
            })
            .collect())
    }
}
