//! Versions of models, their gate reports, test sets and plans.

use std::collections::HashMap;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};

use super::audit::append_in;
use super::{Archive, Error};
use crate::audit::{Action, Actor, Entry, Object};
use crate::clock::now_ms;
use crate::model_registry::ModelState;

/// One version of a model. `record` is the registry's JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelRow {
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) state: ModelState,
    pub(crate) made_at_ms: i64,
    pub(crate) run: Option<String>,
    pub(crate) record: String,
}

/// A gate report in both forms, each with its SHA-256 (hex), and in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReportRow {
    pub(crate) json: String,
    pub(crate) json_sha256: String,
    pub(crate) html: String,
    pub(crate) html_sha256: String,
    pub(crate) summary: String,
}

/// A locked test set. `record` is the registry's JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TestSetRow {
    pub(crate) name: String,
    pub(crate) model_id: String,
    pub(crate) purpose: String,
    pub(crate) sha256: String,
    pub(crate) registered_at_ms: i64,
    pub(crate) record: String,
}

/// A plan as it was registered. `sets` is the registry's JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlanRow {
    pub(crate) name: String,
    pub(crate) model_id: String,
    pub(crate) toml: String,
    pub(crate) sha256: String,
    pub(crate) registered_at_ms: i64,
    pub(crate) sets: String,
}

impl Archive {
    /// `false` when this version is there already; nothing is changed then.
    pub(crate) async fn insert_model(&self, row: &ModelRow) -> Result<bool, Error> {
        let inserted = sqlx::query(
            "INSERT INTO models (id, version, state, made_at_ms, run, record) VALUES (?, ?, ?, ?, ?, ?) \
             ON CONFLICT DO NOTHING",
        )
        .bind(&row.id)
        .bind(&row.version)
        .bind(row.state.name())
        .bind(row.made_at_ms)
        .bind(&row.run)
        .bind(&row.record)
        .execute(&self.pool)
        .await
        .map_err(commit)?;
        Ok(inserted.rows_affected() == 1)
    }

    /// The version the run `run` made: the one there already, or a new row whose version `number` chooses from all
    /// versions of the model. One transaction, so that no number is given twice.
    pub(crate) async fn candidate_of_run<E: From<Error>>(
        &self,
        draft: &ModelRow,
        run: &str,
        number: impl FnOnce(&[String]) -> Result<String, E>,
    ) -> Result<ModelRow, E> {
        let mut transaction = self
            .pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(|source| E::from(Error::Commit { source }))?;
        let earlier = sqlx::query("SELECT * FROM models WHERE run = ?")
            .bind(run)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(|source| E::from(query(source)))?;
        if let Some(earlier) = earlier {
            return Ok(model(&earlier)?);
        }
        let versions: Vec<String> = sqlx::query_scalar("SELECT version FROM models WHERE id = ?")
            .bind(&draft.id)
            .fetch_all(&mut *transaction)
            .await
            .map_err(|source| E::from(query(source)))?;
        let row = ModelRow {
            version: number(&versions)?,
            run: Some(run.to_owned()),
            ..draft.clone()
        };
        let insert = insert(transaction, &row);
        insert.await.map_err(|source| E::from(Error::Commit { source }))?;
        Ok(row)
    }

    pub(crate) async fn model(&self, id: &str, version: &str) -> Result<Option<ModelRow>, Error> {
        sqlx::query("SELECT * FROM models WHERE id = ? AND version = ?")
            .bind(id)
            .bind(version)
            .fetch_optional(&self.pool)
            .await
            .map_err(query)?
            .as_ref()
            .map(model)
            .transpose()
    }

    /// All versions of all models, the newest first.
    pub(crate) async fn models(&self) -> Result<Vec<ModelRow>, Error> {
        let rows = sqlx::query("SELECT * FROM models ORDER BY made_at_ms DESC, rowid DESC")
            .fetch_all(&self.pool)
            .await
            .map_err(query)?;
        rows.iter().map(model).collect()
    }

