use std::process::Command;

use crate::machine::{FOR_SBOM, provide_packages};
use crate::step::{Failure, in_ci, root, step};

/// `cargo xtask sbom`: what each program contains, as CycloneDX, into `target/sbom`.
///
/// # Errors
/// When python is missing, or cargo does not have all packages yet.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    if let Some(unknown) = arguments.iter().find(|flag| *flag != "--yes") {
        return Err(format!("`cargo xtask sbom` has no {unknown}; it has --yes."));
    }
    provide_packages(&FOR_SBOM, in_ci() || !arguments.is_empty())?;
    step(
        "bills of materials",
        Command::new("python3")
            .current_dir(root())
            .args(["provisioning/sbom/make.py", "target/sbom"]),
    )
}
