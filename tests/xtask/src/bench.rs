use crate::step::{Failure, cargo, step};

/// Benchmarks are measured on what would be shipped: the release profile.
///
/// # Errors
/// When it does not build, or the benchmark fails.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    step(
        "build for the benchmarks",
        cargo().args(["build", "--release", "--workspace", "--bins"]),
    )?;
    let program = crate::step::root().join("target/release/barefoot-bench");
    step(
        "benchmarks",
        std::process::Command::new(program)
            .current_dir(crate::step::root())
            .args(arguments),
    )
}
