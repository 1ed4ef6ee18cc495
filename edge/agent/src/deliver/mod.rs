//! What leaves for the clinic's own nodes: originals and results to archives and workstations, by C-STORE.
//!
//! Each node has an outbox on disk ([`outbox`]) and a line ([`line`]) that empties it whenever the node can be reached:
//! through outages with growing pauses, in order within a study, nothing lost, nothing sent twice without need. A file goes
//! as it was stored; where a node does not take its transfer syntax, turned into one that it takes ([`contexts`]). What a
//! node will never take is set aside and shown.

mod contexts;
mod line;
mod outbox;
mod sending;
mod status;
mod verdict;
mod without_identity;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use barefoot_imaging::header;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::at_rest;
use crate::audit::PeerLog;
use crate::clock;
use crate::node_status::NodeView;
use crate::nodes::{Node, Route};
use crate::site_policy::NodeGets;
use crate::study_folder::{StateDirectory, StudyKey};
use line::Line;
use outbox::Outbox;
pub(crate) use without_identity::Leave;

/// The lines to all nodes; clones share them.
#[derive(Clone)]
pub(crate) struct Deliveries {
    lines: Arc<[Line]>,
}

impl fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deliveries({} nodes)", self.lines.len())
    }
}

impl Deliveries {
    /// Reads every outbox and what the studies' folders hold.
    ///
    /// # Errors
    /// When a log or the folder of studies cannot be read.
    pub(crate) fn open(
        nodes: Vec<Node>,
        calling_ae_title: &str,
        state: &StateDirectory,
        leave: &Leave,
        log: &PeerLog,
        now_ms: i64,
    ) -> io::Result<Self> {
        let open = |node: Node| {
            let outbox = Outbox::open(state.clone(), node.clone(), now_ms, modality_of)?;
            let route = Route {
                calling_ae_title: calling_ae_title.to_owned(),
                node,
            };
            leave.forget_copies(&route.node.name, state)?;
            Ok(Line::new(
                route,
                state.clone(),
                outbox,
                leave.clone(),
                log.clone(),
            ))
        };
        let lines: io::Result<Vec<Line>> = nodes.into_iter().map(open).collect();
        Ok(Self { lines: lines?.into() })
    }

    /// Something was added to a study's folder and will not change any more. Reads files: not for async threads.
    pub(crate) fn look_at(&self, study: &StudyKey) {
        for line in self.lines.iter() {
            let looked = line.outbox().look(study, clock::now_ms(), modality_of);
            match looked {
                Ok(()) => line.wake(),
                // The next start looks again.
                Err(error) => {
                    tracing::error!(%study, node = line.route.node.name, %error, "A study cannot be put into a node's outbox; it is tried again when the study changes or the box starts.");
                }
            }
        }
    }

    /// The node of an AE title, for who sends to it on request.
    #[must_use]
    pub(crate) fn route(&self, ae_title: &str) -> Option<Route> {
        let line = self
            .lines
            .iter()
            .find(|line| line.route.node.ae_title == ae_title)?;
        Some(line.route.clone())
    }

    /// The same for who sends images as they are: only where the site's policy lets the node have them.
    #[must_use]
    pub(crate) fn route_for_originals(&self, ae_title: &str) -> Option<Route> {
        let route = self.route(ae_title)?;
        let line = self.lines.first()?;
        (line.leave.of(&route.node.name) == NodeGets::Originals).then_some(route)
    }

    /// Whether some node still waits for the study's images, or one was set aside for a person.
    #[must_use]
    pub(crate) fn is_waiting(&self, study: &StudyKey) -> bool {
        self.lines.iter().any(|line| line.outbox().is_waiting(study))
    }

    #[must_use]
    pub(crate) fn view(&self) -> Vec<NodeView> {
        self.lines.iter().map(Line::view).collect()
    }

    /// Tries again what a node's outbox has set aside; `None` where no node has this name.
    ///
    /// # Errors
    /// When the wish cannot be written down.
    pub(crate) fn try_again(&self, name: &str) -> Option<io::Result<usize>> {
        let line = self.lines.iter().find(|line| line.route.node.name == name)?;
        let count = line.outbox().try_again(clock::now_ms());
        line.wake();
        Some(count)
    }

    /// Sends until `shutdown`; what is under way then is sent again after the next start.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let tasks = TaskTracker::new();
        for (number, line) in self.lines.iter().enumerate() {
            for _ in 0..line.route.node.max_associations {
                let (lines, shutdown) = (Arc::clone(&self.lines), shutdown.clone());
                tasks.spawn(async move {
                    if let Some(line) = lines.get(number) {
                        line.work(shutdown).await;
                    }
                });
            }
        }
        tasks.close();
        // Without nodes there is nothing to do, which is no reason to end.
        shutdown.cancelled().await;
        tasks.wait().await;
    }
}

fn modality_of(path: &Path) -> Option<String> {
    header::read_header(&at_rest::stored(path)).ok()?.modality()
}
