//! Locked sets of cases a candidate is measured on. What arrives is somebody else's file: everything is checked.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use barefoot_domain::FindingCode;
use barefoot_federation::chunk::ChunkId;
use barefoot_wire::v1;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use tokio::time::timeout;

use super::model::{MAX_FINDINGS, is_name, is_sha256};
use super::record::{TestSetRecord, chunk_ids, from_json, to_json};
use super::registry::{Registry, record};
use super::{Error, head};
use crate::archive::TestSetRow;
use crate::chunks::MAX_CHUNK_BYTES;
use crate::clock::now_ms;

/// Bytes of a set as it arrives: 40 000 cases of 640 channels.
const MAX_BYTES: usize = 128 * 1024 * 1024;
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

/// Bytes of a stored piece.
const PIECE: usize = MAX_CHUNK_BYTES;

/// A sender that says nothing for this long is gone.
const SILENCE: Duration = Duration::from_secs(60);

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

impl Registry {
    /// Takes in a test set that arrives in pieces, checks it whole and locks it under its name.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first rule that is broken, [`Error::Locked`] a name that is taken, [`Error::Busy`]
    /// when another set is on its way.
    pub(crate) async fn register_test_set<E>(
        &self,
        pieces: impl Stream<Item = Result<v1::Chunk, E>> + Send,
    ) -> Result<v1::RegisterTestSetReply, Error> {
        let _turn = self.intake.try_acquire().map_err(|_| Error::Busy)?;
        let bytes = collect(pieces).await?;
        let (bytes, set) = tokio::task::spawn_blocking(move || {
            let set = TestSet::decode(&bytes);
            (bytes, set)
        })
        .await
        .map_err(|_| Error::Stored { what: "test set" })?;
        let set = set.map_err(Error::invalid)?;
        self.check_against_model(&set).await?;
        if let Some(earlier) = self.archive.test_set(&set.name).await? {
            return reply_if_same(&set, &earlier);
        }
        let bytes = Bytes::from(bytes);
        let pieces = (0..bytes.len()).step_by(PIECE);
        let pieces = pieces.map(|start| bytes.slice(start..bytes.len().min(start + PIECE)));
        let _hold = self.chunks.hold().await;
        let chunks = self.store(pieces.collect()).await?;
        let row = row(&set, bytes.len(), chunks)?;
        if !self.archive.insert_test_set(&row).await? {
            let earlier = self.archive.test_set(&set.name).await?;
            return reply_if_same(&set, &earlier.ok_or(Error::Stored { what: "test set" })?);
        }
        tracing::info!(
            set = set.name,
            sha256 = set.sha256,
            cases = set.cases(),
            "A test set was locked."
        );
        self.changes.announce();
        Ok(reply(&set))
    }

    /// Reads a locked set back, whole, and makes sure that it is the one that was locked.
    pub(super) async fn read_test_set(&self, row: &TestSetRow) -> Result<TestSet, Error> {
        let record: TestSetRecord = from_json(&row.record, "test set record")?;
        let (store, chunks, sha256) = (
            self.chunks.clone(),
            chunk_ids(&record.chunks)?,
            row.sha256.clone(),
        );
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::with_capacity(chunks.len() * PIECE);
            for id in &chunks {
                let piece = store
                    .read_blocking(id)
                    .map_err(|source| Error::Chunks { source })?;
                bytes.extend_from_slice(&piece);
            }
            match TestSet::decode(&bytes) {
                Ok(set) if set.sha256 == sha256 => Ok(set),
                _ => Err(Error::Stored { what: "test set" }),
            }
        });
        read.await.unwrap_or(Err(Error::Stored { what: "test set" }))
    }

    /// A set fits at least one registered version of its model.
    async fn check_against_model(&self, set: &TestSet) -> Result<(), Error> {
        let mut known = false;
        for row in self.archive.models().await? {
            if row.id != set.model_id {
                continue;
            }
            known = true;
            let model = record(&row)?.model()?;
            let channels = head::channels(&model.layout, model.findings.len());
            let labelled = |code: &String| model.findings.iter().any(|finding| finding.code == *code);
            if model.backbone.contains(&set.backbone)
                && channels == usize::try_from(set.channels).ok()
                && set.findings.iter().all(labelled)
            {
                return Ok(());
            }
        }
        if known {
            Err(Error::invalid(
                "No registered version of the set's model has its backbone, channels and findings.",
            ))
        } else {
            Err(Error::Unknown { what: "model" })
        }
    }
}

async fn collect<E>(pieces: impl Stream<Item = Result<v1::Chunk, E>> + Send) -> Result<Vec<u8>, Error> {
    let mut pieces = std::pin::pin!(pieces);
    let mut bytes = Vec::new();
    while let Some(piece) = timeout(SILENCE, pieces.next()).await.map_err(|_| Error::Upload)? {
        let piece = piece.map_err(|_| Error::Upload)?;
        if MAX_BYTES < bytes.len() + piece.content.len() {
            return Err(Error::invalid("A test set has at most 128 MiB."));
        }
        bytes.extend_from_slice(&piece.content);
    }
    Ok(bytes)
}

fn row(set: &TestSet, bytes: usize, chunks: Vec<ChunkId>) -> Result<TestSetRow, Error> {
    let record = TestSetRecord {
        backbone: set.backbone.clone(),
        findings: set.findings.clone(),
        channels: set.channels,
        cases: count(set),
        bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
        source: set.source.clone(),
        chunks: chunks.iter().map(ToString::to_string).collect(),
    };
    Ok(TestSetRow {
        name: set.name.clone(),
        model_id: set.model_id.clone(),
        purpose: set.purpose.name().to_owned(),
        sha256: set.sha256.clone(),
        registered_at_ms: now_ms(),
        record: to_json(&record, "test set")?,
    })
}

fn reply_if_same(set: &TestSet, earlier: &TestSetRow) -> Result<v1::RegisterTestSetReply, Error> {
    if earlier.sha256 == set.sha256 {
        Ok(reply(set))
    } else {
        Err(Error::Locked { what: "test set" })
    }
}

fn reply(set: &TestSet) -> v1::RegisterTestSetReply {
    v1::RegisterTestSetReply {
        name: set.name.clone(),
        sha256: set.sha256.clone(),
        cases: count(set),
    }
}

/// Within [`MAX_CASES`].
fn count(set: &TestSet) -> u32 {
    u32::try_from(set.cases()).unwrap_or(u32::MAX)
}
