//! `barefoot-demo`, behind `cargo xtask demo`: a clinic's box and a hub on this machine, and X-rays on their way
//! through both. Nothing is kept.

mod account;
mod cases;
mod script;
mod sending;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

/// Starts a hub and a clinic's box with throw-away state, sends X-rays through the real DICOM port and tells what
/// happens to each study.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask demo", version)]
struct Arguments {
    /// Your own DICOM, PNG or JPEG files, or folders of them, instead of drawn X-rays.
    #[arg(long, num_args = 1.., value_name = "PATH")]
    files: Vec<PathBuf>,
    /// End when every study has arrived; the last line on stdout is one JSON object.
    #[arg(long)]
    once: bool,
    /// Cut the line to the hub for this many seconds after half of the images.
    #[arg(long, value_name = "SECS")]
    offline_for: Option<u64>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let once = arguments.once;
    let script = script::Script {
        files: arguments.files,
        once,
        offline_for: arguments.offline_for.map(Duration::from_secs),
    };
    match script.play().await {
        Ok(script::End::Finished(summary)) => {
            if once {
                println!("{}", summary.to_json());
            }
            let _ = std::io::stdout().flush();
            if summary.is_clean() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Ok(script::End::Interrupted) if once => ExitCode::from(130),
        Ok(script::End::Interrupted) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nThe demonstration failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}
