//! Other projects' test files, where the machine has them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use barefoot_imaging::header::read_header;
use barefoot_imaging::pixels::load_gray;

pub(crate) fn corpus() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/dicom-core");
    root.join("manifest.tsv").exists().then_some(root)
}

/// Kilobytes this process ever held.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}

#[test]
fn other_projects_files_are_read_or_refused() {
    let Some(root) = corpus() else {
        println!("no corpus beside the workspace: skipped");
        return;
    };
    let manifest = std::fs::read_to_string(root.join("manifest.tsv")).unwrap();
    let (mut readable, mut accepted, mut with_pixels, mut decoded) = (0, 0, 0, 0);
    let mut refused: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in manifest.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let readable_by_others = columns[6] == "ok";
        readable += u32::from(readable_by_others);
        let path = root.join(columns[0]);
        let header = match read_header(&path) {
            Ok(header) => header,
            Err(error) if readable_by_others => {
                refused
                    .entry(format!("header: {error}"))
                    .or_default()
                    .push(columns[0].to_owned());
                continue;
            }
            Err(_) => continue,
        };
        accepted += u32::from(readable_by_others);
        if !header.has_pixels() {
            continue;
        }
        with_pixels += 1;
        match load_gray(&path, &header) {
            Ok(image) => {
                assert_eq!(image.data.len(), image.width as usize * image.height as usize);
                assert!(
                    image.data.iter().all(|level| (0.0..=1.0).contains(level)),
                    "{}",
                    columns[0]
                );
                decoded += 1;
            }
            Err(error) => refused
                .entry(format!("pixels: {error}"))
                .or_default()
                .push(columns[0].to_owned()),
        }
    }
    for (error, files) in &refused {
        println!("{:4} {error}: {}", files.len(), files.join(" "));
    }
    println!(
        "{accepted} of {readable} readable files accepted, {decoded} of {with_pixels} pictures decoded, peak {} KB",
        peak_memory()
    );
    assert!(readable * 8 / 10 <= accepted);
    assert!(with_pixels * 8 / 10 <= decoded);
    assert!(peak_memory() < 1024 * 1024);
}
