use barefoot_domain::Statement;
use barefoot_wire::{decode_report, v1};
use prost::Message;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::archive::read::query;
use crate::archive::{Archive, Error};
use crate::at_rest::Column;

/// A case that went up, by a reader's word or because nobody read it in time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WentUp {
    /// 1 county, 2 city, 3 province; where it began.
    pub(crate) from: i64,
    /// How far it went.
    pub(crate) to: i64,
    pub(crate) end: End,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    Open,
    Withdrawn,
    /// Somebody where it began read it after all.
    ReadBelow,
    /// What the reader above said, and what had been picked below, where something was.
    Read {
        said: Vec<Statement>,
        below: Option<Vec<Statement>>,
    },
}

impl Archive {
    /// Cases that went up since `since_ms`. What was said below is the opinion, else the draft, of a reader of a lower tier
    /// than who signed.
    pub(crate) async fn went_up(&self, since_ms: i64) -> Result<Vec<WentUp>, Error> {
        let rows = sqlx::query(
            "WITH moved AS (SELECT DISTINCT clinic, case_id FROM case_events \
               WHERE ?1 <= at_ms AND event IN ('referred', 'escalated', 'overdue', 'differs')), \
             spans AS (SELECT c.clinic, c.case_id, c.version, c.state, c.opened_at_ms, MIN(e.tier) AS low, \
               MAX(e.tier) AS high FROM moved m \
               JOIN cases c ON c.clinic = m.clinic AND c.case_id = m.case_id \
               JOIN case_events e ON e.clinic = c.clinic AND e.case_id = c.case_id AND c.opened_at_ms <= e.at_ms \
               GROUP BY c.number HAVING MIN(e.tier) < MAX(e.tier)) \
             SELECT s.low, s.high, s.state, r.tier, r.signed, \
               (SELECT o.content FROM reader_opinions o JOIN people p ON p.id = o.person \
                WHERE o.clinic = s.clinic AND o.case_id = s.case_id AND o.version = s.version \
                AND (CASE p.tier WHEN 'county' THEN 1 WHEN 'city' THEN 2 ELSE 3 END) < r.tier \
                ORDER BY o.at_ms DESC LIMIT 1) AS opinion, \
               (SELECT d.content FROM drafts d JOIN people p ON p.id = d.person \
                WHERE d.clinic = s.clinic AND d.case_id = s.case_id AND d.version = s.version \
                AND (CASE p.tier WHEN 'county' THEN 1 WHEN 'city' THEN 2 ELSE 3 END) < r.tier \
                ORDER BY d.saved_at_ms DESC LIMIT 1) AS draft \
             FROM spans s LEFT JOIN reports r ON r.clinic = s.clinic AND r.case_id = s.case_id \
               AND r.version = s.version AND r.addendum_to IS NULL AND s.opened_at_ms <= r.signed_at_ms \
             ORDER BY s.low, s.high",
        )
        .bind(since_ms)
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        rows.iter().map(|row| self.went_up_of(row)).collect()
    }

    fn went_up_of(&self, row: &SqliteRow) -> Result<WentUp, Error> {
        let from = row.try_get("low").map_err(query)?;
        let state: String = row.try_get("state").map_err(query)?;
        let signed: Option<Vec<u8>> = row.try_get("signed").map_err(query)?;
        let tier: Option<i64> = row.try_get("tier").map_err(query)?;
        let end = match (signed, tier) {
            (Some(_), Some(tier)) if tier <= from => End::ReadBelow,
            (Some(signed), _) => {
                let signed = self.unseal(Column::Report, signed)?;
                let signed = v1::SignedReport::decode(signed.as_slice());
                let content = signed.map_err(|_| Error::Stored { what: "report" })?.content;
                let said = |name: &str, column| {
                    let sealed: Option<Vec<u8>> = row.try_get(name).map_err(query)?;
                    sealed.map(|sealed| self.unseal(column, sealed)).transpose()
                };
                let opinion = said("opinion", Column::Opinion)?;
                let draft = said("draft", Column::Draft)?;
                End::Read {
                    said: statements(&content)?,
                    below: opinion
                        .or(draft)
                        .map(|content| statements(&content))
                        .transpose()?
                        .filter(|picked| !picked.is_empty()),
                }
            }
            (None, _) if state == "withdrawn" => End::Withdrawn,
            (None, _) => End::Open,
        };
        Ok(WentUp {
            from,
            to: row.try_get("high").map_err(query)?,
            end,
        })
    }
}

fn statements(content: &[u8]) -> Result<Vec<Statement>, Error> {
    let report = decode_report(content).map_err(|_| Error::Stored { what: "report" })?;
    Ok(report.statements)
}
