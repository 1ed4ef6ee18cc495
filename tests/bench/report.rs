//! What a benchmark says: a table for people, one JSON file for comparison.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use barefoot_test_support::daemons::workspace;
use serde::Serialize;
use serde_json::Value;

/// `target/bench/NAME.json`. Names of figures carry their unit: `p50_ms`, `images_per_s`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) name: &'static str,
    pub(crate) machine: Machine,
    /// Our figures: percentiles over the runs, or single values.
    pub(crate) ours: BTreeMap<String, f64>,
    /// Each peer's figures of the same names, measured in the same runs.
    pub(crate) peers: BTreeMap<String, BTreeMap<String, f64>>,
    /// `ours / peer` for each figure both have, named `peer.figure`.
    pub(crate) ratios: BTreeMap<String, f64>,
    /// What some ratios should be; shown below the table.
    pub(crate) targets: Vec<Target>,
    /// Everything that was measured.
    pub(crate) runs: Vec<Value>,
}

/// What a ratio should be.
#[derive(Debug, Serialize)]
pub(crate) struct Target {
    /// `peer.figure`, as in [`Report::ratios`].
    ratio: String,
    least: Option<f64>,
    most: Option<f64>,
}

impl Target {
    pub(crate) fn at_least(ratio: String, least: f64) -> Self {
        Self {
            ratio,
            least: Some(least),
            most: None,
        }
    }

    pub(crate) fn at_most(ratio: String, most: f64) -> Self {
        Self {
            ratio,
            least: None,
            most: Some(most),
        }
    }

    fn line(&self, ratios: &BTreeMap<String, f64>) -> String {
        let wanted = match (self.least, self.most) {
            (Some(least), _) => format!(">= {least:.2}"),
            (None, Some(most)) => format!("<= {most:.2}"),
            (None, None) => String::new(),
        };
        let Some(ratio) = ratios.get(&self.ratio) else {
            return format!("Target {} {wanted}: not measured", self.ratio);
        };
        let met =
            self.least.is_none_or(|least| least <= *ratio) && self.most.is_none_or(|most| *ratio <= most);
        let word = if met { "met" } else { "MISSED" };
        format!("Target {} {wanted}: {word}, {ratio:.2}", self.ratio)
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_mib: u64,
    pub(crate) system: String,
}

impl Machine {
    /// What this is, as far as Linux tells.
    pub(crate) fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let after = |text: &str, key: &str| {
            let line = text.lines().find(|line| line.starts_with(key));
            let value = line.and_then(|line| line.split(':').nth(1));
            value.unwrap_or("unknown").trim().to_owned()
        };
        let memory = after(&read("/proc/meminfo"), "MemTotal");
        let kib: u64 = memory
            .split(' ')
            .next()
            .and_then(|number| number.parse().ok())
            .unwrap_or(0);
        Self {
            cpu: after(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: kib / 1024,
            system: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
        }
    }
}

impl Report {
    /// Fills the ratios from what both sides have.
    pub(crate) fn new(
        name: &'static str,
        ours: BTreeMap<String, f64>,
        peers: BTreeMap<String, BTreeMap<String, f64>>,
        runs: Vec<Value>,
    ) -> Self {
        let mut ratios = BTreeMap::new();
        for (peer, figures) in &peers {
            for (figure, theirs) in figures {
                if let Some(our) = ours.get(figure).filter(|_| *theirs != 0.0) {
                    ratios.insert(format!("{peer}.{figure}"), our / theirs);
                }
            }
        }
        Self {
            name,
            machine: Machine::here(),
            ours,
            peers,
            ratios,
            targets: Vec::new(),
            runs,
        }
    }

    /// Prints the table and writes the file.
    pub(crate) fn publish(&self) -> anyhow::Result<()> {
        println!("\n{}", self.table());
        for target in &self.targets {
            println!("{}", target.line(&self.ratios));
        }
        let folder = workspace().join("target/bench");
        let path: PathBuf = folder.join(format!("{}.json", self.name));
        let text = serde_json::to_string_pretty(self)?;
        fs::create_dir_all(&folder)
            .and_then(|()| fs::write(&path, text))
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("Written: {}", path.display());
        Ok(())
    }

