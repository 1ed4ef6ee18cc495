//! What the backbone sees in each picture.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, anyhow};
use barefoot_inference::{Bundle, EngineChoice, EngineWish, Model, PrecisionWish};
use barefoot_wire::v1;

use super::Precision;
use super::pictures;
use super::table::{Row, Table};

/// A bundle's backbone on this machine. Always the engine that needs no library of others: a set is made once and
/// judges for years.
#[derive(Debug)]
pub(super) struct Extractor {
    model: Model,
    findings: Vec<String>,
}

impl Extractor {
    pub(super) fn open(directory: &Path, precision: Precision) -> anyhow::Result<Self> {
        let bundle = Bundle::load(directory).with_context(|| directory.display().to_string())?;
        let choice = EngineChoice {
            engine: EngineWish::Tract,
            precision: match precision {
                Precision::Auto => PrecisionWish::Auto,
                Precision::F32 => PrecisionWish::F32,
                Precision::Int8 => PrecisionWish::Int8,
            },
            ..EngineChoice::default()
        };
        let (model, _) = Model::open(&bundle, &choice)?;
        let findings = model
            .findings()
            .map(|finding| finding.as_str().to_owned())
            .collect();
        Ok(Self { model, findings })
    }

    pub(super) fn findings(&self) -> &[String] {
        &self.findings
    }

    pub(super) fn model_id(&self) -> &str {
        &self.model.version().id
    }

    pub(super) fn backbone(&self) -> &str {
        self.model.backbone()
    }

    pub(super) fn channels(&self) -> u32 {
        u32::try_from(self.model.channels()).unwrap_or(u32::MAX)
    }

    /// All rows, in order, on every core. One picture that cannot be used ends it: a set is made on purpose.
    pub(super) fn cases(&self, table: &Table) -> anyhow::Result<Vec<v1::TestCase>> {
        let next = AtomicUsize::new(0);
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let work = || -> anyhow::Result<Vec<(usize, v1::TestCase)>> {
            let mut done = Vec::new();
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(row) = table.rows.get(place) else {
                    return Ok(done);
                };
                match self.case(row) {
                    Ok(case) => done.push((place, case)),
                    Err(error) => {
                        next.store(table.rows.len(), Ordering::Relaxed);
                        return Err(error.context(format!("line {}: {}", row.line, row.image.display())));
                    }
                }
            }
        };
        let mut cases = thread::scope(|scope| -> anyhow::Result<Vec<_>> {
            let running: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            let mut cases = Vec::with_capacity(table.rows.len());
            for worker in running {
                cases.extend(
                    worker
                        .join()
                        .map_err(|_| anyhow!("a picture could not be decoded"))??,
                );
            }
            Ok(cases)
        })?;
        cases.sort_by_key(|(place, _)| *place);
        Ok(cases.into_iter().map(|(_, case)| case).collect())
    }

    fn case(&self, row: &Row) -> anyhow::Result<v1::TestCase> {
        let (picture, header) = pictures::load(&row.image)?;
        if let Some(header) = header {
            self.model.takes(&header)?;
        }
        Ok(v1::TestCase {
            feature: self.model.pooled_features(&picture)?.values,
            present: row.present.clone(),
            subgroup: row.subgroups.clone(),
        })
    }
}
