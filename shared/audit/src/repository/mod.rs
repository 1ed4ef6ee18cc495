//! The way to an audit record repository: syslog over TLS (RFC 5425), mutually authenticated.
//!
//! Syslog knows no answer. What is sent is known to have arrived only when the repository ends its side of a connection that
//! we ended first ([`line`]): so a connection carries at most some hundred entries, is ended in order, and only then is it
//! noted how far the repository has come. What broke off before is sent again, in order. An entry may come twice and never
//! not at all; each names its number and hash.
//!
//! Nothing waits in memory: entries are read from the log when there is a line.

mod config;
mod forwarding;
mod line;
mod standing;

pub use config::Config;
pub use forwarding::{Forwarding, Log, Logged, Mark};
pub use standing::{Standing, View};
