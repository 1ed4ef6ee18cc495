//! How good a round's global parameters are, for the curves of a run. Nothing is decided by it.

use barefoot_federation::chunk::ChunkId;

use super::candidate::{fits, on_a_core};
use super::gate;
use super::head::Head;
use super::registry::{Registry, record};
use super::test_set::Purpose;
use super::{BaseModel, Error};

impl Registry {
    /// Metrics of a round's global parameters on the model's registered evaluation sets, without temperature:
    /// `auc` and `log_loss` (means over findings, then over sets), and both for each set as `auc/<set>` and
    /// `log_loss/<set>`. What cannot be measured is left out; without any set that fits, the list is empty.
    pub(crate) async fn progress(
        &self,
        model_id: &str,
        base_version: &str,
        chunks: &[ChunkId],
    ) -> Vec<(String, f64)> {
        match self.try_progress(model_id, base_version, chunks).await {
            Ok(metrics) => metrics,
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(model = model_id, %error, cause, "A round's parameters could not be measured.");
                Vec::new()
            }
        }
    }

    async fn try_progress(
        &self,
        model_id: &str,
        base_version: &str,
        chunks: &[ChunkId],
    ) -> Result<Vec<(String, f64)>, Error> {
        let base = record(&self.row(model_id, base_version).await?)?.model()?;
        let findings: Vec<String> = base.findings.iter().map(|finding| finding.code.clone()).collect();
        let global = BaseModel {
            chunks: chunks.to_vec(),
            ..base
        };
        let mut rows = Vec::new();
        for row in self.archive.test_sets().await? {
            let evaluates = Purpose::named(&row.purpose) == Some(Purpose::Evaluation);
            if row.model_id == model_id && evaluates && fits(&row, &global)? {
                rows.push(row);
            }
        }
        // Without a set to measure on, large parameters are not read for nothing.
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let values = self.values(&global).await?;
        // A model that is no head is trained all the same; nothing here can measure it.
        let Ok(head) = Head::new(&global.layout, findings.len(), &values) else {
            return Ok(Vec::new());
        };
        let (mut metrics, mut aucs, mut losses) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            let set = self.read_test_set(&row).await?;
            let (head, findings) = (head.clone(), findings.clone());
            let figures = on_a_core(move || {
                let places = findings.iter().enumerate();
                places
                    .filter_map(|(place, finding)| gate::curve_figures(&set, finding, place, &head))
                    .collect::<Vec<_>>()
            })
            .await?;
            let auc = mean(figures.iter().filter_map(|(auc, _)| *auc));
            let loss = mean(figures.iter().filter_map(|(_, loss)| *loss));
            metrics.extend(auc.map(|auc| (format!("auc/{}", row.name), auc)));
            metrics.extend(loss.map(|loss| (format!("log_loss/{}", row.name), loss)));
            aucs.extend(auc);
            losses.extend(loss);
        }
        let all = [("auc", mean(aucs)), ("log_loss", mean(losses))];
        let all = all
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Ok(all.chain(metrics).collect())
    }
}

fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0_u32);
    for value in values {
        sum += value;
        count += 1;
    }
    (0 < count).then(|| sum / f64::from(count))
}
