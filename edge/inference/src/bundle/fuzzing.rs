//! What a bundle's files can say: for `tests/fuzz`.

use super::{HeadWeights, golden_file, manifest};
use crate::scope::Scope;

/// What a manifest that keeps every rule names.
#[derive(Debug)]
pub struct Manifest {
    pub files: Vec<String>,
    /// Of each finding, its operating point.
    pub findings: Vec<f32>,
    /// Width and height.
    pub input: [u32; 2],
}

/// `tensors` are taken for the file of its scope.
#[must_use]
pub fn manifest(text: &str, tensors: &[u8]) -> Option<Manifest> {
    let read = manifest::parse(text).ok()?;
    if let Some(record) = &read.scope {
        let _ = Scope::parse(record, tensors);
    }
    let named = [&read.head, &read.golden].into_iter().flatten();
    let graphs = read.artefacts.iter().map(|(_, named)| named);
    Some(Manifest {
        files: named.chain(graphs).map(|named| named.file.clone()).collect(),
        findings: read
            .findings
            .iter()
            .map(|finding| finding.operating_point)
            .collect(),
        input: [read.preprocessing.width, read.preprocessing.height],
    })
}

/// Weights and biases of a head.
#[must_use]
pub fn head(file: &[u8], findings: usize, channels: usize) -> Option<[Vec<f32>; 2]> {
    let head = HeadWeights::parse(file, findings, channels).ok()?;
    Some([head.weight, head.bias])
}

/// How many cases a golden file has; its pictures are taken as they are named.
#[must_use]
pub fn golden(file: &[u8], findings: usize) -> Option<usize> {
    let cases = golden_file::parse(file, findings, |name, _| Ok(name.as_bytes().to_vec()));
    cases.ok().map(|cases| cases.len())
}
