//! Attacks on every port of hub and box, through the real programs. Each attempt is counted; `docs/ATTACKS.md` is the table.
//!
//! Every kind of attack has controls: the same thing done by who may do it. Without them a closed door proves nothing.

mod ledger;

pub(crate) mod clinic;
mod hall;
mod http;
mod mqtt_line;

mod certificates;
mod old_tls;

mod guessing;
mod sessions;

mod others_objects;
mod routes;
mod routes_of_the_box;
mod services;

mod document;

mod bombs;
mod requests;
mod slowness;

mod malformed_mqtt;
mod other_clinics;
mod rounds;
mod secretive;
mod shares;

mod log_tampering;
