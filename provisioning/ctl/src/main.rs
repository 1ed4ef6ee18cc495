//! `barefootctl`: what people do for a region by hand. Certificates; the keys and the repository of signed releases;
//! federated runs, test sets, plans and models at the hub; an expert's correction; whether a report or an audit log holds.
//!
//! Keys that sign releases are used here and never sent. A command either needs the hub (`--hub`, `--identity`) or
//! works without any line.

mod access;
mod audit;
mod broker;
mod bundle;
mod correct;
mod hub;
mod model;
mod pki;
mod plan;
mod report;
mod repository;
mod run;
mod site;
mod test_set;

use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use time::OffsetDateTime;

#[derive(Debug, Parser)]
#[command(
    name = "barefootctl",
    version,
    about = "Runs a Barefoot region: certificates, federated runs, signed releases."
)]
struct Arguments {
    #[command(flatten)]
    hub: hub::Options,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The region's certificate authority and what it issues.
    #[command(subcommand)]
    Pki(pki::Command),
    /// Boxes that come to belong to a clinic.
    #[command(subcommand)]
    Site(site::Command),
    /// Whose certificates the hub lets in.
    #[command(subcommand)]
    Access(access::Command),
    /// Rules for an external MQTT broker.
    #[command(subcommand)]
    Broker(broker::Command),
    /// The repository of signed releases, on the maintainers' own machines.
    #[command(subcommand)]
    Repository(repository::Command),
    /// Model bundles on this machine.
    #[command(subcommand)]
    Bundle(bundle::Command),
    /// Locked sets of cases that judge candidates.
    #[command(subcommand)]
    TestSet(test_set::Command),
    /// Plans of allowed changes.
    #[command(subcommand)]
    Plan(plan::Command),
    /// Federated runs.
    #[command(subcommand)]
    Run(run::Command),
    /// Models: from registration to the fleet.
    #[command(subcommand)]
    Model(model::Command),
    /// An expert's word on a finding of a case; it travels to the case's clinic.
    Correct(correct::Arguments),
    /// Signed reports.
    #[command(subcommand)]
    Report(report::Command),
    /// Audit logs, the hub's and the boxes'.
    #[command(subcommand)]
    Audit(audit::Command),
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(done) => {
            println!("{done}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("barefootctl: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What was done, for people.
fn run(arguments: Arguments) -> anyhow::Result<String> {
    let now = OffsetDateTime::now_utc();
    let Arguments { hub, command } = arguments;
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start")
    };
    match command {
        Command::Pki(command) => pki::run(&command, now),
        Command::Site(command) => runtime()?.block_on(site::run(&command, &hub)),
        Command::Access(command) => runtime()?.block_on(access::run(&command, &hub)),
        Command::Broker(command) => broker::run(&command),
        Command::Repository(command) => repository::run(&command, now),
        Command::Bundle(command) => bundle::run(&command),
        Command::TestSet(command) => runtime()?.block_on(test_set::run(&command, &hub)),
        Command::Plan(command) => runtime()?.block_on(plan::run(&command, &hub)),
        Command::Run(command) => runtime()?.block_on(run::run(command, &hub)),
        Command::Model(command) => runtime()?.block_on(model::run(&command, &hub, now)),
        Command::Report(command) => report::run(&command),
        Command::Audit(command) => audit::run(&command),
        Command::Correct(arguments) => runtime()?.block_on(correct::run(&arguments, &hub)),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_names_the_hub_may_stand_last() {
        let line = ["barefootctl", "run", "list", "--hub", "h:1", "--identity", "p/a"];
        assert!(Arguments::try_parse_from(line).is_ok());
        let line = ["barefootctl", "--hub", "h:1", "--identity", "p/a", "run", "list"];
        assert!(Arguments::try_parse_from(line).is_ok());
    }
}
