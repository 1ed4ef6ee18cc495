//! Assessments nobody made, of patients who do not exist: the example, the crate's tests and those with other people's
//! tools all make their objects of these.

use std::error::Error;
use std::path::Path;

use barefoot_domain::{
    Assessment, Call, EngineUse, FindingCode, FindingRegion, FindingResult, ModelVersion, OtherAnswer,
    QualityGrade, QualityProblem, QualityVerdict, Reason, Score, Side, Urgency,
};
use barefoot_imaging::data_set::{self, Coding, Content, DataSet, Element, Vr};
use barefoot_imaging::evidence::{Evidence, Mask, Segment, Source};
use barefoot_imaging::header::read_header;
use barefoot_imaging::pixels::load_gray;
use barefoot_imaging::render::HeatMap;
use barefoot_imaging::report::{Subject, Who};
use barefoot_imaging::tags::{self, Tag};
use time::UtcOffset;

use crate::made_up;

pub(crate) const STUDY: &str = "1.2.156.112605.14038010222575.20261122013015.1";
const SERIES: &str = "1.2.156.112605.14038010222575.20261122013015.2";
pub(crate) const IMAGE: &str = "1.2.156.112605.14038010222575.20261122013015.3.1.1";
const EXPLICIT: &str = "1.2.840.10008.1.2.1";

/// 2026-11-22 09:31:07 in China.
const ASSESSED: i64 = 1_795_311_067_000;

/// Everything an object is made of.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) modality: &'static str,
    pub(crate) assessment: Assessment,
    pub(crate) subject: Subject,
    pub(crate) source: Source,
    pub(crate) version: u32,
    pub(crate) replaces: Option<u32>,
}

impl Case {
    pub(crate) fn evidence(&self) -> Evidence<'_> {
        Evidence {
            assessment: &self.assessment,
            subject: &self.subject,
            version: self.version,
            replaces: self.replaces,
            assessed_at_ms: ASSESSED,
            looked_at: Some(&self.source),
            modality: self.modality,
            names: &[],
            institution: "安溪县感德镇卫生院",
            utc_offset: UtcOffset::from_hms(8, 0, 0).unwrap_or(UtcOffset::UTC),
        }
    }

    /// What the heat map covers.
    pub(crate) fn segments(&self) -> Vec<Segment> {
        let (columns, rows) = (self.source.columns, self.source.rows);
        let heat = self.source.heat.iter();
        let masks = heat.filter_map(|heat| Mask::of_heat(heat, columns, rows).ok());
        masks
            .map(|mask| Segment {
                finding: finding("pneumonia"),
                mask,
            })
            .collect()
    }
}