    /// One row a figure, one column a side.
    pub(crate) fn table(&self) -> String {
        let mut rows = vec![vec!["figure".to_owned(), "ours".to_owned()]];
        let figures: std::collections::BTreeSet<&String> = self
            .ours
            .keys()
            .chain(self.peers.values().flat_map(BTreeMap::keys))
            .collect();
        let mut head: Vec<String> = self
            .peers
            .keys()
            .flat_map(|peer| [peer.clone(), format!("ours / {peer}")])
            .collect();
        if let Some(first) = rows.first_mut() {
            first.append(&mut head);
        }
        for figure in figures {
            let cell = |value: Option<&f64>| value.map_or_else(|| "-".to_owned(), |value| rounded(*value));
            let mut row = vec![figure.clone(), cell(self.ours.get(figure))];
            for (peer, theirs) in &self.peers {
                row.push(cell(theirs.get(figure)));
                row.push(cell(self.ratios.get(&format!("{peer}.{figure}"))));
            }
            rows.push(row);
        }
        aligned(&self.name_line(), &rows)
    }

    fn name_line(&self) -> String {
        format!(
            "{} ({} runs; {}, {} cores)",
            self.name,
            self.runs.len(),
            self.machine.cpu,
            self.machine.cores
        )
    }
}

fn rounded(value: f64) -> String {
    match value.abs() {
        size if size == 0.0 || 1000.0 <= size => format!("{value:.0}"),
        size if 10.0 <= size => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

fn aligned(title: &str, rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = format!("{title}\n");
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| {
                if column == 0 {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            })
            .collect();
        text.push_str(&format!("  {}\n", cells.join("   ").trim_end()));
    }
    text
}

/// The value at or below which `percent` of the values lie (nearest rank); `None` without values.
pub(crate) fn percentile(values: &[f64], percent: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied()
}

/// `p50_ms`, `p99_ms` and `worst_ms` of durations.
pub(crate) fn latencies(durations: &[Duration]) -> BTreeMap<String, f64> {
    let millis: Vec<f64> = durations.iter().map(|d| d.as_secs_f64() * 1000.0).collect();
    [("p50_ms", 50.0), ("p99_ms", 99.0), ("worst_ms", 100.0)]
        .into_iter()
        .filter_map(|(name, percent)| Some((name.to_owned(), percentile(&millis, percent)?)))
        .collect()
}

/// `--rounds=N`, for a quick look.
pub(crate) fn rounds(usual: usize) -> anyhow::Result<usize> {
    let given = std::env::args().find_map(|word| word.strip_prefix("--rounds=").map(str::to_owned));
    given.map_or(Ok(usual), |number| {
        number
            .parse()
            .ok()
            .filter(|rounds| *rounds != 0)
            .with_context(|| format!("--rounds={number} is no number of rounds"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&values, 50.0), Some(50.0));
        assert_eq!(percentile(&values, 99.0), Some(99.0));
        assert_eq!(percentile(&[7.0], 99.0), Some(7.0));
        assert_eq!(percentile(&[], 50.0), None);
    }

    #[test]
    fn the_table_shows_both_sides_and_their_ratio() {
        let figures = |value: f64| BTreeMap::from([("p50_ms".to_owned(), value)]);
        let report = Report::new(
            "intake",
            figures(2.0),
            BTreeMap::from([("dcmtk".to_owned(), figures(4.0))]),
            Vec::new(),
        );
        assert_eq!(report.ratios.get("dcmtk.p50_ms"), Some(&0.5));
        let table = report.table();
        assert!(
            table.contains("ours / dcmtk") && table.contains("0.500"),
            "{table}"
        );
    }
}
