//! The clinic's own nodes, archives and workstations: what the site file says of them, and the way to them.

mod config;
mod dial;

use std::sync::Arc;

pub(crate) use config::{Node, What, check};
pub(crate) use dial::{DialError, dial};

/// A node and who we are to it.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub calling_ae_title: String,
    pub node: Node,
}

impl Route {
    /// As the audit log names it.
    #[must_use]
    pub(crate) fn place(&self) -> String {
        format!("{}@{}", self.node.ae_title, self.node.host)
    }
}

/// Finds the node of an AE title; `None` where the site file names none.
pub(crate) type FindRoute = Arc<dyn Fn(&str) -> Option<Route> + Send + Sync>;
