//! How a box that nobody knows becomes a clinic's, by a code that an operator gave to whoever stands beside it.
//!
//! Neither side knows the other yet: the box has no authority to check the hub by, the hub has no certificate of the box. Both
//! know the code. Each proves that to the other with a sum over the code, the TLS connection they speak on (its exporter,
//! RFC 9266) and what is said: who stands between them speaks on other connections, and a request that was overheard is worth
//! nothing on another one. The code has 100 random bits, so that nobody finds it from such a sum.
//!
//! A box that is known proves itself by its key alone, also where its certificate ran out while the line was down.

mod code;
pub use code::{Binding, Code, Secret};

mod request;
pub use request::{BoxKey, Certified, Request, key_of, validity_of};

mod renewal;

mod authorities;
pub use authorities::{check_first, successors, to_pem};

mod open_port;
pub use open_port::first_client_config;

use ring::digest::{SHA256, digest};

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, &parts.concat()).as_ref());
    hash
}

#[cfg(test)]
mod tests;
