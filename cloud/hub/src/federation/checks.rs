//! Is an update what it claims to be? The quick half looks at the message, the slow half at every value.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};

use barefoot_federation::chunk::ChunkId;
use barefoot_federation::clip::L2Norm;
use barefoot_federation::encoding::{DecodeError, Encoding, first_not_finite, read_into};
use barefoot_federation::hygiene::{Refusal as Hygiene, capped_weight, check_norm};
use barefoot_federation::layout::{CHUNK_VALUES, Layout};
use barefoot_wire::v1;

use super::refusal::Refusal;
use super::run::ActiveRun;
use super::wire;
use crate::chunks::{self, ChunkStore};

/// More than any client of ours reports.
const MOST_METRICS: usize = 64;
const LONGEST_METRIC_NAME: usize = 64;
/// Far beyond any loss or rate, and far from where weighted sums overflow.
const LARGEST_METRIC: f64 = 1e12;

/// An update whose message is right: what is left to look at are its values.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) chunks: Vec<ChunkId>,
    /// What [`read_update`] looks through; nothing for a masked update, whose values say nothing.
    pub(super) readable: Option<Readable>,
}

#[derive(Debug)]
pub(super) struct Readable {
    pub(super) layout: std::sync::Arc<Layout>,
    pub(super) encoding: Encoding,
    pub(super) norm_limit: f64,
}

/// The message of an update against the run's terms. `uploaded` are the chunks this clinic itself has
/// sent, with their lengths.
pub(super) fn check_update(
    run: &ActiveRun,
    reply: &v1::FitReply,
    uploaded: &HashMap<ChunkId, u64>,
) -> Result<Claimed, Refusal> {
    let setup = &run.setup;
    let update = reply.update.as_ref().ok_or(Hygiene::WrongLayout)?;
    if update.encoding() != wire::to_encoding(setup.encoding) {
        let masked = update.encoding() == v1::Encoding::Masked;
        return Err(if masked || setup.rules.secure {
            Hygiene::WrongProtection.into()
        } else {
            Hygiene::WrongEncoding.into()
        });
    }
    if !wire::is_layout(&update.tensors, &run.layout) {
        return Err(Hygiene::WrongLayout.into());
    }
    let lengths = run.chunk_bytes().map_err(|error| stuck(&error))?;
    if update.chunk.len() != lengths.len() {
        return Err(Hygiene::WrongChunkCount {
            listed: update.chunk.len() as u64,
            expected: lengths.len() as u64,
        }
        .into());
    }
    let ids = wire::chunk_ids(&update.chunk).ok_or(Hygiene::DamagedChunk { chunk: 0 })?;
    for (chunk, (id, length)) in (0_u64..).zip(ids.iter().zip(&lengths)) {
        match uploaded.get(id) {
            None => return Err(Hygiene::MissingChunk { chunk }.into()),
            // Of a masked update nothing else can be checked before the masks are off, and then it is too late.
            Some(sent) if *sent != *length as u64 => return Err(Hygiene::DamagedChunk { chunk }.into()),
            Some(_) => {}
        }
    }
    // Under secure aggregation the weight is masked with the values.
    if !setup.rules.secure {
        check_examples(reply.examples, setup.fit)?;
    }
    if !setup.hides_figures() {
        check_metrics(&reply.metric)?;
    } else if !reply.metric.is_empty() {
        let reason = "The run hides figures about single clinics, and the reply tells some.";
        return Err(Refusal::content("wrong_protection", reason));
    }
    let readable = (!setup.rules.secure).then(|| Readable {
        layout: std::sync::Arc::clone(&run.layout),
        encoding: setup.encoding,
        norm_limit: setup.norm_limit(run.layout.elements()),
    });
    Ok(Claimed {
        chunks: ids,
        readable,
    })
}

pub(super) fn check_examples(examples: u32, fit: v1::FitSettings) -> Result<(), Refusal> {
    let claimed = u64::from(examples);
    capped_weight(claimed, u64::from(fit.example_cap))?;
    if examples < fit.minimum_examples {
        return Err(Hygiene::TooFewExamples {
            claimed,
            minimum: u64::from(fit.minimum_examples),
        }
        .into());
    }
    Ok(())
}

