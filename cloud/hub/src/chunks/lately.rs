use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use barefoot_federation::chunk::ChunkId;
use bytes::Bytes;
use tokio::sync::OnceCell;

/// Chunks kept: 48 MiB where all are of the largest kind.
const MOST: usize = 48;

/// Contents read lately, compared with their names when they were read. The clinics of a round fetch the same parameters
/// within minutes of each other: one reading serves them all.
#[derive(Debug, Default)]
pub(super) struct Lately(Mutex<VecDeque<(ChunkId, Place)>>);

/// Filled by the first who asks; the others wait for it.
type Place = Arc<OnceCell<Bytes>>;

impl Lately {
    /// The place of a chunk. Whoever has stood here longest makes room.
    pub(super) fn place(&self, id: &ChunkId) -> Place {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, place)) = places.iter().find(|(held, _)| held == id) {
            return Arc::clone(place);
        }
        let place = Place::default();
        places.truncate(MOST - 1);
        places.push_front((*id, Arc::clone(&place)));
        place
    }

    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
