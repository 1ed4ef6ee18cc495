use crate::machine::{FOR_BENCHMARKS, provide_packages};
use crate::step::{Failure, cargo, step};

/// Benchmarks are measured on what would be shipped: the release profile.
///
/// # Errors
/// When it does not build, or the benchmark fails.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let (flags, names): (Vec<_>, Vec<_>) = arguments.iter().partition(|word| word.starts_with('-'));
    provide_packages(&FOR_BENCHMARKS, flags.iter().any(|flag| *flag == "--yes"))?;
    step(
        "build for the benchmarks",
        cargo().args(["build", "--release", "--workspace", "--bins"]),
    )?;
    let program = crate::step::root().join("target/release/barefoot-bench");
    step(
        "benchmarks",
        std::process::Command::new(program)
            .current_dir(crate::step::root())
            .args(names),
    )
}
