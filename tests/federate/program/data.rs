use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, bail, ensure};
use barefoot_edge::federated::Trainable;
use barefoot_imaging::pixels::GrayImage;
use barefoot_inference::{Bundle, EngineChoice, Model};
use barefoot_test_support::daemons::workspace;
use barefoot_test_support::federation::Case;
use ring::digest::{Context as Hash, SHA256};

/// Trained on everyday pictures only: it never saw an X-ray, let alone a label of one.
const BUNDLE: &str = "tests/federate/imagenet-lite0";
const DEFAULT_DATA: &str = "../shared/data/kermany-cxr-224";
const HEADER: &str = "file,label,y,subtype,patient";
const TELL_EVERY: usize = 500;

/// Labelled pictures as the head sees them.
#[derive(Debug)]
pub(crate) struct Pictures {
    pub(crate) trainable: Trainable,
    pub(crate) cases: Vec<Case>,
    /// The engine that computed the features.
    pub(crate) engine: String,
}

struct Row {
    file: String,
    present: bool,
    patient: String,
}

impl Pictures {
    /// Features come from `target/federate/` where the very same pictures met the very same model before.
    pub(crate) fn read(folder: Option<&Path>) -> anyhow::Result<Self> {
        let folder = match folder {
            Some(folder) => folder.to_owned(),
            None => workspace().join(DEFAULT_DATA),
        };
        let labels = folder.join("labels.csv");
        let Ok(text) = fs::read_to_string(&labels) else {
            bail!(
                "there are no pictures at {}. Nothing is downloaded: give a folder with `--data DIR`, in which \
                 labels.csv has the columns {HEADER} (y: 1 with pneumonia) and names pictures below the folder.",
                folder.display()
            );
        };
        let rows = parse(&text)?;
        let bundle = Bundle::load(&workspace().join(BUNDLE)).context("the bundle cannot be read")?;
        let (model, _) =
            Model::open(&bundle, &EngineChoice::default()).context("the model cannot be used")?;
        let engine = format!("{} {}", model.engine().engine, model.engine().precision);
        let trainable = Trainable {
            id: bundle.version().id.clone(),
            version: bundle.version().version.clone(),
            backbone: model.backbone().to_owned(),
            findings: 1,
            channels: model.channels(),
        };
        let key = key(&folder, &rows, &text, &trainable, &engine)?;
        let cache = workspace()
            .join("target/federate")
            .join(format!("features-{key}.f32"));
        let values = match from_cache(&cache, rows.len() * trainable.channels) {
            Some(values) => values,
            None => {
                let values = compute(&folder, &rows, &model)?;
                to_cache(&cache, &values)?;
                values
            }
        };
        let features = values.chunks_exact(trainable.channels.max(1));
        let cases = rows.into_iter().zip(features).map(|(row, features)| Case {
            patient: row.patient,
            present: row.present,
            features: features.to_vec(),
        });
        Ok(Self {
            cases: cases.collect(),
            trainable,
            engine,
        })
    }
}

fn parse(text: &str) -> anyhow::Result<Vec<Row>> {
    let mut lines = text.lines();
    ensure!(
        lines.next() == Some(HEADER),
        "labels.csv does not begin with {HEADER}"
    );
    let mut rows = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let mut fields = line.split(',');
        let (Some(file), Some(_), Some(y), Some(_), Some(patient), None) = (
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
        ) else {
            bail!("a line of labels.csv has not five fields");
        };
        rows.push(Row {
            file: file.to_owned(),
            present: y == "1",
            patient: patient.to_owned(),
        });
    }
    rows.sort_by(|one, other| one.file.cmp(&other.file));
    Ok(rows)
}

/// Of everything the features follow from: pictures, labels, model, engine.
fn key(
    folder: &Path,
    rows: &[Row],
    labels: &str,
    trainable: &Trainable,
    engine: &str,
) -> anyhow::Result<String> {
    let mut hash = Hash::new(&SHA256);
    for part in [labels, &trainable.backbone, engine] {
        hash.update(part.as_bytes());
        hash.update(&[0]);
    }
    for row in rows {
        let path = folder.join(&row.file);
        hash.update(&fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
    }
    let digest = hash.finish();
    let first = digest.as_ref().iter().take(8);
    Ok(first.map(|byte| format!("{byte:02x}")).collect())
}

fn from_cache(path: &Path, wanted: usize) -> Option<Vec<f32>> {
    let bytes = fs::read(path).ok()?;
    let (values, rest) = bytes.as_chunks::<4>();
    let values: Vec<f32> = values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    (values.len() == wanted && rest.is_empty()).then_some(values)
}

fn to_cache(path: &Path, values: &[f32]) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let unfinished: PathBuf = path.with_extension("part");
    fs::write(&unfinished, bytes)?;
    fs::rename(&unfinished, path)?;
    Ok(())
}

/// On all cores, told as it goes: minutes the first time.
fn compute(folder: &Path, rows: &[Row], model: &Model) -> anyhow::Result<Vec<f32>> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    eprintln!(
        "Computing the features of {} pictures on {cores} cores (once; kept in target/federate).",
        rows.len()
    );
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || -> anyhow::Result<Vec<(usize, Vec<f32>)>> {
        let mut own = Vec::new();
        while let Some((place, row)) = {
            let place = next.fetch_add(1, Ordering::Relaxed);
            rows.get(place).map(|row| (place, row))
        } {
            let path = folder.join(&row.file);
            let values =
                features(&path, model).with_context(|| format!("no features of {}", path.display()))?;
            own.push((place, values));
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(TELL_EVERY) {
                eprintln!("  {done} of {}", rows.len());
            }
        }
        Ok(own)
    };
    let parts: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join()).collect()
    });
    let mut all = Vec::new();
    for part in parts {
        match part {
            Ok(own) => all.extend(own?),
            Err(_) => bail!("a thread that computes features died"),
        }
    }
    all.sort_by_key(|(place, _)| *place);
    Ok(all.into_iter().flat_map(|(_, values)| values).collect())
}

fn features(path: &Path, model: &Model) -> anyhow::Result<Vec<f32>> {
    let picture = image::open(path)?.to_luma8();
    let (width, height) = picture.dimensions();
    let image = GrayImage {
        width,
        height,
        data: picture
            .into_raw()
            .into_iter()
            .map(|level| f32::from(level) / 255.0)
            .collect(),
        frame_count: 1,
    };
    Ok(model.pooled_features(&image)?.values)
}
