//! Releases on their way to the boxes of a region.
//!
//! `releases` takes a signed repository in when every new release in it is what the gate let pass (`proof`), and serves
//! it (`repository`, `path`). A rollout sends one of its releases out by a `plan`: canary, rings, fleet. What it does
//! next is decided in `decision` from what the boxes report (`member`, `statistics`), and in `desired` what each box
//! should run; both are pure. `rollouts` reads, asks them and writes down; a killed hub goes on where it was.

mod decision;
mod desired;
mod error;
mod member;
mod path;
mod plan;
mod proof;
mod releases;
mod report;
mod repository;
mod rings;
mod rollouts;
mod service;
mod state;
mod statistics;

pub(crate) use decision::State;
pub(crate) use error::Error;
pub(crate) use member::Member;
pub(crate) use releases::Releases;
pub(crate) use rollouts::Rollouts;
pub(crate) use service::ReleasesService;
pub(crate) use state::Phase;

#[cfg(test)]
mod tests;
