use barefoot_domain::{CaseId, ClinicId, Tier, Urgency};
use barefoot_wire::StudyResult;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

use super::row::{self, COLUMNS};
use super::{Case, CaseKey};
use crate::archive::read::{clinic_id, query, result_of};
use crate::archive::{Archive, Error};

const OPEN: &str = "state IN ('waiting', 'claimed', 'drafted', 'images_wanted')";

/// Which part of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Open, and this reader may read it.
    Open,
    /// Held by this reader or offered to them.
    Mine,
    /// Signed, delivered or read, the newest first.
    Done,
    /// Whatever its state, the newest first.
    All,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    pub(crate) scope: Scope,
    pub(crate) person: String,
    pub(crate) tier: Tier,
    /// Kinds of studies the reader reads; empty for all.
    pub(crate) kinds: Vec<String>,
    pub(crate) modality: Option<String>,
    pub(crate) clinic: Option<ClinicId>,
    pub(crate) urgency: Option<Urgency>,
    /// Only cases that wait for this tier's time.
    pub(crate) only_tier: Option<Tier>,
    pub(crate) teaching: bool,
    pub(crate) offset: u32,
    pub(crate) limit: u32,
}

/// A part of the list with how long the whole is.
#[derive(Debug, Clone, Default)]
pub(crate) struct ListPage {
    pub(crate) cases: Vec<Case>,
    /// Cases of the whole list, [`MOST_COUNTED`] at most: nobody pages so far, and counting on would cost everybody.
    pub(crate) total: u32,
    /// There are cases after these.
    pub(crate) goes_on: bool,
}

pub(crate) const MOST_COUNTED: u32 = 10_000;

/// A line of a case's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HistoryLine {
    pub(crate) at_ms: i64,
    pub(crate) event: String,
    /// The account; `None` for the hub itself.
    pub(crate) person: Option<String>,
    pub(crate) tier: Tier,
    pub(crate) note: String,
}

/// How much somebody has in hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) person: String,
    pub(crate) cases: u32,
}

impl Archive {
    pub(crate) async fn list_cases(&self, filter: &Filter) -> Result<ListPage, Error> {
        let mut count = QueryBuilder::new("SELECT COUNT(*) FROM (SELECT 1 FROM cases WHERE ");
        conditions(&mut count, filter);
        count.push(" LIMIT ").push_bind(MOST_COUNTED).push(")");
        let total: i64 = count
            .build_query_scalar()
            .fetch_one(&self.pool)
            .await
            .map_err(query)?;
        let mut list = QueryBuilder::new(format!("SELECT {COLUMNS} FROM cases WHERE "));
        conditions(&mut list, filter);
        list.push(match filter.scope {
            Scope::Open | Scope::Mine => " ORDER BY urgency DESC, due_ms, number",
            Scope::Done => " ORDER BY signed_at_ms DESC",
            Scope::All => " ORDER BY number DESC",
        });
        list.push(" LIMIT ").push_bind(filter.limit.saturating_add(1));
        list.push(" OFFSET ").push_bind(filter.offset);
        let rows = list.build().fetch_all(&self.pool).await.map_err(query)?;
        let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
        let cases: Vec<Case> = rows.iter().take(limit).map(row::case).collect::<Result<_, _>>()?;
        // One may have come between the two questions.
        let shown = u32::try_from(cases.len()).unwrap_or(u32::MAX);
        let counted = u32::try_from(total).unwrap_or(u32::MAX);
        Ok(ListPage {
            total: match shown {
                0 => counted,
                _ => counted.max(filter.offset.saturating_add(shown)),
            },
            goes_on: limit < rows.len(),
            cases,
        })
    }

