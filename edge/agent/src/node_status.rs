//! What people see of a node that images and results go to.

use crate::site_policy::NodeGets;
use crate::study_folder::StudyKey;

/// One node's state for the clinic page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeView {
    pub name: String,
    pub ae_title: String,
    /// Files it still has to get, and since when the oldest waits.
    pub pending: usize,
    pub oldest_ms: Option<i64>,
    /// Files it will not get by itself, the latest first.
    pub aside: Vec<Aside>,
    /// When it last took something.
    pub last_sent_ms: Option<i64>,
    /// Why the last attempt failed; `None` while all is well.
    pub trouble: Option<String>,
    /// Files it has got, as far as the log tells.
    pub sent: usize,
    /// What the site's policy lets it have.
    pub gets: NodeGets,
}

/// A file that will not go by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Aside {
    pub study: StudyKey,
    pub at_ms: i64,
    /// For people; names no patient.
    pub reason: String,
}
