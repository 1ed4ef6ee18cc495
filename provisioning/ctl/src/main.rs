//! `barefootctl`: what an operator does by hand for a region. Today: its certificates.

mod pki;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use time::OffsetDateTime;

#[derive(Debug, Parser)]
#[command(
    name = "barefootctl",
    version,
    about = "Runs a Barefoot region: its certificates."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The region's certificate authority and what it issues.
    #[command(subcommand)]
    Pki(pki::Command),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Pki(command) => pki::run(&command, OffsetDateTime::now_utc()),
    };
    match outcome {
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
