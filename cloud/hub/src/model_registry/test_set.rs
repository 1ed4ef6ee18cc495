//! Locked sets of cases a candidate is measured on. What arrives is somebody else's file: everything is checked.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use barefoot_domain::FindingCode;
use barefoot_federation::chunk::ChunkId;
use barefoot_wire::v1;
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::model::{MAX_FINDINGS, is_name, is_sha256};

const MAX_CASES: usize = 1_000_000;
const MAX_CHANNELS: u32 = 65_536;
/// Different subgroups in a set, and those of one case.
const MAX_SUBGROUPS: usize = 256;
const MAX_SUBGROUPS_OF_A_CASE: usize = 16;
const MAX_SUBGROUP_BYTES: usize = 64;
const MAX_SOURCE_BYTES: usize = 1024;
/// Bytes of a set without its cases, and of one case.
const MAX_HEADER_BYTES: usize = 64 * 1024;
const MAX_CASE_BYTES: usize = 512 * 1024;

/// `case` in `TestSet`.
const CASE: u32 = 7;

const NO_MESSAGE: &str = "The test set is no TestSet message, or one beyond the bounds.";

/// What a set is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Judges; nothing is ever fitted to it.
    Evaluation,
    /// Temperature and operating point may be fitted to it; it never judges.
    Calibration,
}

impl Purpose {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Evaluation => "evaluation",
            Self::Calibration => "calibration",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Evaluation, Self::Calibration]
            .into_iter()
            .find(|purpose| purpose.name() == name)
    }
}

/// A checked set.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TestSet {
    pub(super) name: String,
    pub(super) purpose: Purpose,
    pub(super) model_id: String,
    pub(super) backbone: String,
    pub(super) findings: Vec<String>,
    pub(super) channels: u32,
    pub(super) source: String,
    /// Case after case, `channels` finite numbers each.
    features: Vec<f32>,
    /// Case after case, a label for each finding.
    present: Vec<bool>,
    /// By name, each with the places of its cases.
    pub(super) subgroups: BTreeMap<String, Vec<usize>>,
    pub(super) sha256: String,
}

impl TestSet {
    /// Reads and checks a set from outside. Cases are read one by one, so that a hostile file takes no more memory
    /// than an honest one of its length.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let (header, cases) = split(bytes).ok_or(NO_MESSAGE)?;
        let header = v1::TestSet::decode(header.as_slice()).map_err(|_| NO_MESSAGE)?;
        check_header(&header, cases.len())?;
        let purpose =
            Purpose::named(&header.purpose).ok_or("A set's purpose is `evaluation` or `calibration`.")?;
        let mut set = Self {
            name: header.name,
            purpose,
            model_id: header.model_id,
            backbone: header.backbone,
            findings: header.finding,
            channels: header.channels,
            source: header.source,
            features: Vec::new(),
            present: Vec::new(),
            subgroups: BTreeMap::new(),
            sha256: ChunkId::of(bytes).to_string(),
        };
        for (place, case) in cases.into_iter().enumerate() {
            let case = v1::TestCase::decode(case).map_err(|_| NO_MESSAGE)?;
            check_case(&case, set.width(), set.findings.len())?;
            set.features.extend(case.feature);
            set.present.extend(case.present);
            for subgroup in case.subgroup {
                set.subgroups.entry(subgroup).or_default().push(place);
            }
            if MAX_SUBGROUPS < set.subgroups.len() {
                return Err("The set has more than 256 subgroups.");
            }
        }
        Ok(set)
    }

    pub(super) fn cases(&self) -> usize {
        self.present.len() / self.findings.len().max(1)
    }

    /// The pooled features, case by case.
    pub(super) fn features(&self) -> impl Iterator<Item = &[f32]> {
        self.features.chunks_exact(self.width().max(1))
    }

    /// The labels of one finding, case by case; none when the set does not label it.
    pub(super) fn labels(&self, finding: &str) -> Option<Vec<bool>> {
        let place = self.findings.iter().position(|code| code == finding)?;
        let labels = self.present.chunks_exact(self.findings.len());
        Some(labels.filter_map(|case| case.get(place).copied()).collect())
    }

    /// How many cases stand in `other` too, told by their features.
    pub(super) fn shared_cases(&self, other: &Self) -> usize {
        let bits = |features: &[f32]| features.iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
        let others: HashSet<Vec<u32>> = other.features().map(bits).collect();
        self.features()
            .filter(|features| others.contains(&bits(features)))
            .count()
    }

    fn width(&self) -> usize {
        usize::try_from(self.channels).unwrap_or(usize::MAX)
    }
}