    /// `false` when the version is not in state `from` (any more).
    pub(crate) async fn set_model_state(
        &self,
        id: &str,
        version: &str,
        from: ModelState,
        to: ModelState,
    ) -> Result<bool, Error> {
        let updated = sqlx::query("UPDATE models SET state = ? WHERE id = ? AND version = ? AND state = ?")
            .bind(to.name())
            .bind(id)
            .bind(version)
            .bind(from.name())
            .execute(&self.pool)
            .await
            .map_err(commit)?;
        Ok(updated.rows_affected() == 1)
    }

    /// Writes the gate's word: the report, the state and the record (its recalibrated findings) together. `false` when
    /// the version was no candidate any more; nothing is changed then.
    pub(crate) async fn judge_model(&self, judged: &ModelRow, report: &ReportRow) -> Result<bool, Error> {
        self.try_judge(judged, report).await.map_err(commit)
    }

    async fn try_judge(&self, judged: &ModelRow, report: &ReportRow) -> Result<bool, sqlx::Error> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let updated = sqlx::query(
            "UPDATE models SET state = ?, record = ? WHERE id = ? AND version = ? AND state = 'candidate'",
        )
        .bind(judged.state.name())
        .bind(&judged.record)
        .bind(&judged.id)
        .bind(&judged.version)
        .execute(&mut *transaction)
        .await?;
        if updated.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO gate_reports (model_id, version, json, json_sha256, html, html_sha256, summary) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&judged.id)
        .bind(&judged.version)
        .bind(&report.json)
        .bind(&report.json_sha256)
        .bind(&report.html)
        .bind(&report.html_sha256)
        .bind(&report.summary)
        .execute(&mut *transaction)
        .await?;
        let what = Object::subject(&format!("{} {}", judged.id, judged.version));
        let entry = Entry::new(Actor::Hub("gate"), Action::CandidateJudged, what);
        let entry = entry.details(&format!(
            "{}, report sha256 {}",
            judged.state.name(),
            report.json_sha256
        ));
        append_in(&mut transaction, &entry, now_ms()).await?;
        transaction.commit().await?;
        Ok(true)
    }

    pub(crate) async fn gate_report(&self, id: &str, version: &str) -> Result<Option<ReportRow>, Error> {
        let row = sqlx::query("SELECT * FROM gate_reports WHERE model_id = ? AND version = ?")
            .bind(id)
            .bind(version)
            .fetch_optional(&self.pool)
            .await
            .map_err(query)?;
        row.map(|row| {
            Ok(ReportRow {
                json: row.try_get("json").map_err(query)?,
                json_sha256: row.try_get("json_sha256").map_err(query)?,
                html: row.try_get("html").map_err(query)?,
                html_sha256: row.try_get("html_sha256").map_err(query)?,
                summary: row.try_get("summary").map_err(query)?,
            })
        })
        .transpose()
    }

    /// The summaries of all gate reports by model id and version.
    pub(crate) async fn gate_summaries(&self) -> Result<HashMap<(String, String), String>, Error> {
        let rows: Vec<(String, String, String)> =
            sqlx::query_as("SELECT model_id, version, summary FROM gate_reports")
                .fetch_all(&self.pool)
                .await
                .map_err(query)?;
        let pairs = rows
            .into_iter()
            .map(|(id, version, summary)| ((id, version), summary));
        Ok(pairs.collect())
    }

    /// `false` when the name is taken; nothing is changed then.
    pub(crate) async fn insert_test_set(&self, row: &TestSetRow) -> Result<bool, Error> {
        let inserted = sqlx::query(
            "INSERT INTO test_sets (name, model_id, purpose, sha256, registered_at_ms, record) \
             VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(&row.name)
        .bind(&row.model_id)
        .bind(&row.purpose)
        .bind(&row.sha256)
        .bind(row.registered_at_ms)
        .bind(&row.record)
        .execute(&self.pool)
        .await
        .map_err(commit)?;
        Ok(inserted.rows_affected() == 1)
    }

    pub(crate) async fn test_set(&self, name: &str) -> Result<Option<TestSetRow>, Error> {
        sqlx::query("SELECT * FROM test_sets WHERE name = ?")
            .bind(name)
            .fetch_optional(&self.pool)
            .await
            .map_err(query)?
            .as_ref()
            .map(test_set)
            .transpose()
    }

    /// All test sets by name.
    pub(crate) async fn test_sets(&self) -> Result<Vec<TestSetRow>, Error> {
        let rows = sqlx::query("SELECT * FROM test_sets ORDER BY name")
            .fetch_all(&self.pool)
            .await
            .map_err(query)?;
        rows.iter().map(test_set).collect()
    }

    /// `false` when the name is taken; nothing is changed then.
    pub(crate) async fn insert_plan(&self, row: &PlanRow) -> Result<bool, Error> {
        let inserted = sqlx::query(
            "INSERT INTO plans (name, model_id, toml, sha256, registered_at_ms, sets) VALUES (?, ?, ?, ?, ?, ?) \
             ON CONFLICT DO NOTHING",
        )
        .bind(&row.name)
        .bind(&row.model_id)
        .bind(&row.toml)
        .bind(&row.sha256)
        .bind(row.registered_at_ms)
        .bind(&row.sets)
        .execute(&self.pool)
        .await
        .map_err(commit)?;
        Ok(inserted.rows_affected() == 1)
    }

    pub(crate) async fn plan(&self, name: &str) -> Result<Option<PlanRow>, Error> {
        let row = sqlx::query("SELECT * FROM plans WHERE name = ?")
            .bind(name)
            .fetch_optional(&self.pool)
            .await
            .map_err(query)?;
        row.map(|row| {
            Ok(PlanRow {
                name: row.try_get("name").map_err(query)?,
                model_id: row.try_get("model_id").map_err(query)?,
                toml: row.try_get("toml").map_err(query)?,
                sha256: row.try_get("sha256").map_err(query)?,
                registered_at_ms: row.try_get("registered_at_ms").map_err(query)?,
                sets: row.try_get("sets").map_err(query)?,
            })
        })
        .transpose()
    }
}

