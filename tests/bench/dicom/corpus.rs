//! What is sent: CT slices with noise in studies of 20 to 200, and chest radiographs of 15 MB.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use barefoot_test_support::phantom::{Chest, CtSlice, Size};
use barefoot_test_support::{CT_IMAGE, Charset, DX_FOR_PRESENTATION, Instance};

/// Slices of each study; 400 together, 0.53 MB each.
const CT_STUDIES: [u32; 5] = [20, 40, 60, 80, 200];

pub(crate) const CT_SLICES: u32 = 400;
pub(crate) const RADIOGRAPHS: u64 = 20;

/// Instances of one SOP class, in memory.
pub(crate) struct Corpus {
    pub(crate) name: &'static str,
    pub(crate) sop_class: &'static str,
    pub(crate) instances: Vec<Sample>,
}

pub(crate) struct Sample {
    pub(crate) sop_instance: String,
    /// In Explicit VR Little Endian.
    pub(crate) data_set: Vec<u8>,
}

pub(crate) fn ct() -> anyhow::Result<Corpus> {
    let mut slices = Vec::new();
    for (seed, count) in (1..).zip(CT_STUDIES) {
        slices.extend((1..=count).map(|number| CtSlice {
            seed,
            number,
            charset: Charset::Utf8,
        }));
    }
    Ok(Corpus {
        name: "ct",
        sop_class: CT_IMAGE,
        instances: drawn(&slices, |slice| slice.instance())?,
    })
}

pub(crate) fn radiographs() -> anyhow::Result<Corpus> {
    let chests: Vec<Chest> = (1..=RADIOGRAPHS)
        .map(|seed| Chest {
            seed,
            size: Size::Full,
            ..Chest::default()
        })
        .collect();
    Ok(Corpus {
        name: "dr",
        sop_class: DX_FOR_PRESENTATION,
        instances: drawn(&chests, |chest| chest.instance())?,
    })
}

/// On all processors: drawing takes longer than sending.
fn drawn<T: Sync>(what: &[T], draw: impl Fn(&T) -> Instance + Sync) -> anyhow::Result<Vec<Sample>> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(what.len()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(one) = what.get(number) else { return };
                    let instance = draw(one);
                    let sample = instance.data_set().map(|data_set| Sample {
                        sop_instance: instance.sop_instance_uid.clone(),
                        data_set,
                    });
                    done.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((number, sample));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(number, _)| *number);
    Ok(done
        .into_iter()
        .map(|(_, sample)| sample)
        .collect::<Result<_, _>>()?)
}
