//! `manifest.toml`, changed where the candidate differs and otherwise left as its author wrote it.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use barefoot_federation::chunk::ChunkId;
use toml_edit::{DocumentMut, Item, Table, value};

use super::report::Measures;
use super::{CandidateFolder, MANIFEST, Setting};

/// A bundle's manifest.
#[derive(Debug, Clone)]
pub(crate) struct Manifest(DocumentMut);

/// A graph of the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Artefact {
    pub(crate) precision: String,
    pub(crate) file: String,
    /// Lower-case hex.
    pub(crate) sha256: String,
}

impl Manifest {
    pub(crate) fn load(bundle: &Path) -> anyhow::Result<Self> {
        let path = bundle.join(MANIFEST);
        let text = fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}: is this a model bundle?", path.display()))?;
        Ok(Self(text.parse().with_context(|| path.display().to_string())?))
    }

    pub(crate) fn text(&self) -> String {
        self.0.to_string()
    }

    fn field(&self, name: &str) -> anyhow::Result<&str> {
        let field = self.0.get(name).and_then(Item::as_str);
        field.with_context(|| format!("{MANIFEST} has no {name}"))
    }

    pub(crate) fn id(&self) -> anyhow::Result<&str> {
        self.field("id")
    }

    pub(crate) fn version(&self) -> anyhow::Result<&str> {
        self.field("version")
    }

    pub(crate) fn head_file(&self) -> anyhow::Result<String> {
        named(self.0.get("head"), "file")
    }

    pub(crate) fn golden_file(&self) -> anyhow::Result<String> {
        named(self.0.get("golden"), "file")
    }

    pub(crate) fn artefacts(&self) -> anyhow::Result<Vec<Artefact>> {
        let tables = self.0.get("artefact").and_then(Item::as_array_of_tables);
        let tables = tables.with_context(|| format!("{MANIFEST} lists no artefact"))?;
        tables
            .iter()
            .map(|table| {
                Ok(Artefact {
                    precision: text(table, "precision")?,
                    file: text(table, "file")?,
                    sha256: text(table, "sha256")?.to_ascii_lowercase(),
                })
            })
            .collect()
    }

    /// As the bundle has them, in the order of the head's rows.
    pub(crate) fn settings(&self) -> anyhow::Result<Vec<Setting>> {
        let tables = self.0.get("finding").and_then(Item::as_array_of_tables);
        let tables = tables.with_context(|| format!("{MANIFEST} lists no finding"))?;
        tables
            .iter()
            .map(|table| {
                Ok(Setting {
                    code: text(table, "code")?,
                    temperature: number(table, "temperature")?,
                    operating_point: number(table, "operating_point")?,
                })
            })
            .collect()
    }

    /// What `become_candidate` wrote: the base version and the gate report's SHA-256; none for a model of no run.
    pub(crate) fn origin(&self) -> (Option<String>, Option<String>) {
        let rounds = self.0.get("training").and_then(|training| training.get("rounds"));
        let field = |name: &str| rounds?.get(name)?.as_str().map(str::to_owned);
        (field("base_version"), field("report_sha256"))
    }

    pub(super) fn become_candidate(
        &mut self,
        candidate: &CandidateFolder,
        head: &[u8],
        golden: &[u8],
    ) -> anyhow::Result<()> {
        let record = &candidate.record;
        self.set(&["version"], value(&record.version))?;
        self.set(&["head", "sha256"], value(ChunkId::of(head).to_string()))?;
        self.set(&["golden", "sha256"], value(ChunkId::of(golden).to_string()))?;
        self.set_findings(candidate)?;
        self.0.insert("evaluation", Item::Table(evaluation(candidate)));
        let training = training(candidate, self.0.get("training"));
        self.0.insert("training", Item::Table(training));
        Ok(())
    }

    fn set_findings(&mut self, candidate: &CandidateFolder) -> anyhow::Result<()> {
        let tables = self.0.get_mut("finding").and_then(Item::as_array_of_tables_mut);
        let tables = tables.with_context(|| format!("{MANIFEST} lists no finding"))?;
        if tables.len() != candidate.record.findings.len() {
            bail!("the candidate has other findings than the bundle");
        }
        for (table, setting) in tables.iter_mut().zip(&candidate.record.findings) {
            if text(table, "code")? != setting.code {
                bail!("the candidate has other findings than the bundle, or another order of them");
            }
            let old = (number(table, "temperature")?, number(table, "operating_point")?);
            let fitted = candidate.report.recalibrated(&setting.code);
            if let Some((set, sensitivity)) =
                fitted.and_then(|one| Some((one.set.as_ref()?, one.sensitivity)))
            {
                if old.0 != setting.temperature {
                    replace(
                        table,
                        "calibration_set",
                        value(format!("the hub's set {set}: least log loss")),
                    );
                }
                if let Some(sensitivity) = sensitivity {
                    let how =
                        format!("the hub's set {set}: highest point that keeps sensitivity {sensitivity}");
                    replace(table, "operating_set", value(how));
                }
            }
            replace(table, "temperature", value(setting.temperature));
            replace(table, "operating_point", value(setting.operating_point));
        }
        Ok(())
    }

    fn set(&mut self, path: &[&str], new: Item) -> anyhow::Result<()> {
        let mut table = self.0.as_table_mut();
        let (last, folders) = path.split_last().context("a path has a last part")?;
        for folder in folders {
            table = table
                .get_mut(folder)
                .and_then(Item::as_table_mut)
                .with_context(|| format!("{MANIFEST} has no table {folder}"))?;
        }
        replace(table, last, new);
        Ok(())
    }
}

