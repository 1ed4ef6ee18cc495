//! `cargo xtask demo | federate | test | viewer | bench | soak | package | arm64 | sbom | image`: the project's two commands and what
//! developers repeat.
//!
//! Standard library only, so that it is built in a second.

mod arm64;
mod bench;
mod demo;
mod federate;
mod image;
mod machine;
mod package;
mod sbom;
mod soak;
mod step;
mod test;
mod viewer;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask demo [--files PATH…] [--once] [--offline-for SECS]
    Starts a hub and a clinic's box on this machine with throw-away state, sends X-rays through the
    real DICOM port and tells what happens to each. Needs Rust and a C compiler, nothing else.
    `cargo xtask demo --help` names every flag.

cargo xtask federate [--clinics 8] [--rounds 10] [--data DIR] [--all-seeds] [--privacy-table] [--kill [N]]
    Trains a head federatedly over real gRPC, with every strategy, with noise and with poison, beside
    pooled and local training; writes target/federate/report.json. Needs a folder of labelled X-rays;
    `cargo xtask federate --help` names every flag.

cargo xtask test [--yes] [NAME]
    Installs what the tests need (says what, and asks unless --yes or CI=true), checks format, lints
    and licences, builds the viewer and tries it in a browser, and runs every test, or those whose name contains NAME.

cargo xtask viewer [--test] [--yes]
    Builds the expert's image viewer with node, so that the next build of the hub has it inside; --test tries it in a
    browser. Everything else in this project is built without node.

cargo xtask bench [--yes] [NAME] [--rounds=N]
    Installs the peers (asks unless --yes), runs the benchmarks, or the one called NAME; writes target/bench/NAME.json.
    `dicom` takes a number of rounds; `line` needs root.

cargo xtask soak [--yes] [--debug] [--clinics 20] [--hours 72] [--compress] [--results N] [--images N]
    Lives through days of a region (cut lines, floods, kill -9 of boxes, hub and broker), then counts whether everything
    is at the hub exactly once and bit for bit; writes target/soak/report.json. `cargo xtask soak --help` names every flag.

cargo xtask package [--target aarch64-unknown-linux-gnu] [--profile release|dev] [--no-build] [--yes]
    Builds the three programs and makes a Debian package of each, into target/debian. With --target they are built for
    that kind of machine.

cargo xtask arm64 [--no-build] [--yes]
    Builds the box for arm64, runs it and this machine's own under the same study, the first by qemu, and compares what
    they answer.

cargo xtask sbom [--yes]
    Writes what each program contains, packages and their sums and licences, as CycloneDX into target/sbom.

cargo xtask image hub [--check] [--run] [--debug] [--yes]
    Makes the hub's OCI image with buildah; --check renders the chart and checks it and the compose file, --run starts the
    image with podman and asks its page. Needs root or what buildah and podman need without.
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let outcome = match command.as_str() {
        "demo" => demo::run(&rest),
        "federate" => federate::run(&rest),
        "test" => test::run(&rest),
        "viewer" => viewer::run(&rest),
        "bench" => bench::run(&rest),
        "soak" => soak::run(&rest),
        "package" => package::run(&rest),
        "arm64" => arm64::run(&rest),
        "sbom" => sbom::run(&rest),
        "image" => image::run(&rest),
        "" | "help" | "--help" | "-h" => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        other => {
            eprint!("There is no `cargo xtask {other}`.\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("\n{why}");
            ExitCode::FAILURE
        }
    }
}
