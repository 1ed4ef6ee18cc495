//! How good pictures are as they come: for the technician at once, and counted by day and scanner.
//!
//! The counts survive in `quality.log` in the state directory, a checked line a picture, summed up at every start. They name
//! no patient and no study.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use barefoot_domain::{QualityGrade, QualityProblem, QualityVerdict};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::checked_lines;
use crate::study_folder::{StateDirectory, StudyKey};

/// A year and what the month before it brought.
const KEPT_DAYS: usize = 400;
/// Pictures and studies remembered one by one: those that arrive and are assessed next. Forgotten ones are graded again.
const REMEMBERED: usize = 4096;

/// What a problem is called in the log, in metrics and in JSON.
const CODES: [(QualityProblem, &str); 25] = [
    (QualityProblem::Blank, "blank"),
    (QualityProblem::Overexposed, "overexposed"),
    (QualityProblem::Underexposed, "underexposed"),
    (QualityProblem::LowContrast, "low_contrast"),
    (QualityProblem::LowResolution, "low_resolution"),
    (QualityProblem::Undecodable, "undecodable"),
    (QualityProblem::DoseHigh, "dose_high"),
    (QualityProblem::DoseLow, "dose_low"),
    (QualityProblem::AnatomyCut, "anatomy_cut"),
    (QualityProblem::NotCollimated, "not_collimated"),
    (QualityProblem::Blurred, "blurred"),
    (QualityProblem::Rotated, "rotated"),
    (QualityProblem::Inverted, "inverted"),
    (QualityProblem::ViewMissing, "view_missing"),
    (QualityProblem::LateralityMissing, "laterality_missing"),
    (QualityProblem::BodyPartMissing, "body_part_missing"),
    (QualityProblem::BodyPartWrong, "body_part_wrong"),
    (QualityProblem::BurnedInText, "burned_in_text"),
    (QualityProblem::SlicesMissing, "slices_missing"),
    (QualityProblem::SlicesDoubled, "slices_doubled"),
    (QualityProblem::SpacingUneven, "spacing_uneven"),
    (QualityProblem::FramesBlack, "frames_black"),
    (QualityProblem::FramesFrozen, "frames_frozen"),
    (QualityProblem::NoVideoDecoder, "no_video_decoder"),
    (QualityProblem::VideoDiffers, "video_differs"),
];

#[must_use]
pub(crate) fn code(problem: QualityProblem) -> &'static str {
    let known = CODES.iter().find(|(known, _)| *known == problem);
    known.map_or("other", |(_, code)| code)
}

#[must_use]
pub(crate) fn problem(code: &str) -> Option<QualityProblem> {
    let known = CODES.iter().find(|(_, known)| *known == code);
    known.map(|(problem, _)| *problem)
}

#[must_use]
pub(crate) fn letter(grade: QualityGrade) -> &'static str {
    match grade {
        QualityGrade::A => "A",
        QualityGrade::B => "B",
        QualityGrade::C => "C",
    }
}

/// Pictures of one scanner on one day that were found alike.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Line {
    /// `2026-11-22`, by the clinic's clock.
    day: String,
    scanner: String,
    grade: String,
    problems: Vec<String>,
    pictures: u64,
}

/// One scanner's pictures of one day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DayFigures {
    pub a: u64,
    pub b: u64,
    pub c: u64,
    /// How many pictures have each problem, by its code.
    pub problems: BTreeMap<String, u64>,
}

impl DayFigures {
    #[must_use]
    pub(crate) fn pictures(&self) -> u64 {
        self.a + self.b + self.c
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.a += other.a;
        self.b += other.b;
        self.c += other.c;
        for (problem, pictures) in &other.problems {
            *self.problems.entry(problem.clone()).or_default() += pictures;
        }
    }

    fn of(line: &Line) -> Self {
        let if_is = |letter: &str| if line.grade == letter { line.pictures } else { 0 };
        let problems = line.problems.iter().map(|code| (code.clone(), line.pictures));
        Self {
            a: if_is("A"),
            b: if_is("B"),
            c: if_is("C"),
            problems: problems.collect(),
        }
    }
}

/// By day and scanner.
pub(crate) type Figures = BTreeMap<(String, String), DayFigures>;

/// What the pictures of a study that have come so far add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SoFar {
    pub pictures: usize,
    pub verdict: QualityVerdict,
}

