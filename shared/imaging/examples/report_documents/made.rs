//! Reports nobody wrote, of patients who do not exist: the example, the crate's tests and those with other people's tools
//! all make their documents of these.

use barefoot_domain::{
    Assessment, Call, CaseId, ClinicId, EngineUse, FindingCode, FindingResult, ModelVersion, Part, Presence,
    QualityGrade, QualityProblem, QualityVerdict, Reader, Reason, Region, Report, Score, Shape, Side,
    Statement, Tier, Urgency,
};
use barefoot_imaging::report::{Image, KeyImage, Language, Sheet, Study, Subject, Who};
use time::UtcOffset;

use crate::made_up;

pub(crate) const FIRST: &str = "01JD9Q4T7Y8Z6V5W3X2R1P0NMK";
pub(crate) const ADDENDUM: &str = "01JD9S0A1B2C3D4E5F6G7H8J9K";
const CASE: &str = "2.25.271828182845904523536028747135266249775";
/// As the hub knows the image, and as it is.
pub(crate) const NAMED: &str = "2.25.161803398874989484820458683436563811772";
const REAL: &str = "1.2.156.112605.14038010222575.20261122013015.3.1.1";

/// 2026-11-22 15:41:07 in China.
const SIGNED: i64 = 1_795_333_267_000;

pub(crate) fn china() -> UtcOffset {
    UtcOffset::from_hms(8, 0, 0).unwrap_or(UtcOffset::UTC)
}

fn finding(code: &str) -> FindingCode {
    FindingCode::new(code).unwrap_or_else(|_| unreachable!("a finding's code"))
}

fn score(value: f32) -> Score {
    Score::new(value).unwrap_or_else(|| unreachable!("a probability"))
}

fn statement(
    code: &str,
    presence: Presence,
    side: Option<Side>,
    note: &str,
    regions: Vec<Region>,
) -> Statement {
    Statement {
        finding: finding(code),
        presence,
        side,
        note: note.to_owned(),
        regions,
    }
}

fn region(shape: Shape, points: &[(f32, f32)]) -> Region {
    Region {
        instance: NAMED.to_owned(),
        frame: 1,
        shape,
        points: points.to_vec(),
    }
}

fn assessment() -> Assessment {
    let result = |code: &str, value: f32, call: Call| {
        let score = score(value);
        FindingResult {
            code: finding(code),
            score,
            call,
            confidence: if call == Call::Positive {
                score
            } else {
                score.complement()
            },
        }
    };
    Assessment {
        model: Some(ModelVersion {
            id: "cxr-pneumonia".into(),
            version: "1.2.0".into(),
            demonstration: true,
        }),
        engine: Some(EngineUse {
            engine: "tract".into(),
            precision: "int8".into(),
        }),
        findings: vec![
            result("pneumonia", 0.87, Call::Positive),
            result("pneumothorax", 0.41, Call::Negative),
        ],
        quality: QualityVerdict {
            grade: QualityGrade::B,
            problems: vec![QualityProblem::LowContrast],
        },
        urgency: Urgency::Review,
        reasons: vec![Reason::LowConfidence(finding("pneumothorax"))],
        regions: Vec::new(),
        others: Vec::new(),
    }
}

fn reader(language: Language, part: Part) -> Reader {
    let (name, title, institution) = match (language, part) {
        (Language::Zh, Part::First) => ("王建国", "主治医师", "安溪县人民医院放射科"),
        (Language::Zh, _) => ("李慧敏", "主任医师", "泉州市第一医院医学影像科"),
        (Language::En, Part::First) => ("Wang Jianguo", "Attending radiologist", "Anxi County Hospital"),
        (Language::En, _) => ("Li Huimin", "Chief radiologist", "Quanzhou First Hospital"),
    };
    Reader {
        person: if part == Part::First {
            "01JC0000000000000000000001"
        } else {
            "01JC0000000000000000000002"
        }
        .into(),
        name: name.into(),
        title: title.into(),
        institution: institution.into(),
        part,
        at_ms: if part == Part::First {
            SIGNED - 1_500_000
        } else {
            SIGNED
        },
    }
}