/// Keeps what stands around the old value.
fn replace(table: &mut Table, name: &str, mut new: Item) {
    let old = table
        .get(name)
        .and_then(Item::as_value)
        .map(|old| old.decor().clone());
    if let (Some(decor), Some(new)) = (old, new.as_value_mut()) {
        *new.decor_mut() = decor;
    }
    table.insert(name, new);
}

fn named(item: Option<&Item>, name: &str) -> anyhow::Result<String> {
    let table = item.and_then(Item::as_table);
    text(
        table.with_context(|| format!("{MANIFEST} misses a table with {name}"))?,
        name,
    )
}

fn text(table: &Table, name: &str) -> anyhow::Result<String> {
    let found = table.get(name).and_then(Item::as_str);
    Ok(found
        .with_context(|| format!("{MANIFEST} misses a {name}"))?
        .to_owned())
}

fn number(table: &Table, name: &str) -> anyhow::Result<f64> {
    let item = table.get(name);
    let found = item.and_then(|item| item.as_float().or(item.as_integer().map(|whole| whole as f64)));
    found.with_context(|| format!("{MANIFEST} misses a number {name}"))
}

/// The gate's figures, set by set, in the place of the base's.
fn evaluation(candidate: &CandidateFolder) -> Table {
    let mut evaluation = Table::new();
    evaluation.set_implicit(true);
    for set in &candidate.report.sets {
        let mut table = Table::new();
        table.insert("cases", value(i64::from(set.cases)));
        for finding in &set.findings {
            let mut figures = Table::new();
            figures.insert("present", value(i64::from(finding.present)));
            insert_figures(&mut figures, &finding.candidate.measures);
            table.insert(&finding.finding, Item::Table(figures));
        }
        evaluation.insert(&set.name, Item::Table(table));
    }
    evaluation
}

fn insert_figures(into: &mut Table, measures: &Measures) {
    let all = [
        ("auc", measures.auc),
        ("sensitivity", measures.sensitivity),
        ("specificity", measures.specificity),
        ("brier", measures.brier),
        ("ece", measures.ece),
    ];
    for (name, estimate) in all {
        let Some(estimate) = estimate else {
            continue;
        };
        let round = |value: f64| (value * 1e4).round() / 1e4;
        into.insert(name, value(round(estimate.value)));
        into.insert(&format!("{name}_low"), value(round(estimate.low)));
        into.insert(&format!("{name}_high"), value(round(estimate.high)));
    }
}

/// Where the weights come from: the backbone's story stays, the head's is this run.
fn training(candidate: &CandidateFolder, before: Option<&Item>) -> Table {
    let mut training = Table::new();
    for (name, item) in before.and_then(Item::as_table).into_iter().flatten() {
        if name != "rounds" {
            training.insert(name, item.clone());
        }
    }
    let provenance = &candidate.report.provenance;
    let (fewest, most) = candidate.report.participants();
    let mut rounds = Table::new();
    rounds.insert("base_version", value(&candidate.record.base_version));
    rounds.insert("run", value(&provenance.run));
    rounds.insert("rounds", value(provenance.rounds.len() as i64));
    rounds.insert("clinics_fewest", value(i64::from(fewest)));
    rounds.insert("clinics_most", value(i64::from(most)));
    rounds.insert("strategy", value(&provenance.strategy.name));
    rounds.insert("secure_aggregation", value(provenance.privacy.secure_aggregation));
    rounds.insert("noise_multiplier", value(provenance.privacy.noise_multiplier));
    if let Some(epsilon) = provenance.privacy.epsilon_spent {
        rounds.insert("epsilon", value(epsilon));
        rounds.insert("delta", value(provenance.privacy.delta));
    }
    rounds.insert("code", value(&provenance.code));
    rounds.insert("report_sha256", value(&candidate.record.report_sha256));
    training.insert("rounds", Item::Table(rounds));
    training
}
