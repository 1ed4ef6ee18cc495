//! Results as a clinic makes them, from a seed: what dictionaries are trained on and batches are measured with.

use barefoot_domain::{
    Assessment, Call, CaseId, ClinicId, EngineUse, FindingCode, FindingResult, ModelVersion, QualityGrade,
    QualityProblem, QualityVerdict, Reason, Score, Urgency,
};
use barefoot_wire::{MadeBy, StudyResult, result_envelope, v1};
use ulid::Ulid;

/// Seeded, so that everybody's samples are the same.
pub(crate) struct Source(u64);

impl Source {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }

    #[allow(clippy::cast_precision_loss, reason = "24 bits fit")]
    fn score(&mut self) -> Score {
        Score::new((self.below(1 << 24) as f32) / ((1 << 24) as f32)).unwrap()
    }
}

/// The envelopes of one clinic in the order they are made, every few minutes one.
pub(crate) fn envelopes(seed: u64, count: usize) -> Vec<v1::Envelope> {
    let mut source = Source::new(seed);
    let clinic = ["clinic-7", "xinhe-town", "county-2-east", "liuzhou-03"];
    let clinic = ClinicId::new(source.pick(&clinic)).unwrap();
    let version = source.pick(&["0.1.0", "0.2.0", "1.0.3"]).to_owned();
    let (engine, precision) = match source.below(3) {
        0 => ("ort", "int8"),
        1 => ("tract", "f32"),
        _ => ("tract", "int8"),
    };
    let mut now = 1_790_000_000_000 + i64::try_from(source.below(60_000_000_000)).unwrap();
    let offset = i64::try_from(source.below(4_000)).unwrap() - 2_000;
    (0..count)
        .map(|number| {
            now += i64::try_from(source.below(600_000)).unwrap();
            let result = result(&mut source, now, offset, &version, (engine, precision));
            let random = u128::from(source.next()) << 64 | u128::from(source.next());
            let id = Ulid::from_parts(u64::try_from(now).unwrap(), random).to_string();
            let mut envelope = result_envelope(id, &clinic, &result);
            envelope.sequence = 1 + number as u64;
            envelope.sent_at_ms = now + 40;
            envelope.clock_offset_ms = Some(offset);
            envelope
        })
        .collect()
}

fn result(
    source: &mut Source,
    now: i64,
    offset: i64,
    version: &str,
    (engine, precision): (&str, &str),
) -> StudyResult {
    let number = u128::from(source.next()) << 64 | u128::from(source.next());
    let codes = ["pneumonia", "tuberculosis", "pneumothorax", "pleural_effusion"];
    let known = usize::try_from(1 + source.below(4)).unwrap();
    let findings: Vec<FindingResult> = codes[..known]
        .iter()
        .map(|code| FindingResult {
            code: FindingCode::new(*code).unwrap(),
            score: source.score(),
            call: if source.below(4) == 0 {
                Call::Positive
            } else {
                Call::Negative
            },
            confidence: source.score(),
        })
        .collect();
    let (urgency, reasons) = match source.below(10) {
        0 => (
            Urgency::Critical,
            vec![Reason::UrgentFinding(findings[0].code.clone())],
        ),
        1..=3 => (
            Urgency::Review,
            vec![Reason::LowConfidence(findings[known - 1].code.clone())],
        ),
        4 => (Urgency::Review, vec![Reason::PoorQuality]),
        _ => (Urgency::Routine, vec![Reason::Confident]),
    };
    StudyResult {
        case: CaseId::new(format!("2.25.{number}")).unwrap(),
        version: 1 + u32::from(source.below(10) == 0),
        modality: source.pick(&["DX", "DX", "CR", "CT", "US"]).to_owned(),
        instances: 1 + u32::try_from(source.below(3)).unwrap(),
        received_at_ms: now - 15_000,
        assessed_at_ms: now,
        clock_offset_ms: Some(offset),
        made_by: MadeBy::default(),
        assessment: Assessment {
            model: Some(ModelVersion {
                id: "cxr-pneumonia".into(),
                version: version.into(),
                demonstration: source.below(2) == 0,
            }),
            engine: Some(EngineUse {
                engine: engine.into(),
                precision: precision.into(),
            }),
            findings,
            quality: match source.below(6) {
                0 => QualityVerdict {
                    grade: QualityGrade::C,
                    problems: vec![QualityProblem::LowContrast],
                },
                1 => QualityVerdict {
                    grade: QualityGrade::B,
                    problems: vec![QualityProblem::Overexposed],
                },
                _ => QualityVerdict {
                    grade: QualityGrade::A,
                    problems: vec![],
                },
            },
            urgency,
            reasons,
            regions: Vec::new(),
            others: Vec::new(),
        },
    }
}