/// Two readers, marks, a model's word.
pub(crate) fn report(language: Language) -> Report {
    let (description, impression, advice, note) = match language {
        Language::Zh => (
            "胸廓对称，气管居中。左下肺野可见斑片状密度增高影，边缘模糊，其内见支气管充气征，范围约 42 mm × 35 mm；左侧肋膈角变钝。右肺野清晰，未见实变及结节影。心影大小、形态未见异常，心胸比约 0.46。双侧膈面光滑，所示骨质未见明确骨折。\n与 2026-05-03 胸片比较：左下肺病变为新发。",
            "1. 左下肺炎症，以细菌性肺炎可能性大。\n2. 左侧少量胸腔积液。",
            "请结合临床及血常规、C 反应蛋白；抗感染治疗后 2 周复查胸片。如出现呼吸困难加重，请立即转诊。",
            "左下肺背段，伴支气管充气征",
        ),
        Language::En => (
            "The chest is symmetrical, the trachea is central. There is a patchy, ill-defined opacity in the left lower zone with air bronchograms, about 42 mm × 35 mm; the left costophrenic angle is blunted. The right lung is clear: no consolidation, no nodule. The cardiac silhouette is normal in size and shape (cardiothoracic ratio about 0.46). No fracture is seen.\nCompared with the film of 2026-05-03 the opacity in the left lower zone is new.",
            "1. Left lower zone consolidation, most likely bacterial pneumonia.\n2. Small left pleural effusion.",
            "Correlate with blood count and CRP; repeat the film two weeks after antibiotics. Refer at once if breathing gets worse.",
            "Superior segment of the left lower lobe, with air bronchograms",
        ),
    };
    Report {
        id: FIRST.into(),
        clinic: ClinicId::new("anxi-gande").unwrap_or_else(|_| unreachable!("a clinic's name")),
        case: CaseId::new(CASE).unwrap_or_else(|_| unreachable!("a case's name")),
        version: 1,
        addendum_to: None,
        modality: "DX".into(),
        tier: Tier::County,
        urgency: Urgency::Review,
        statements: vec![
            statement(
                "pneumonia",
                Presence::Present,
                Some(Side::Left),
                note,
                vec![region(Shape::Ellipse, &[(1240.0, 1180.0), (1720.0, 1620.0)])],
            ),
            statement(
                "pleural_effusion",
                Presence::Present,
                Some(Side::Left),
                "",
                vec![region(
                    Shape::Polygon,
                    &[
                        (1500.0, 1640.0),
                        (1830.0, 1580.0),
                        (1850.0, 1820.0),
                        (1560.0, 1800.0),
                    ],
                )],
            ),
            statement("pneumothorax", Presence::Absent, None, "", Vec::new()),
            statement(
                "rib-notching",
                Presence::Possible,
                Some(Side::Both),
                "",
                Vec::new(),
            ),
        ],
        description: description.into(),
        impression: impression.into(),
        advice: advice.into(),
        assessment: Some(assessment()),
        readers: vec![reader(language, Part::First), reader(language, Part::Second)],
        language: language.tag().into(),
        signed_at_ms: SIGNED,
    }
}

/// One reader, nothing marked, no model.
pub(crate) fn plain(language: Language) -> Report {
    let mut report = report(language);
    report.statements.clear();
    report.assessment = None;
    report.readers.remove(0);
    report.urgency = Urgency::Routine;
    report
}

/// What a critical case looks like.
pub(crate) fn critical(language: Language) -> Report {
    let mut report = report(language);
    report.urgency = Urgency::Critical;
    report.impression = match language {
        Language::Zh => "右侧张力性气胸，纵隔左移：危急值。",
        Language::En => "Right tension pneumothorax with mediastinal shift to the left: critical.",
    }
    .into();
    report.statements = vec![statement(
        "pneumothorax",
        Presence::Present,
        Some(Side::Right),
        "",
        vec![region(Shape::Rectangle, &[(180.0, 260.0), (720.0, 1500.0)])],
    )];
    report
}

pub(crate) fn addendum(language: Language) -> Report {
    let mut report = plain(language);
    report.id = ADDENDUM.into();
    report.addendum_to = Some(FIRST.into());
    report.signed_at_ms += 86_400_000;
    report.description = String::new();
    report.impression = match language {
        Language::Zh => "补充：结合 2026-11-23 痰培养结果（肺炎链球菌），诊断意见 1 明确为左下肺大叶性肺炎。",
        Language::En => "With the sputum culture of 2026-11-23 (Streptococcus pneumoniae), impression 1 is lobar pneumonia of the left lower lobe.",
    }
    .into();
    report.advice = String::new();
    report
}