/// One of everything.
pub(crate) fn cases(folder: &Path) -> Result<Vec<Case>, Box<dyn Error>> {
    let dx = |name| Image {
        name,
        class: "1.2.840.10008.5.1.4.1.1.1.1",
        modality: "DX",
        photometric: "MONOCHROME2",
        frames: 1,
        extra: vec![
            (tags::IMAGER_PIXEL_SPACING, "0.4\\0.4"),
            (tags::RESCALE_INTERCEPT, "0"),
            (tags::RESCALE_SLOPE, "1"),
            (Tag(0x0028, 0x1054), "US"),
            (tags::WINDOW_CENTER, "128"),
            (tags::WINDOW_WIDTH, "240"),
        ],
    };
    let cr = |name| Image {
        class: "1.2.840.10008.5.1.4.1.1.1",
        modality: "CR",
        photometric: "MONOCHROME1",
        extra: Vec::new(),
        ..dx(name)
    };
    let ct = |name| Image {
        class: "1.2.840.10008.5.1.4.1.1.2",
        modality: "CT",
        extra: vec![
            (
                Tag(0x0020, 0x0052),
                "1.2.156.112605.14038010222575.20261122013015.9",
            ),
            (Tag(0x0020, 0x0032), "-128\\-128\\40"),
            (Tag(0x0020, 0x0037), "1\\0\\0\\0\\1\\0"),
            (tags::PIXEL_SPACING, "0.5\\0.5"),
            (Tag(0x0018, 0x0050), "5"),
            (tags::RESCALE_INTERCEPT, "-1024"),
            (tags::RESCALE_SLOPE, "1"),
            (tags::WINDOW_CENTER, "-900\\40"),
            (tags::WINDOW_WIDTH, "240\\400"),
        ],
        ..dx(name)
    };
    let us = |name| Image {
        class: "1.2.840.10008.5.1.4.1.1.3.1",
        modality: "US",
        frames: 3,
        extra: Vec::new(),
        ..dx(name)
    };
    let mut nobody = patient();
    nobody.who = Who::Case {
        pseudonym: "P0123456789ABCDEF".into(),
    };
    let make = |image: Image, assessment: Assessment, subject: Subject, version: u32, heat: bool| {
        let mut source = image.source(folder)?;
        source.heat = heat.then(heat_map);
        let subject = Subject {
            images: vec![source.image.clone()],
            ..subject
        };
        Ok::<_, Box<dyn Error>>(Case {
            name: image.name,
            modality: image.modality,
            assessment,
            subject,
            source,
            version,
            replaces: version.checked_sub(1).filter(|before| 0 < *before),
        })
    };
    Ok(vec![
        make(dx("positive"), positive(), patient(), 1, true)?,
        make(dx("again"), positive(), patient(), 2, true)?,
        make(cr("inverted"), positive(), nobody, 1, true)?,
        make(dx("negative"), negative(), patient(), 1, false)?,
        make(dx("silent"), silent(), patient(), 1, false)?,
        make(ct("slice"), positive(), patient(), 1, true)?,
        make(us("frames"), positive(), patient(), 1, true)?,
    ])
}

pub(crate) fn finding(code: &str) -> FindingCode {
    FindingCode::new(code).unwrap_or_else(|_| unreachable!("a finding's code"))
}

fn result(code: &str, value: f32, call: Call) -> FindingResult {
    let score = Score::new(value).unwrap_or_else(|| unreachable!("a probability"));
    FindingResult {
        code: finding(code),
        score,
        call,
        confidence: match call {
            Call::Positive => score,
            Call::Negative => score.complement(),
        },
    }
}

fn model(id: &str) -> ModelVersion {
    ModelVersion {
        id: id.into(),
        version: "1.2.0".into(),
        demonstration: true,
    }
}

fn engine() -> Option<EngineUse> {
    Some(EngineUse {
        engine: "tract".into(),
        precision: "f32".into(),
    })
}

fn positive() -> Assessment {
    let region = |left: f32, side| FindingRegion {
        finding: finding("pneumonia"),
        left,
        top: 0.5,
        width: 0.25,
        height: 0.3,
        side: Some(side),
        extent: 0.18,
    };
    Assessment {
        model: Some(model("cxr-pneumonia")),
        engine: engine(),
        findings: vec![
            result("pneumonia", 0.87, Call::Positive),
            result("rib-notching", 0.12, Call::Negative),
        ],
        quality: QualityVerdict {
            grade: QualityGrade::B,
            problems: vec![QualityProblem::LowContrast],
        },
        urgency: Urgency::Review,
        reasons: vec![
            Reason::LowConfidence(finding("rib-notching")),
            Reason::Disagreement(finding("pneumonia")),
        ],
        regions: vec![region(0.1, Side::Right), region(0.6, Side::Left)],
        others: vec![
            OtherAnswer {
                model: model("cxr-second"),
                engine: engine(),
                findings: vec![result("pneumonia", 0.42, Call::Negative)],
            },
            OtherAnswer {
                model: model("cxr-third"),
                engine: None,
                findings: Vec::new(),
            },
        ],
    }
}

