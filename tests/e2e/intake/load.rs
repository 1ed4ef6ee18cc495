use std::sync::Arc;

use barefoot_test_support::power_cut::now_ns;
use barefoot_test_support::scanner::raw::{Proposal, RawAssociation};
use barefoot_test_support::{CT_IMAGE, Instance};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const EXPLICIT_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";

/// What the box should do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Stored,
    /// Its data set breaks off.
    Quarantined,
}

/// One object to send. Small ones are a few kilobytes, large ones half a megabyte.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) sop_instance: String,
    pub(crate) data_set: Vec<u8>,
    pub(crate) fate: Fate,
}

impl Sample {
    /// Slice `number` of the study `study`; another `version` is other pixels under the same identifiers.
    pub(crate) fn slice(study: &str, number: u32, side: u16, version: u64) -> Arc<Self> {
        let mut random = StdRng::seed_from_u64(u64::from(number) ^ version << 32);
        let samples = (0..u32::from(side) * u32::from(side)).map(|_| random.random_range(-1000..1000));
        let instance = Instance::filler_slice(study, number, side, samples.collect());
        Arc::new(Self {
            data_set: instance.data_set().unwrap(),
            sop_instance: instance.sop_instance_uid,
            fate: Fate::Stored,
        })
    }

    /// The same, cut off in the middle of its pixels.
    pub(crate) fn damaged(study: &str, number: u32) -> Arc<Self> {
        let whole = Self::slice(study, number, 64, 0);
        let half = whole.data_set.len() / 2;
        Arc::new(Self {
            sop_instance: whole.sop_instance.clone(),
            data_set: whole.data_set.get(..half).unwrap().to_vec(),
            fate: Fate::Quarantined,
        })
    }
}

/// What each association sends, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan(pub(crate) Vec<Vec<Arc<Sample>>>);

/// What a scanner heard, and when.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub(crate) sample: Arc<Sample>,
    pub(crate) status: u16,
    pub(crate) at_ns: u64,
}

/// A load under way.
#[derive(Debug)]
pub(crate) struct Sent(Vec<std::thread::JoinHandle<Vec<Answered>>>);

/// Begins to send, each association on a thread of its own, until all is answered or the box is gone.
pub(crate) fn sending(address: &str, plan: &Plan) -> Sent {
    let threads = plan.0.iter().map(|samples| {
        let (address, samples) = (address.to_owned(), samples.clone());
        std::thread::spawn(move || {
            let mut answered = Vec::new();
            let proposal = Proposal::new("BAREFOOT", "SIM_DR1").with(CT_IMAGE, EXPLICIT_LITTLE_ENDIAN);
            let Ok(mut association) = RawAssociation::open(&address, &proposal) else {
                return answered;
            };
            for sample in samples {
                let Ok(answer) = association.store(0, CT_IMAGE, &sample.sop_instance, &sample.data_set)
                else {
                    return answered;
                };
                answered.push(Answered {
                    sample,
                    status: answer.status,
                    at_ns: now_ns(),
                });
            }
            let _ = association.release();
            answered
        })
    });
    Sent(threads.collect())
}

impl Sent {
    /// Every answer that was heard.
    pub(crate) async fn answers(self) -> Vec<Answered> {
        tokio::task::spawn_blocking(move || {
            let answers = self.0.into_iter().map(|thread| thread.join().unwrap());
            answers.flatten().collect()
        })
        .await
        .unwrap()
    }
}