/// The message without its cases, and the bytes of each case.
fn split(bytes: &[u8]) -> Option<(Vec<u8>, Vec<&[u8]>)> {
    let (mut header, mut cases) = (Vec::new(), Vec::new());
    let mut rest = bytes;
    while !rest.is_empty() {
        let field = rest;
        let (tag, wire) = decode_key(&mut rest).ok()?;
        if tag == CASE && wire == WireType::LengthDelimited {
            let length = usize::try_from(decode_varint(&mut rest).ok()?).ok()?;
            let (case, after) = rest.split_at_checked(length)?;
            rest = after;
            if cases.len() == MAX_CASES || MAX_CASE_BYTES < case.len() {
                return None;
            }
            cases.push(case);
        } else {
            skip_field(wire, tag, &mut rest, DecodeContext::default()).ok()?;
            header.extend_from_slice(field.get(..field.len() - rest.len())?);
            if MAX_HEADER_BYTES < header.len() {
                return None;
            }
        }
    }
    Some((header, cases))
}

fn check_header(set: &v1::TestSet, cases: usize) -> Result<(), &'static str> {
    let codes: BTreeSet<&String> = set.finding.iter().collect();
    let rules = [
        (
            is_name(&set.name),
            "A set's name is 1 to 64 letters, digits, dots, dashes or underscores.",
        ),
        (
            is_name(&set.model_id),
            "A set names a model: 1 to 64 letters, digits, dots, dashes or underscores.",
        ),
        (
            is_sha256(&set.backbone),
            "A set names the backbone artefact its features were made with by its SHA-256, 64 lower-case hex digits.",
        ),
        (
            (1..=MAX_FINDINGS).contains(&set.finding.len()) && codes.len() == set.finding.len(),
            "A set labels 1 to 256 findings, each once.",
        ),
        (
            set.finding
                .iter()
                .all(|code| FindingCode::new(code.as_str()).is_ok()),
            "A finding's code is 1 to 64 of a-z, 0-9, '_' and '-'.",
        ),
        (
            (1..=MAX_CHANNELS).contains(&set.channels),
            "A set has 1 to 65536 channels.",
        ),
        ((1..=MAX_CASES).contains(&cases), "A set has 1 to 1000000 cases."),
        (
            (1..=MAX_SOURCE_BYTES).contains(&set.source.len()) && is_printable(&set.source),
            "A set says where it comes from, in up to 1024 bytes of one line.",
        ),
    ];
    rules
        .iter()
        .find(|(kept, _)| !kept)
        .map_or(Ok(()), |(_, rule)| Err(rule))
}

fn check_case(case: &v1::TestCase, channels: usize, findings: usize) -> Result<(), &'static str> {
    if case.feature.len() != channels {
        return Err("A case has not as many features as the set has channels.");
    }
    if !case.feature.iter().all(|value| value.is_finite()) {
        return Err("A case has a feature that is not a finite number.");
    }
    if case.present.len() != findings {
        return Err("A case has not one label for each finding.");
    }
    if MAX_SUBGROUPS_OF_A_CASE < case.subgroup.len() {
        return Err("A case is in more than 16 subgroups.");
    }
    let names: BTreeSet<&String> = case.subgroup.iter().collect();
    if names.len() != case.subgroup.len() || !case.subgroup.iter().all(|name| is_subgroup(name)) {
        return Err("A subgroup is `key=value` of up to 64 bytes, and a case is in it once.");
    }
    Ok(())
}

/// `sex=F`, `age=0-17`, `clinic=…`, `device=…`.
pub(super) fn is_subgroup(name: &str) -> bool {
    let Some((key, value)) = name.split_once('=') else {
        return false;
    };
    name.len() <= MAX_SUBGROUP_BYTES
        && !key.is_empty()
        && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        && !value.trim().is_empty()
        && is_printable(value)
}

fn is_printable(text: &str) -> bool {
    !text.chars().any(char::is_control)
}