/// Words that a reader pastes from elsewhere.
pub(crate) fn odd(language: Language) -> Report {
    let mut report = plain(language);
    report.description = "Patient’s “ground-glass” opacity — see Fleischner’s criteria… α/β, 37 °C, Ø 5 mm, naïve, Łódź.\n\
        患者的“磨玻璃影”——参见 Fleischner’s 标准……\n\
        \u{1f9e0} and \u{1f468}\u{200d}\u{2695}\u{fe0f}, \u{e123}; שלום, مرحبا; 𠮷野家, 㐂.\n\
        https://example.org/a/very/long/address/without/any/blank/in/it/that/does/not/fit/on/one/line/of/this/page"
        .into();
    report
}

/// Text of many pages.
pub(crate) fn long(language: Language) -> Report {
    let mut report = report(language);
    let once = report.description.clone();
    while report.description.chars().count() < 4000 {
        report.description.push('\n');
        report.description.push_str(&once);
    }
    report
}

pub(crate) fn patient() -> Subject {
    Subject {
        images: vec![image(REAL, "1.2.156.112605.14038010222575.20261122013015.2")],
        ..made_up::patient("1.2.156.112605.14038010222575.20261122013015.1")
    }
}

pub(crate) fn case() -> Subject {
    Subject {
        who: Who::Case {
            pseudonym: "P0123456789ABCDEF0123456789ABCDEF".into(),
        },
        study: Study {
            uid: CASE.into(),
            date: "20241018".into(),
            ..Study::default()
        },
        images: vec![image(NAMED, "2.25.141421356237309504880168872420969807857")],
    }
}

fn image(instance: &str, series: &str) -> Image {
    Image {
        named: NAMED.into(),
        sop_instance: instance.into(),
        sop_class: "1.2.840.10008.5.1.4.1.1.1.1".into(),
        series: series.into(),
        frames: 1,
    }
}

pub(crate) fn key_image(jpeg: &[u8]) -> KeyImage<'_> {
    KeyImage {
        jpeg,
        named: NAMED,
        frame: 1,
        columns: 2000,
        rows: 2000,
    }
}

pub(crate) fn sheet<'a>(report: &'a Report, subject: &'a Subject, language: Language) -> Sheet<'a> {
    Sheet {
        report,
        subject,
        institution: match language {
            Language::Zh => "安溪县感德镇卫生院",
            Language::En => "Gande Township Health Centre, Anxi",
        },
        fingerprint: std::array::from_fn(|index| u8::try_from(index * 7 % 251).unwrap_or_default()),
        signature: None,
        key_image: None,
        names: &[],
        language,
        utc_offset: china(),
    }
}

/// A drawn chest, to have a key image.
pub(crate) fn chest() -> Result<Vec<u8>, image::ImageError> {
    chest_of(1000)
}

pub(crate) fn chest_of(side: u32) -> Result<Vec<u8>, image::ImageError> {
    let shade = |x: u32, y: u32| {
        let (x, y) = (f64::from(x) / f64::from(side), f64::from(y) / f64::from(side));
        let within = |cx: f64, cy: f64, rx: f64, ry: f64| {
            let far = ((x - cx) / rx).powi(2) + ((y - cy) / ry).powi(2);
            1.0 / (1.0 + ((far - 1.0) * 9.0).exp())
        };
        let mut level = 30.0 + 150.0 * within(0.5, 0.62, 0.44, 0.62);
        level -= 110.0 * within(0.3, 0.52, 0.15, 0.34);
        level -= 110.0 * within(0.7, 0.52, 0.15, 0.34);
        level += 60.0 * within(0.55, 0.62, 0.13, 0.17);
        level += 45.0 * within(0.5, 0.4, 0.035, 0.5);
        for rib in 0..8 {
            let rib = f64::from(rib);
            let bow = 0.12 + rib * 0.085 + (x - 0.5).powi(2) * 0.5;
            level += 16.0 * (-((y - bow) / 0.012).powi(2)).exp() * within(0.5, 0.5, 0.4, 0.5);
        }
        level += 70.0 * within(0.74, 0.7, 0.1, 0.09);
        level
    };
    let picture = image::GrayImage::from_fn(side, side, |x, y| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within 0 and 255"
        )]
        let level = shade(x, y).clamp(0.0, 255.0) as u8;
        image::Luma([level])
    });
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 85).encode_image(&picture)?;
    Ok(jpeg)
}
