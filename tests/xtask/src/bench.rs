use crate::machine::{
    BENCH_VENV, FOR_DICOM, FOR_FEDERATION, FOR_IMAGE_TO_PAGE, FOR_INFERENCE, FOR_LINE, FOR_QUEUE,
    FOR_READING, INFERENCE_VENV, provide_dicom_storescp, provide_packages,
};
use crate::step::{Failure, built, cargo, root, step};

/// Benchmarks are measured on what would be shipped: the release profile. Only the peers and programs of those asked for
/// are provided.
///
/// # Errors
/// When it does not build, or the benchmark fails.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let (flags, names): (Vec<_>, Vec<_>) = arguments.iter().partition(|word| word.starts_with('-'));
    let agreed = flags.iter().any(|flag| *flag == "--yes");
    let asked = |name: &str| names.first().is_none_or(|wanted| *wanted == name);
    let mut build = cargo();
    build.args(["build", "--release", "-p", "barefoot-tests", "-p", "barefoot-hub"]);
    build.args(["--bin", "barefoot-bench", "--bin", "barefoot-hub"]);
    if ["image-to-page", "dicom", "line", "reading", "study"]
        .iter()
        .any(|name| asked(name))
    {
        build.args(["-p", "barefoot-edge", "--bin", "barefoot-edge"]);
    }
    if asked("image-to-page") || asked("study") {
        provide_packages(&FOR_IMAGE_TO_PAGE, agreed)?;
    }
    if asked("dicom") {
        provide_packages(&FOR_DICOM, agreed)?;
        provide_dicom_storescp()?;
    }
    if asked("line") {
        provide_packages(&FOR_LINE, agreed)?;
    }
    if asked("queue") {
        provide_packages(&FOR_QUEUE, agreed)?;
    }
    if asked("reading") {
        provide_packages(&FOR_READING, agreed)?;
        // Before the hub is built, which takes it in.
        crate::viewer::build()?;
    }
    if asked("federation") {
        provide_packages(&FOR_FEDERATION, agreed)?;
        BENCH_VENV.provide()?;
    }
    if asked("inference") {
        provide_packages(&FOR_INFERENCE, agreed)?;
        INFERENCE_VENV.provide()?;
    }
    step("build for the benchmarks", &mut build)?;
    let program = built("release", "barefoot-bench");
    step(
        "benchmarks",
        std::process::Command::new(program)
            .current_dir(root())
            .args(names)
            .args(flags.iter().filter(|flag| **flag != "--yes")),
    )
}