    /// What became of a case, the oldest first.
    pub(crate) async fn history(&self, key: &CaseKey) -> Result<Vec<HistoryLine>, Error> {
        let rows = sqlx::query(
            "SELECT at_ms, event, person, tier, note FROM case_events WHERE clinic = ? AND case_id = ? ORDER BY number",
        )
        .bind(key.clinic.as_str())
        .bind(key.case.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        rows.iter()
            .map(|row| {
                Ok(HistoryLine {
                    at_ms: row.try_get("at_ms").map_err(query)?,
                    event: row.try_get("event").map_err(query)?,
                    person: row.try_get("person").map_err(query)?,
                    tier: row::tier(row.try_get("tier").map_err(query)?)?,
                    note: row.try_get("note").map_err(query)?,
                })
            })
            .collect()
    }

    /// Whether a reader has had the model's word on a case shown.
    pub(crate) async fn has_seen_ai(&self, key: &CaseKey, person: &str) -> Result<bool, Error> {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM case_events \
             WHERE clinic = ? AND case_id = ? AND event = 'revealed' AND person = ?)",
        )
        .bind(key.clinic.as_str())
        .bind(key.case.as_str())
        .bind(person)
        .fetch_one(&self.pool)
        .await
        .map_err(query)
    }

    /// The newest result of a case.
    pub(crate) async fn newest_result(&self, key: &CaseKey) -> Result<Option<StudyResult>, Error> {
        let row = sqlx::query(
            "SELECT r.clinic, r.case_id, r.version, r.envelope_id, e.body FROM results r JOIN envelopes e ON e.clinic = r.clinic AND e.id = r.envelope_id \
             WHERE r.clinic = ? AND r.case_id = ? ORDER BY r.version DESC LIMIT 1",
        )
        .bind(key.clinic.as_str())
        .bind(key.case.as_str())
        .fetch_optional(&self.pool)
        .await
        .map_err(query)?;
        row.map(|row| result_of(&self.vault, &row)).transpose()
    }

    /// How many cases each reader holds or is offered.
    pub(crate) async fn loads(&self) -> Result<Vec<Load>, Error> {
        let rows = sqlx::query(
            "SELECT person, COUNT(*) AS cases FROM (SELECT holder AS person FROM cases WHERE holder IS NOT NULL \
             UNION ALL SELECT offered_to FROM cases WHERE offered_to IS NOT NULL) GROUP BY person",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        rows.iter().map(load).collect()
    }

    /// Open cases that nobody holds or is offered, the most urgent first.
    pub(crate) async fn unassigned(&self, most: u32) -> Result<Vec<Case>, Error> {
        let mut list = QueryBuilder::new(format!(
            "SELECT {COLUMNS} FROM cases WHERE state = 'waiting' AND {OPEN} AND offered_to IS NULL \
             ORDER BY urgency DESC, due_ms, number LIMIT "
        ));
        list.push_bind(most);
        let rows = list.build().fetch_all(&self.pool).await.map_err(query)?;
        rows.iter().map(row::case).collect()
    }

    /// Signed cases whose report the clinic has, and of which that was not noted yet.
    pub(crate) async fn just_delivered(&self, most: u32) -> Result<Vec<CaseKey>, Error> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT c.clinic, c.case_id FROM cases c WHERE c.state = 'signed' AND EXISTS (SELECT 1 FROM reports r \
             WHERE r.clinic = c.clinic AND r.case_id = c.case_id AND r.version = c.version \
             AND r.addendum_to IS NULL AND r.delivered_at_ms IS NOT NULL) LIMIT ?",
        )
        .bind(most)
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        rows.into_iter()
            .map(|(clinic, case)| {
                Ok(CaseKey {
                    clinic: clinic_id(clinic)?,
                    case: CaseId::new(case).map_err(|_| Error::Stored { what: "case id" })?,
                })
            })
            .collect()
    }

    /// To whom a case was offered before, in order.
    pub(crate) async fn offers_of(&self, key: &CaseKey) -> Result<Vec<String>, Error> {
        sqlx::query_scalar(
            "SELECT note FROM case_events WHERE clinic = ? AND case_id = ? AND event = 'offered' ORDER BY number",
        )
        .bind(key.clinic.as_str())
        .bind(key.case.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(query)
    }
}

fn load(row: &SqliteRow) -> Result<Load, Error> {
    let cases: i64 = row.try_get("cases").map_err(query)?;
    Ok(Load {
        person: row.try_get("person").map_err(query)?,
        cases: u32::try_from(cases).unwrap_or(u32::MAX),
    })
}

fn conditions(sql: &mut QueryBuilder<Sqlite>, filter: &Filter) {
    match filter.scope {
        Scope::Open => {
            sql.push(OPEN).push(" AND floor <= ");
            sql.push_bind(row::tier_number(filter.tier));
            others_clinics(sql, filter);
        }
        Scope::Mine => {
            sql.push("(holder = ").push_bind(filter.person.clone());
            sql.push(" OR offered_to = ")
                .push_bind(filter.person.clone())
                .push(")");
        }
        Scope::Done => {
            sql.push("signed_at_ms IS NOT NULL AND state IN ('signed', 'delivered', 'read')");
            others_clinics(sql, filter);
        }
        Scope::All => {
            sql.push("1");
            others_clinics(sql, filter);
        }
    }
    if !filter.kinds.is_empty() && filter.scope == Scope::Open {
        sql.push(" AND (offered_to = ")
            .push_bind(filter.person.clone())
            .push(" OR kind IN (");
        let mut list = sql.separated(", ");
        for kind in &filter.kinds {
            list.push_bind(kind.clone());
        }
        sql.push("))");
    }
    if let Some(modality) = &filter.modality {
        sql.push(" AND modality = ").push_bind(modality.clone());
    }
    if let Some(clinic) = &filter.clinic {
        sql.push(" AND clinic = ").push_bind(clinic.as_str().to_owned());
    }
    if let Some(urgency) = filter.urgency {
        sql.push(" AND urgency = ")
            .push_bind(row::urgency_number(urgency));
    }
    if let Some(tier) = filter.only_tier {
        sql.push(" AND tier = ").push_bind(row::tier_number(tier));
    }
    if filter.teaching {
        sql.push(" AND teaching = 1");
    }
}

/// Clinics that groups of this reader's tier read for, none of which this reader is in.
fn others_clinics(sql: &mut QueryBuilder<Sqlite>, filter: &Filter) {
    let tier = row::tier_number(filter.tier);
    sql.push(
        " AND clinic NOT IN (SELECT c.clinic FROM group_clinics c JOIN reader_groups g ON g.id = c.group_id \
         WHERE g.tier = ",
    );
    sql.push_bind(tier);
    sql.push(
        " AND c.clinic NOT IN (SELECT mc.clinic FROM group_clinics mc \
         JOIN group_members m ON m.group_id = mc.group_id JOIN reader_groups mg ON mg.id = mc.group_id \
         WHERE mg.tier = ",
    );
    sql.push_bind(tier);
    sql.push(" AND m.person = ").push_bind(filter.person.clone());
    sql.push("))");
}