/// Few, each once, of usual size, with plain names: they go into means, tables and onto pages.
pub(super) fn check_metrics(metrics: &[v1::Metric]) -> Result<(), Refusal> {
    let plain = |name: &str| {
        (1..=LONGEST_METRIC_NAME).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    let mut names = HashSet::new();
    let mut usable = metrics.iter().map(|metric| {
        metric.value.abs() <= LARGEST_METRIC && plain(&metric.name) && names.insert(metric.name.as_str())
    });
    if metrics.len() <= MOST_METRICS && usable.all(|usable| usable) {
        Ok(())
    } else {
        Err(Hygiene::AbsurdMetric.into())
    }
}

/// Reads a whole update: every value is a finite number, and the norm is within its limit. Returns the norm. On the
/// calling thread.
pub(super) fn read_update(store: &ChunkStore, chunks: &[ChunkId], how: &Readable) -> Result<f64, Unread> {
    let (mut bytes, mut values) = (Vec::new(), vec![0.0_f32; CHUNK_VALUES]);
    let mut norm = L2Norm::default();
    for (chunk, id) in chunks.iter().enumerate() {
        let failed = |source| chunks::Error::Read { id: *id, source };
        let values = values
            .get_mut(..how.layout.chunk_values(chunk))
            .unwrap_or_default();
        let mut file = store.open_blocking(id)?;
        let length = file.metadata().map_err(failed)?.len();
        if length != how.encoding.bytes_of(values.len()) as u64 {
            return Err(Hygiene::DamagedChunk { chunk: chunk as u64 }.into());
        }
        let read = read_into::<NotRead>(how.encoding, values, &mut bytes, |bytes| {
            file.read_exact(bytes).map_err(NotRead::File)
        });
        read.map_err(|error| match error {
            NotRead::File(source) => Unread::from(failed(source)),
            NotRead::Values(error) => undecodable(chunk, error).into(),
        })?;
        norm.add(values);
        // Float32 values have not been looked at one by one; one that is no number shows in the norm.
        if !norm.value().is_finite()
            && let Some(value) = first_not_finite(values)
        {
            return Err(undecodable(chunk, DecodeError::NotFinite { value }).into());
        }
    }
    let norm = norm.value();
    check_norm(norm, how.norm_limit)?;
    Ok(norm)
}

/// Why an update was not read through.
#[derive(Debug)]
pub(super) enum Unread {
    Refused(Refusal),
    Store(chunks::Error),
}

/// Why a chunk's values were not read.
enum NotRead {
    File(io::Error),
    Values(DecodeError),
}

impl From<DecodeError> for NotRead {
    fn from(error: DecodeError) -> Self {
        Self::Values(error)
    }
}

impl From<Hygiene> for Unread {
    fn from(refusal: Hygiene) -> Self {
        Self::Refused(refusal.into())
    }
}

impl From<chunks::Error> for Unread {
    fn from(error: chunks::Error) -> Self {
        Self::Store(error)
    }
}

fn undecodable(chunk: usize, error: DecodeError) -> Hygiene {
    match error {
        DecodeError::NotFinite { value } => Hygiene::NotFinite {
            value: (chunk * CHUNK_VALUES + value) as u64,
        },
        DecodeError::Length { .. }
        | DecodeError::Scale { .. }
        | DecodeError::Range { .. }
        | DecodeError::Masked => Hygiene::DamagedChunk { chunk: chunk as u64 },
    }
}

/// The run's own terms do not work out; they were checked when it was started.
fn stuck(error: &super::Error) -> Refusal {
    Refusal::passing("hub", error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_few_named_once_and_of_usual_size() {
        let checked = |metrics: &[(&str, f64)]| {
            let metrics: Vec<v1::Metric> = metrics
                .iter()
                .map(|(name, value)| v1::Metric {
                    name: (*name).to_owned(),
                    value: *value,
                })
                .collect();
            check_metrics(&metrics).map_err(|refusal| refusal.code)
        };
        assert_eq!(checked(&[("auc", 0.9), ("log_loss", -1e12)]), Ok(()));
        for bad in [
            [("auc", 0.9), ("auc", 0.9)],
            [("auc", 0.9), ("loss", 1.7e308)],
            [("auc", 0.9), ("loss", -1.1e12)],
            [("auc", 0.9), ("loss", f64::NAN)],
            [("auc", 0.9), ("loss", f64::INFINITY)],
            [("auc", 0.9), ("", 0.1)],
            [("auc", 0.9), ("no spaces", 0.1)],
        ] {
            assert_eq!(checked(&bad), Err("absurd_metric"), "{bad:?}");
        }
        let names: Vec<String> = (0..=MOST_METRICS).map(|number| format!("m{number}")).collect();
        let many: Vec<(&str, f64)> = names.iter().map(|name| (name.as_str(), 0.0)).collect();
        assert_eq!(checked(&many[1..]), Ok(()));
        assert_eq!(checked(&many), Err("absurd_metric"));
    }
}
