use barefoot_domain::Statement;
use barefoot_wire::{decode_report, v1};
use prost::Message;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::archive::read::query;
use crate::archive::{Archive, Error};
use crate::at_rest::Cell;

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
             SELECT s.low, s.high, s.state, s.clinic, s.case_id, s.version, r.id, r.tier, r.signed, \
               o.content AS opinion, o.stage AS opinion_stage, o.person AS opinion_by, \
               d.content AS draft, d.person AS draft_by \
             FROM spans s LEFT JOIN reports r ON r.clinic = s.clinic AND r.case_id = s.case_id \
               AND r.version = s.version AND r.addendum_to IS NULL AND s.opened_at_ms <= r.signed_at_ms \
             LEFT JOIN reader_opinions o ON o.rowid = (SELECT one.rowid FROM reader_opinions one \
                JOIN people p ON p.id = one.person \
                WHERE one.clinic = s.clinic AND one.case_id = s.case_id AND one.version = s.version \
                AND (CASE p.tier WHEN 'county' THEN 1 WHEN 'city' THEN 2 ELSE 3 END) < r.tier \
                ORDER BY one.at_ms DESC LIMIT 1) \
             LEFT JOIN drafts d ON d.rowid = (SELECT one.rowid FROM drafts one JOIN people p ON p.id = one.person \
                WHERE one.clinic = s.clinic AND one.case_id = s.case_id AND one.version = s.version \
                AND (CASE p.tier WHEN 'county' THEN 1 WHEN 'city' THEN 2 ELSE 3 END) < r.tier \
                ORDER BY one.saved_at_ms DESC LIMIT 1) \
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
                let text = |name: &str| row.try_get::<String, _>(name).map_err(query);
                let (clinic, case) = (text("clinic")?, text("case_id")?);
                let version: u32 = row.try_get("version").map_err(query)?;
                let cell = Cell::report(&text("id")?, &clinic, &case, version);
                let signed = self.unseal(&cell, signed)?;
                let signed = v1::SignedReport::decode(signed.as_slice());
                let content = signed.map_err(|_| Error::Stored { what: "report" })?.content;
                let sealed = |name: &str| row.try_get::<Option<Vec<u8>>, _>(name).map_err(query);
                let opinion = match sealed("opinion")? {
                    None => None,
                    Some(sealed) => {
                        let (stage, by) = (text("opinion_stage")?, text("opinion_by")?);
                        let cell = Cell::opinion((&clinic, &case), version, &stage, &by);
                        Some(self.unseal(&cell, sealed)?)
                    }
                };
                let draft = match sealed("draft")? {
                    None => None,
                    Some(sealed) => {
                        let cell = Cell::draft(&clinic, &case, &text("draft_by")?, version);
                        Some(self.unseal(&cell, sealed)?)
                    }
                };
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
