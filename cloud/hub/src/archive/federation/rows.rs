//! Between rows and types.

use barefoot_domain::ClinicId;
use barefoot_federation::chunk::ChunkId;
use barefoot_federation::round::{Duty, Left, Member, Progress, Stage};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::super::Error;
use super::{AttemptKey, AttemptRow, GlobalRow, RefusalRow, ReplyRow, RunRow, RunState};

pub(super) fn run(row: &SqliteRow) -> Result<RunRow, Error> {
    let name: Option<String> = get(row, "plan_name")?;
    let sha256: Option<String> = get(row, "plan_sha256")?;
    let backbone: String = get(row, "backbone")?;
    Ok(RunRow {
        id: get(row, "id")?,
        settings: get(row, "settings")?,
        tensors: get(row, "tensors")?,
        backbone: serde_json::from_str(&backbone).map_err(|_| Error::Stored { what: "backbone" })?,
        plan: name.zip(sha256),
        started_by: get(row, "started_by")?,
        started_at_ms: get(row, "started_at_ms")?,
        ended_at_ms: get(row, "ended_at_ms")?,
        state: named(row, "state", RunState::named)?,
        reason: get(row, "reason")?,
        candidate: get(row, "candidate")?,
    })
}

pub(super) fn attempt(row: &SqliteRow) -> Result<AttemptRow, Error> {
    Ok(AttemptRow {
        key: AttemptKey {
            run: get(row, "run")?,
            round: get(row, "round")?,
            attempt: get(row, "attempt")?,
        },
        stage: named(row, "stage", Stage::named)?,
        reason: get(row, "reason")?,
        started_at_ms: get(row, "started_at_ms")?,
        ended_at_ms: get(row, "ended_at_ms")?,
        deadline_ms: get(row, "deadline_ms")?,
        extended: get(row, "extended")?,
        released: get(row, "released")?,
    })
}

pub(super) fn member(row: &SqliteRow) -> Result<(ClinicId, Member), Error> {
    let left: Option<String> = get(row, "left")?;
    let left = left.map(|left| Left::named(&left).ok_or(Error::Stored { what: "member" }));
    let member = Member {
        progress: named(row, "progress", Progress::named)?,
        left: left.transpose()?,
    };
    Ok((clinic(row)?, member))
}

pub(super) fn reply(row: &SqliteRow) -> Result<ReplyRow, Error> {
    Ok(ReplyRow {
        clinic: clinic(row)?,
        duty: named(row, "duty", Duty::named)?,
        sha256: chunk_id(row, "sha256")?,
        body: get(row, "body")?,
        norm: get(row, "norm")?,
        at_ms: get(row, "at_ms")?,
    })
}

pub(super) fn refusal(row: &SqliteRow) -> Result<RefusalRow, Error> {
    Ok(RefusalRow {
        clinic: clinic(row)?,
        code: get(row, "code")?,
        reason: get(row, "reason")?,
        at_ms: get(row, "at_ms")?,
    })
}

pub(super) fn global(row: &SqliteRow) -> Result<GlobalRow, Error> {
    let ids = |name| {
        let blob: Option<Vec<u8>> = get(row, name)?;
        blob.as_deref().map(chunk_ids).transpose()
    };
    Ok(GlobalRow {
        round: get(row, "round")?,
        chunks: ids("chunks")?.ok_or(Error::Stored { what: "global" })?,
        first: ids("first")?,
        second: ids("second")?,
    })
}

pub(super) fn clinic(row: &SqliteRow) -> Result<ClinicId, Error> {
    let text: String = get(row, "clinic")?;
    ClinicId::new(text).map_err(|_| Error::Stored { what: "clinic id" })
}

pub(super) fn chunk_id(row: &SqliteRow, column: &'static str) -> Result<ChunkId, Error> {
    let bytes: Vec<u8> = get(row, column)?;
    ChunkId::try_from(bytes.as_slice()).map_err(|_| Error::Stored { what: column })
}

/// End to end.
pub(super) fn blob(ids: &[ChunkId]) -> Vec<u8> {
    ids.iter().flat_map(|id| id.0).collect()
}

pub(super) fn chunk_ids(blob: &[u8]) -> Result<Vec<ChunkId>, Error> {
    let (ids, rest) = blob.as_chunks::<32>();
    if rest.is_empty() {
        Ok(ids.iter().map(|id| ChunkId(*id)).collect())
    } else {
        Err(Error::Stored {
            what: "list of chunks",
        })
    }
}

pub(super) fn get<'r, T>(row: &'r SqliteRow, name: &str) -> Result<T, Error>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(name).map_err(query)
}

fn named<T>(
    row: &SqliteRow,
    column: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Error> {
    let text: String = get(row, column)?;
    parse(&text).ok_or(Error::Stored { what: column })
}

pub(super) fn query(source: sqlx::Error) -> Error {
    Error::Query { source }
}

pub(super) fn commit(source: sqlx::Error) -> Error {
    Error::Commit { source }
}
