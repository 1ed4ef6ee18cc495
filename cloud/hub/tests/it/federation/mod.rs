//! Federated rounds over real gRPC with mutual TLS: clinics and maintainers are the generated clients.

mod clinic;
mod line;
mod maintainer;

mod gate;
mod kills;
mod limits;
mod plain;
mod refusals;
mod secure;

pub(crate) use line::channel;