fn negative() -> Assessment {
    Assessment {
        findings: vec![result("pneumonia", 0.03, Call::Negative)],
        urgency: Urgency::Routine,
        reasons: vec![Reason::Confident],
        regions: Vec::new(),
        others: Vec::new(),
        quality: QualityVerdict {
            grade: QualityGrade::A,
            problems: Vec::new(),
        },
        ..positive()
    }
}

fn silent() -> Assessment {
    Assessment {
        model: None,
        engine: None,
        findings: Vec::new(),
        urgency: Urgency::Review,
        reasons: vec![Reason::OutsideIntendedUse],
        ..negative()
    }
}

pub(crate) fn patient() -> Subject {
    made_up::patient(STUDY)
}

/// A blob in the lower right of eight by eight cells.
fn heat_map() -> HeatMap {
    let cell = |at: u32| {
        let (column, row) = (at % 8, at / 8);
        if (5..7).contains(&column) && (4..6).contains(&row) {
            1.0
        } else {
            0.0
        }
    };
    HeatMap {
        width: 8,
        height: 8,
        values: (0..64).map(cell).collect(),
    }
}

struct Image {
    name: &'static str,
    class: &'static str,
    modality: &'static str,
    photometric: &'static str,
    frames: u32,
    extra: Vec<(Tag, &'static str)>,
}

const COLUMNS: u16 = 250;
const ROWS: u16 = 300;

impl Image {
    fn source(&self, folder: &Path) -> Result<Source, Box<dyn Error>> {
        let path = folder.join(format!("{}.image.dcm", self.name));
        std::fs::write(&path, self.file()?)?;
        let header = read_header(&path)?;
        let mut source = Source::read(&path, &header, self.frames / 2 + 1)?;
        source.picture = Some(load_gray(&path, &header)?);
        Ok(source)
    }

    fn file(&self) -> Result<Vec<u8>, Box<dyn Error>> {
        let mut set = DataSet::default();
        for (tag, value) in [
            (tags::CHARACTER_SET, "GB18030"),
            (tags::SOP_CLASS, self.class),
            (tags::SOP_INSTANCE, IMAGE),
            (tags::STUDY_UID, STUDY),
            (tags::SERIES_UID, SERIES),
            (tags::MODALITY, self.modality),
            (tags::PHOTOMETRIC, self.photometric),
        ] {
            set.put_code(tag, value);
        }
        for (tag, value) in &self.extra {
            set.put_code(*tag, value);
        }
        if 1 < self.frames {
            set.put_code(tags::NUMBER_OF_FRAMES, &self.frames.to_string());
        }
        set.put_text(tags::PATIENT_NAME, "Zhang^Xiuying=张^秀英", Coding::Gb18030);
        for (tag, value) in [
            (tags::SAMPLES_PER_PIXEL, 1),
            (tags::ROWS, ROWS),
            (tags::COLUMNS, COLUMNS),
            (tags::BITS_ALLOCATED, 8),
            (tags::BITS_STORED, 8),
            (tags::HIGH_BIT, 7),
            (tags::PIXEL_REPRESENTATION, 0),
        ] {
            set.put_u16(tag, value);
        }
        let (columns, rows) = (u32::from(COLUMNS), u32::from(ROWS));
        let shade = |at: u32| {
            let (x, y) = (at % columns, at / columns % rows);
            let lung = |middle: u32| {
                let (far_x, far_y) = (f64::from(x) - f64::from(middle), f64::from(y) - 150.0);
                (far_x / 45.0).powi(2) + (far_y / 100.0).powi(2) < 1.0
            };
            if lung(70) || lung(180) { 40_u8 } else { 170 }
        };
        let pixels = (0..columns * rows * self.frames).map(shade).collect();
        let content = Content::Value(pixels);
        set.put(tags::PIXEL_DATA, Element { vr: Vr::OB, content });
        let mut file = vec![0; 128];
        file.extend(b"DICM\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\x00");
        file.extend(data_set::write(&set, EXPLICIT)?);
        Ok(file)
    }
}
