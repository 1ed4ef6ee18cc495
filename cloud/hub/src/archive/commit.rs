use barefoot_domain::{Call, QualityGrade, Urgency};
use barefoot_wire::{MadeBy, StudyResult, encode_result};

use super::step::Step;
use super::{Archive, Arrival, Error, Outcome};
use crate::at_rest::Cell;

impl Archive {
    /// Commits `arrivals` and counts `refused` in one transaction; outcomes stand in the order of the arrivals.
    /// When it returns, they survive a power cut; when it fails, none of them happened.
    pub(crate) async fn commit(
        &self,
        arrivals: &[Arrival],
        refused: u64,
        now_ms: i64,
    ) -> Result<Vec<Outcome>, Error> {
        self.try_commit(arrivals, refused, now_ms)
            .await
            .map_err(|source| Error::Commit { source })
    }

    async fn try_commit(
        &self,
        arrivals: &[Arrival],
        refused: u64,
        now_ms: i64,
    ) -> Result<Vec<Outcome>, sqlx::Error> {
        let mut transaction = self.step().await?;
        let mut tally = Tally {
            refused,
            ..Tally::default()
        };
        let mut outcomes = Vec::with_capacity(arrivals.len());
        for arrival in arrivals {
            let outcome = store(&mut transaction, arrival, now_ms, &mut tally).await?;
            match outcome {
                Outcome::Stored => {}
                Outcome::Duplicate => tally.duplicates += 1,
                Outcome::IdReused | Outcome::VersionTaken => tally.refused += 1,
            }
            outcomes.push(outcome);
        }
        tally.save(&mut transaction).await?;
        transaction.commit().await?;
        Ok(outcomes)
    }
}

async fn store(
    transaction: &mut Step,
    arrival: &Arrival,
    now_ms: i64,
    tally: &mut Tally,
) -> Result<Outcome, sqlx::Error> {
    let body = encode_result(&arrival.result);
    let earlier: Option<Vec<u8>> =
        sqlx::query_scalar("SELECT body FROM envelopes WHERE clinic = ? AND id = ?")
            .bind(arrival.clinic.as_str())
            .bind(&arrival.envelope_id)
            .fetch_optional(&mut **transaction)
            .await?;
    if let Some(earlier) = earlier {
        let cell = Cell::result(arrival.clinic.as_str(), &arrival.envelope_id);
        let earlier = transaction.unseal(&cell, earlier)?;
        return Ok(if is_same(&earlier, &body, &arrival.result) {
            Outcome::Duplicate
        } else {
            Outcome::IdReused
        });
    }
    let same_version: Option<(String, Vec<u8>)> = sqlx::query_as(
        "SELECT e.id, e.body FROM results r JOIN envelopes e ON e.clinic = r.clinic AND e.id = r.envelope_id \
         WHERE r.clinic = ? AND r.case_id = ? AND r.version = ?",
    )
    .bind(arrival.clinic.as_str())
    .bind(arrival.result.case.as_str())
    .bind(arrival.result.version)
    .fetch_optional(&mut **transaction)
    .await?;
    let same_version = same_version
        .map(|(id, earlier)| transaction.unseal(&Cell::result(arrival.clinic.as_str(), &id), earlier))
        .transpose()?;
    let differs = |earlier: &Vec<u8>| !is_same(earlier, &body, &arrival.result);
    if same_version.as_ref().is_some_and(differs) {
        return Ok(Outcome::VersionTaken);
    }
    let carries_result = same_version.is_none();
    insert_envelope(transaction, arrival, &body, carries_result, now_ms).await?;
    tally.envelopes += 1;
    if !carries_result {
        return Ok(Outcome::Duplicate);
    }
    insert_result(transaction, arrival, now_ms).await?;
    tally.results += 1;
    Ok(Outcome::Stored)
}

/// A hub that was older kept it without what made the images.
fn is_same(earlier: &[u8], body: &[u8], result: &StudyResult) -> bool {
    let bare = || StudyResult {
        made_by: MadeBy::default(),
        ..result.clone()
    };
    earlier == body || (result.made_by != MadeBy::default() && earlier == encode_result(&bare()))
}

async fn insert_envelope(
    transaction: &mut Step,
    arrival: &Arrival,
    body: &[u8],
    carries_result: bool,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    let cell = Cell::result(arrival.clinic.as_str(), &arrival.envelope_id);
    sqlx::query(
        "INSERT INTO envelopes (clinic, id, sequence, sent_at_ms, committed_at_ms, body, clock_offset_ms, \
         carries_result) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(arrival.clinic.as_str())
    .bind(&arrival.envelope_id)
    // For people who read logs; beyond the column's range its largest value serves.
    .bind(i64::try_from(arrival.sequence).unwrap_or(i64::MAX))
    .bind(arrival.sent_at_ms)
    .bind(now_ms)
    .bind(transaction.seal(&cell, body)?)
    .bind(arrival.clock_offset_ms)
    .bind(carries_result)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

async fn insert_result(transaction: &mut Step, arrival: &Arrival, now_ms: i64) -> Result<(), sqlx::Error> {
    let result = &arrival.result;
    let assessment = &result.assessment;
    let number: i64 = sqlx::query_scalar(
        "INSERT INTO results (clinic, case_id, version, envelope_id, modality, instances, received_at_ms, \
         assessed_at_ms, committed_at_ms, urgency, quality, model_id, model_version, clock_offset_ms, \
         detected_at_ms, detected_by, scanner, operator) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING number",
    )
    .bind(arrival.clinic.as_str())
    .bind(result.case.as_str())
    .bind(result.version)
    .bind(&arrival.envelope_id)
    .bind(&result.modality)
    .bind(result.instances)
    .bind(result.received_at_ms)
    .bind(result.assessed_at_ms)
    .bind(now_ms)
    .bind(match assessment.urgency {
        Urgency::Routine => 0,
        Urgency::Review => 1,
        Urgency::Critical => 2,
    })
    .bind(match assessment.quality.grade {
        QualityGrade::A => "A",
        QualityGrade::B => "B",
        QualityGrade::C => "C",
    })
    .bind(assessment.model.as_ref().map(|model| model.id.as_str()))
    .bind(assessment.model.as_ref().map(|model| model.version.as_str()))
    .bind(result.clock_offset_ms)
    .bind(arrival.detected.at_ms)
    .bind(arrival.detected.by.word())
    .bind(&result.made_by.scanner)
    .bind(&result.made_by.operator)
    .fetch_one(&mut **transaction)
    .await?;
    for (position, finding) in (0i64..).zip(&assessment.findings) {
        sqlx::query(
            "INSERT INTO findings (result, position, code, score, positive, confidence) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(number)
        .bind(position)
        .bind(finding.code.as_str())
        .bind(finding.score.value())
        .bind(finding.call == Call::Positive)
        .bind(finding.confidence.value())
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}

/// What one transaction adds to the counters.
#[derive(Default)]
struct Tally {
    envelopes: u64,
    results: u64,
    duplicates: u64,
    refused: u64,
}

impl Tally {
    async fn save(&self, transaction: &mut Step) -> Result<(), sqlx::Error> {
        for (name, added) in [
            ("envelopes", self.envelopes),
            ("results", self.results),
            ("duplicates", self.duplicates),
            ("refused", self.refused),
        ] {
            if added == 0 {
                continue;
            }
            sqlx::query("UPDATE counters SET value = value + ? WHERE name = ?")
                .bind(i64::try_from(added).unwrap_or(i64::MAX))
                .bind(name)
                .execute(&mut **transaction)
                .await?;
        }
        Ok(())
    }
}
