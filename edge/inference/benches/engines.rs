//! Engines and precisions beside each other on a folder of pictures.
//!
//! `cargo bench -p barefoot-inference --bench engines -- PICTURES [LIBONNXRUNTIME] [COUNT]`: milliseconds a picture,
//! and how far the scores of any two lie apart. Golden tolerances hold here too: an engine beyond them does not run.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark's broken assumption must stop it"
)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use barefoot_imaging::pixels::GrayImage;
use barefoot_inference::{Bundle, EngineChoice, EngineWish, Model, PrecisionWish};

struct Run {
    name: String,
    scores: Vec<f32>,
    times: Vec<f64>,
}

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let Some(pictures) = arguments.first() else {
        println!("No folder of pictures was given: nothing to measure.");
        return;
    };
    let library = arguments.get(1).map(PathBuf::from);
    let count = arguments
        .get(2)
        .and_then(|count| count.parse().ok())
        .unwrap_or(200);
    let pictures = load(Path::new(pictures), count);
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("bundles/cxr-pneumonia");
    let bundle = Bundle::load(&bundle).unwrap();
    let mut runs = Vec::new();
    for engine in [EngineWish::Tract, EngineWish::Ort] {
        for precision in [PrecisionWish::F32, PrecisionWish::Int8] {
            let choice = EngineChoice {
                engine,
                precision,
                onnxruntime: library.clone(),
                ..EngineChoice::default()
            };
            let start = Instant::now();
            match Model::open(&bundle, &choice) {
                Ok((model, selection)) => {
                    let chosen = &selection.chosen;
                    let name = format!("{} {} ({})", chosen.engine, chosen.precision, selection.form);
                    println!("{name}: open {:.0} ms", start.elapsed().as_secs_f64() * 1e3);
                    runs.push(run(name, &model, &pictures));
                }
                Err(error) => println!("{engine:?} {precision:?}: {error}"),
            }
        }
    }
    for run in &runs {
        let mut times = run.times.clone();
        times.sort_by(f64::total_cmp);
        let median = times[times.len() / 2];
        let p99 = times[times.len() * 99 / 100];
        println!("{}: {median:.1} ms a picture, p99 {p99:.1}", run.name);
    }
    for (index, a) in runs.iter().enumerate() {
        for b in &runs[index + 1..] {
            let mut apart: Vec<f32> = a
                .scores
                .iter()
                .zip(&b.scores)
                .map(|(a, b)| (a - b).abs())
                .collect();
            apart.sort_by(f32::total_cmp);
            let beyond = apart.iter().filter(|apart| 0.02 < **apart).count();
            println!(
                "{} / {}: scores apart median {:.4}, p95 {:.4}, most {:.4}; {beyond} of {} beyond 0.02",
                a.name,
                b.name,
                apart[apart.len() / 2],
                apart[apart.len() * 95 / 100],
                apart[apart.len() - 1],
                apart.len()
            );
        }
    }
}

fn run(name: String, model: &Model, pictures: &[GrayImage]) -> Run {
    let mut run = Run {
        name,
        scores: Vec::new(),
        times: Vec::new(),
    };
    for picture in pictures {
        let start = Instant::now();
        let prediction = model.assess(picture).unwrap();
        run.times.push(start.elapsed().as_secs_f64() * 1e3);
        run.scores.push(prediction.findings[0].score.value());
    }
    run
}

/// Evenly picked from all pictures below the folder, in the order of their paths.
fn load(folder: &Path, count: usize) -> Vec<GrayImage> {
    let mut paths = Vec::new();
    collect(folder, &mut paths);
    paths.sort();
    let step = (paths.len() / count.max(1)).max(1);
    let picked = paths.iter().step_by(step).take(count);
    picked
        .map(|path| {
            let picture = image::open(path).unwrap().into_luma8();
            GrayImage {
                width: picture.width(),
                height: picture.height(),
                data: picture.iter().map(|level| f32::from(*level) / 255.0).collect(),
                frame_count: 1,
            }
        })
        .collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path
            .extension()
            .is_some_and(|kind| kind == "jpeg" || kind == "jpg" || kind == "png")
        {
            paths.push(path);
        }
    }
}