/// A picture that was graded as it came.
#[derive(Debug)]
pub(crate) struct Graded<'a> {
    pub study: &'a StudyKey,
    pub path: &'a Path,
    pub scanner: &'a str,
    pub day: String,
}

#[derive(Debug, Default)]
struct Known {
    pictures: HashMap<PathBuf, QualityVerdict>,
    studies: HashMap<StudyKey, SoFar>,
    figures: Figures,
    totals: DayFigures,
}

/// Cheap to clone; all clones know the same.
#[derive(Debug, Clone)]
pub(crate) struct PictureQuality {
    known: Arc<Mutex<Known>>,
    log: PathBuf,
    revision: watch::Sender<u64>,
}

impl PictureQuality {
    /// Sums up what was counted before.
    ///
    /// # Errors
    /// When the log is there and cannot be read.
    pub(crate) fn open(state: &StateDirectory) -> io::Result<Self> {
        let log = state.root().join("quality.log");
        let replay = checked_lines::replay::<Line>(&log)?;
        if 0 < replay.damaged {
            tracing::warn!(
                lines = replay.damaged,
                "Counts of picture quality were damaged and are left out; nothing else depends on them."
            );
        }
        let written = replay.entries.len() + replay.damaged;
        let lines = summed_up(replay.entries);
        if lines.len() < written
            && let Err(error) = rewrite(&log, &lines)
        {
            tracing::warn!(%error, "The counts of picture quality could not be summed up; the next start tries again.");
        }
        let mut known = Known::default();
        for line in &lines {
            let figures = DayFigures::of(line);
            let key = (line.day.clone(), line.scanner.clone());
            known.figures.entry(key).or_default().add(&figures);
        }
        Ok(Self {
            known: Arc::new(Mutex::new(known)),
            log,
            revision: watch::Sender::new(0),
        })
    }

    /// Blocking. A count that cannot be written is still shown until the next start.
    pub(crate) fn note(&self, graded: &Graded<'_>, verdict: &QualityVerdict) {
        let line = Line {
            day: graded.day.clone(),
            scanner: graded.scanner.to_owned(),
            grade: letter(verdict.grade).to_owned(),
            problems: verdict
                .problems
                .iter()
                .map(|problem| code(*problem).to_owned())
                .collect(),
            pictures: 1,
        };
        self.known().add(graded, verdict, &line);
        self.revision.send_modify(|revision| *revision += 1);
        if let Err(error) = checked_lines::append(&self.log, &[line]) {
            tracing::warn!(%error, "A picture's quality could not be counted on disk.");
        }
    }

    #[must_use]
    pub(crate) fn of_picture(&self, path: &Path) -> Option<QualityVerdict> {
        self.known().pictures.get(path).cloned()
    }

    #[must_use]
    pub(crate) fn of_study(&self, study: &StudyKey) -> Option<SoFar> {
        self.known().studies.get(study).cloned()
    }

    #[must_use]
    pub(crate) fn figures(&self) -> Figures {
        self.known().figures.clone()
    }

    /// Since the start.
    #[must_use]
    pub(crate) fn totals(&self) -> DayFigures {
        self.known().totals.clone()
    }

    /// Changes with every picture.
    #[must_use]
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn add(&mut self, graded: &Graded<'_>, verdict: &QualityVerdict, line: &Line) {
        if REMEMBERED <= self.pictures.len() {
            self.pictures.clear();
        }
        if REMEMBERED <= self.studies.len() {
            self.studies.clear();
        }
        self.pictures.insert(graded.path.to_owned(), verdict.clone());
        let so_far = self.studies.entry(graded.study.clone()).or_insert_with(|| SoFar {
            pictures: 0,
            verdict: QualityVerdict {
                grade: QualityGrade::A,
                problems: Vec::new(),
            },
        });
        so_far.pictures += 1;
        so_far.verdict.grade = so_far.verdict.grade.max(verdict.grade);
        so_far.verdict.problems.extend(&verdict.problems);
        so_far.verdict.problems.sort_unstable();
        so_far.verdict.problems.dedup();
        let figures = DayFigures::of(line);
        self.totals.add(&figures);
        let key = (line.day.clone(), line.scanner.clone());
        self.figures.entry(key).or_default().add(&figures);
    }
}

