//! Lists the viewer's built files for `viewer_assets`. Where nobody built the viewer the list is empty: cargo never needs node.

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    // The folder is in the repository, its content is not.
    let dist = here.join("../viewer/dist");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", dist.display());
    let list = fs::read_to_string(dist.join("manifest.json")).map_or_else(
        |_| Ok(list(&[], None)),
        |manifest| built(&dist.canonicalize()?, &manifest),
    )?;
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("viewer_files.rs"), list)?;
    Ok(())
}

fn built(dist: &Path, manifest: &str) -> Result<String, Box<dyn Error>> {
    let entry = (field(manifest, "script")?, field(manifest, "style")?);
    let mut paths = fs::read_dir(dist)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>, std::io::Error>>()?;
    paths.sort();
    Ok(list(&paths, Some(entry)))
}

/// Of a file that our own `build/finish.mjs` wrote.
fn field<'a>(manifest: &'a str, name: &str) -> Result<&'a str, Box<dyn Error>> {
    let value = manifest
        .split_once(&format!("\"{name}\": \""))
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(value, _)| value);
    value.ok_or_else(|| format!("cloud/viewer/dist/manifest.json names no {name}").into())
}

fn list(paths: &[PathBuf], entry: Option<(&str, &str)>) -> String {
    let mut source = format!("pub(super) const NAMES: Option<(&str, &str)> = {entry:?};\n\n");
    source.push_str("pub(super) const FILES: &[File] = &[\n");
    for path in paths {
        let Some((name, kind)) = path.file_name().and_then(|name| name.to_str()).and_then(served) else {
            continue;
        };
        let packed = path.with_file_name(format!("{name}.gz"));
        let gzip = if packed.is_file() {
            format!("Some(include_bytes!({packed:?}))")
        } else {
            "None".to_owned()
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            source,
            "    File {{ name: {name:?}, kind: {kind:?}, plain: include_bytes!({path:?}), gzip: {gzip} }},"
        );
    }
    source.push_str("];\n");
    source
}

/// What browsers ask for, and as what.
fn served(name: &str) -> Option<(&str, &str)> {
    let kind = match name.rsplit_once('.')?.1 {
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => return None,
    };
    Some((name, kind))
}
