//! Secure aggregation: the hub learns the sum of the clinics' updates and no update.
//!
//! The protocol of Bonawitz et al. 2017 (CCS, doi 10.1145/3133956.3133982, figure 4; ePrint 2017/281) for clinics that
//! follow it and may drop out at any point, as two state machines that do no input or output:
//!
//! ```text
//! Client                                     Server
//! new                ── Advert ──▶           advert …, close_adverts
//! share(roster)      ── Shares ──▶           shares …, close_shares
//! open(inbox), mask  ── masked chunks ──▶    (the caller adds them up modulo 2^32), close_masking
//! unmask(survivors)  ── UnmaskShares ──▶     unmask_shares …, reconstruct → Unmasker::unmask_chunk
//! ```
//!
//! Every pair of clinics agrees by X25519 on a stream of ChaCha20 that one adds and the other subtracts; each adds a
//! stream of its own besides. In the sum the pairs cancel. What is left, the own streams of those who stayed and the
//! pair streams of those who dropped out, the hub rebuilds from Shamir shares held by the others. It asks each clinic
//! for *either* kind of share per peer, never both, and no clinic answers two different questions.
//!
//! What it promises, and to whom:
//! - A hub that tells all clinics the same survivors learns nothing but sums over at least `threshold` clinics, as long as
//!   fewer than `threshold` clinics are in league with it.
//! - Clinics do not compare what survivors they were told. A hub that tells some that a clinic dropped out and others that
//!   it stayed needs `threshold` answers of either kind, and every clinic that follows the protocol gives one. So it
//!   needs `2 * threshold - n` of the `n` clinics on its side: more than a third, because the threshold is above two
//!   thirds.
//! - A sum over two clinics tells each of them the other's update. The cohort's floor is policy, not cryptography.
//! - Run, round, model, parameters and the whole roster enter every derived key: nothing fits another round, and a hub
//!   that shows two clinics different rosters gets shares nobody can open.
//! - The hub could invent clinics. Callers sign [`Advert::signing_bytes`] with the clinic's certificate and check the
//!   signatures of the roster before [`Client::share`].
//! - Wrong shares are named by hash commitments, wrong dealers by their public key or seed commitment; a wrong *update*
//!   is not detected: it is hidden like every other.
//!
//! Callers persist [`Client::to_bytes`] before they send the message a step made. All messages are derived from one
//! random root, so a step repeated after a crash gives the same message again.

mod error;
pub use error::Error;

mod quantise;
pub use quantise::Quantiser;

mod params;
pub use params::{CHUNK_VALUES, Params, RoundContext};

mod shamir;

mod keys;

mod mask;
pub use mask::add_masked;

mod message;
pub use message::{Advert, Commitments, ENVELOPE_BYTES, Envelope, Share, Shares, UnmaskShares};

mod roster;
pub use roster::Roster;

mod client;
pub use client::{Client, Opened};

mod state;

mod server;
pub use server::Server;

mod unmask;
pub use unmask::Unmasker;

#[cfg(test)]
mod tests;