async fn insert(mut transaction: Transaction<'static, Sqlite>, row: &ModelRow) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO models (id, version, state, made_at_ms, run, record) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(&row.id)
        .bind(&row.version)
        .bind(row.state.name())
        .bind(row.made_at_ms)
        .bind(&row.run)
        .bind(&row.record)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

fn model(row: &SqliteRow) -> Result<ModelRow, Error> {
    let state: String = row.try_get("state").map_err(query)?;
    Ok(ModelRow {
        id: row.try_get("id").map_err(query)?,
        version: row.try_get("version").map_err(query)?,
        state: ModelState::named(&state).ok_or(Error::Stored { what: "model state" })?,
        made_at_ms: row.try_get("made_at_ms").map_err(query)?,
        run: row.try_get("run").map_err(query)?,
        record: row.try_get("record").map_err(query)?,
    })
}

fn test_set(row: &SqliteRow) -> Result<TestSetRow, Error> {
    Ok(TestSetRow {
        name: row.try_get("name").map_err(query)?,
        model_id: row.try_get("model_id").map_err(query)?,
        purpose: row.try_get("purpose").map_err(query)?,
        sha256: row.try_get("sha256").map_err(query)?,
        registered_at_ms: row.try_get("registered_at_ms").map_err(query)?,
        record: row.try_get("record").map_err(query)?,
    })
}

fn query(source: sqlx::Error) -> Error {
    Error::Query { source }
}

fn commit(source: sqlx::Error) -> Error {
    Error::Commit { source }
}
