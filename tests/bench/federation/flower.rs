//! Flower as the peer, from PyPI, in the environment `cargo xtask bench` makes of `tests/bench/requirements.txt`.

use std::process::{Child, Command, Stdio};

use anyhow::Context;
use barefoot_test_support::daemons::workspace;
use serde::Deserialize;

use super::aggregation::Aggregated;
use super::round::Round;
use crate::process::free_port;

pub(super) const NAME: &str = "flower";

/// Ended when it goes out of use.
struct Client(Child);

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Its FedAvg over replies in memory.
pub(super) fn aggregate(values: usize, clients: usize) -> anyhow::Result<Aggregated> {
    answer(program("aggregate", &[values, clients])?)
}

/// Rounds with as many client processes, on loopback without TLS.
pub(super) fn rounds(values: usize, clients: usize, rounds: usize) -> anyhow::Result<Vec<Round>> {
    let port = usize::from(free_port()?);
    let started: Vec<Client> = (1..=clients)
        .map(|seed| {
            let mut client = program("client", &[port, values, seed])?;
            let child = client.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
            Ok(Client(child.context("Flower's client does not start")?))
        })
        .collect::<anyhow::Result<_>>()?;
    let measured = answer(program("serve", &[port, values, clients, rounds])?);
    drop(started);
    measured
}

fn program(what: &str, numbers: &[usize]) -> anyhow::Result<Command> {
    let python = workspace().join("target/bench-venv/bin/python");
    anyhow::ensure!(
        python.is_file(),
        "Flower, the peer of this benchmark, is missing: `cargo xtask bench {}` installs it",
        super::NAME
    );
    let mut command = Command::new(python);
    command
        .arg(workspace().join("tests/bench/federation/flower.py"))
        .arg(what)
        .args(numbers.iter().map(usize::to_string));
    Ok(command)
}

/// What a program prints, as JSON.
pub(super) fn answer<T: for<'a> Deserialize<'a>>(mut command: Command) -> anyhow::Result<T> {
    let ended = command.stdin(Stdio::null()).output()?;
    anyhow::ensure!(
        ended.status.success(),
        "{} failed: {}",
        command.get_program().display(),
        String::from_utf8_lossy(&ended.stderr)
    );
    serde_json::from_slice(&ended.stdout).context("an answer in JSON")
}
