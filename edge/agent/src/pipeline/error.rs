use std::net::SocketAddr;

use crate::{at_rest, hub_services, image_upload, link, membership};

/// Why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the state directory {path} cannot be used")]
    State { path: String, source: std::io::Error },
    #[error("the list of allowed scanners {path} cannot be read: repair or remove it")]
    Scanners { path: String, source: std::io::Error },
    #[error("what is kept here cannot be opened")]
    AtRest { source: at_rest::Error },
    #[error("the key for pseudonyms cannot be used")]
    Pseudonyms { source: barefoot_trust::Error },
    #[error("the key for pseudonyms {path} cannot be read or written")]
    PseudonymsFile { path: String, source: std::io::Error },
    #[error(
        "{path} is missing though there are studies: restore it from the backup, a new key gives old studies new names"
    )]
    PseudonymsMissing { path: String },
    #[error("the queue cannot be opened")]
    Queue { source: barefoot_queue::Error },
    #[error("the hub's services cannot be used")]
    Services { source: hub_services::Error },
    #[error("the box cannot say whose it is")]
    Membership { source: membership::Error },
    #[error(
        "the page for setting the box up cannot be opened on {address}: another program may have the port"
    )]
    FirstBoot {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("the link to the hub cannot be set up")]
    Link { source: link::Error },
    #[error("images cannot be sent to the hub")]
    Images { source: image_upload::Error },
    #[error("the door for scanners cannot be opened")]
    FrontDoor { source: crate::front_door::BindError },
    #[error("cannot listen for {what} on {address}: another program may have the port")]
    Listen {
        what: &'static str,
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("a part of the daemon stopped by itself")]
    PartStopped,
}