/// One line for what was found alike, of the newest days.
fn summed_up(lines: Vec<Line>) -> Vec<Line> {
    let mut sums: BTreeMap<_, u64> = BTreeMap::new();
    for line in lines {
        let key = (line.day, line.scanner, line.grade, line.problems);
        *sums.entry(key).or_default() += line.pictures;
    }
    let mut days: Vec<&str> = sums.keys().map(|(day, ..)| day.as_str()).collect();
    days.dedup();
    let first = days.iter().rev().nth(KEPT_DAYS - 1).map(|day| (*day).to_owned());
    sums.into_iter()
        .filter(|((day, ..), _)| first.as_ref().is_none_or(|first| first <= day))
        .map(|((day, scanner, grade, problems), pictures)| Line {
            day,
            scanner,
            grade,
            problems,
            pictures,
        })
        .collect()
}

/// Whole or not at all: the sum is written beside the lines it is of.
fn rewrite(log: &Path, lines: &[Line]) -> io::Result<()> {
    let sum = log.with_extension("sum");
    match std::fs::remove_file(&sum) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    checked_lines::append(&sum, lines)?;
    std::fs::rename(&sum, log)?;
    log.parent().map_or(Ok(()), crate::study_folder::sync_directory)
}

#[cfg(test)]
mod tests {
    use barefoot_domain::StudyUid;

    use super::*;

    fn verdict(grade: QualityGrade, problems: &[QualityProblem]) -> QualityVerdict {
        QualityVerdict {
            grade,
            problems: problems.to_vec(),
        }
    }

    fn note(quality: &PictureQuality, file: &str, day: &str, verdict: &QualityVerdict) {
        let study = StudyKey::of(&StudyUid::new("1.2.3").unwrap());
        let graded = Graded {
            study: &study,
            path: Path::new(file),
            scanner: "DX1",
            day: day.to_owned(),
        };
        quality.note(&graded, verdict);
    }

    #[test]
    fn counts_survive_a_start_and_are_summed_up() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDirectory::open(folder.path()).unwrap();
        let quality = PictureQuality::open(&state).unwrap();
        let blurred = verdict(QualityGrade::B, &[QualityProblem::Blurred]);
        for file in ["a", "b", "c"] {
            note(&quality, file, "2026-11-22", &blurred);
        }
        note(&quality, "d", "2026-11-22", &verdict(QualityGrade::A, &[]));
        let before = quality.figures();
        let day = &before[&("2026-11-22".to_owned(), "DX1".to_owned())];
        assert_eq!((day.a, day.b, day.c, day.problems["blurred"]), (1, 3, 0, 3));

        let long = std::fs::metadata(folder.path().join("quality.log"))
            .unwrap()
            .len();
        let again = PictureQuality::open(&state).unwrap();
        assert_eq!(again.figures(), before);
        assert_eq!(again.totals(), DayFigures::default(), "counted since the start");
        let short = std::fs::metadata(folder.path().join("quality.log"))
            .unwrap()
            .len();
        assert!(short < long, "{short} {long}");
        assert_eq!(PictureQuality::open(&state).unwrap().figures(), before);
    }

    #[test]
    fn a_study_is_as_good_as_its_worst_picture_so_far() {
        let folder = tempfile::tempdir().unwrap();
        let quality = PictureQuality::open(&StateDirectory::open(folder.path()).unwrap()).unwrap();
        let study = StudyKey::of(&StudyUid::new("1.2.3").unwrap());
        assert_eq!(quality.of_study(&study), None);
        let inverted = verdict(QualityGrade::C, &[QualityProblem::Inverted]);
        note(&quality, "a", "2026-11-22", &inverted);
        note(&quality, "b", "2026-11-22", &verdict(QualityGrade::A, &[]));
        assert_eq!(quality.of_picture(Path::new("a")), Some(inverted.clone()));
        let so_far = quality.of_study(&study).unwrap();
        assert_eq!((so_far.pictures, so_far.verdict), (2, inverted));
    }

    #[test]
    fn old_days_are_left_out() {
        let line = |day: usize| Line {
            day: format!("{day:06}"),
            scanner: "DX1".into(),
            grade: "A".into(),
            problems: Vec::new(),
            pictures: 1,
        };
        let kept = summed_up((0..500).map(line).collect());
        assert_eq!((kept.len(), kept[0].day.as_str()), (KEPT_DAYS, "000100"));
    }

    #[test]
    fn every_problem_has_a_code_of_its_own() {
        let codes: std::collections::BTreeSet<_> = CODES.iter().map(|(_, code)| code).collect();
        assert_eq!(codes.len(), CODES.len());
    }
}
