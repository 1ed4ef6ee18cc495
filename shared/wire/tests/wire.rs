//! The wire holds: generated code is fresh, messages round trip, hostile bytes are refused without a panic.

#![allow(clippy::expect_used, reason = "a test whose assumption breaks must stop")]

use std::fs;
use std::path::Path;

use barefoot_domain::{
    Assessment, Call, CaseId, ClinicId, EngineUse, FindingCode, FindingRegion, FindingResult, ModelVersion,
    OtherAnswer, QualityGrade, QualityProblem, QualityVerdict, Reason, Score, Side, Urgency,
};
use barefoot_wire::images::{
    self, ContentRange, Failed, HeatMapPicture, ImageSet, ImageSetResult, Instance, ObjectId, ObjectRef,
    Picture, QuickLook,
};
use barefoot_wire::{
    MAX_ENVELOPE_BYTES, MadeBy, Receipt, ReceiptOutcome, StudyResult, decode_envelope, decode_receipt,
    decode_result, encode_receipt, encode_result, result_envelope, v1,
};
use proptest::prelude::*;

/// Set `BAREFOOT_REGENERATE=1` to write the file instead of comparing it.
#[test]
fn generated_code_is_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = [
        "results.proto",
        "federation.proto",
        "releases.proto",
        "operator.proto",
        "images.proto",
        "cases.proto",
        "sites.proto",
        "enrolment.proto",
    ];
    let descriptors = protox::compile(files, [root.join("proto")]).expect("the schema compiles");
    let out = tempfile::tempdir().unwrap();
    tonic_prost_build::configure()
        .out_dir(out.path())
        .bytes(".barefoot.v1.Chunk")
        .compile_fds(descriptors)
        .expect("code is generated");
    let fresh = fs::read_to_string(out.path().join("barefoot.v1.rs")).unwrap();
    let committed = root.join("src/gen/barefoot.v1.rs");
    if std::env::var_os("BAREFOOT_REGENERATE").is_some() {
        fs::write(&committed, &fresh).unwrap();
    }
    let stored = fs::read_to_string(&committed).unwrap_or_default();
    assert!(
        stored == fresh,
        "src/gen is stale: run BAREFOOT_REGENERATE=1 cargo test -p barefoot-wire and commit it"
    );
}

fn score() -> impl Strategy<Value = Score> {
    (0.0f32..=1.0).prop_map(|value| Score::new(value).expect("within range"))
}

fn code() -> impl Strategy<Value = FindingCode> {
    "[a-z0-9_-]{1,64}".prop_map(|text| FindingCode::new(text).expect("within the alphabet"))
}

fn finding() -> impl Strategy<Value = FindingResult> {
    (
        code(),
        score(),
        prop_oneof![Just(Call::Positive), Just(Call::Negative)],
        score(),
    )
        .prop_map(|(code, score, call, confidence)| FindingResult {
            code,
            score,
            call,
            confidence,
        })
}

fn reason() -> impl Strategy<Value = Reason> {
    prop_oneof![
        Just(Reason::Confident),
        code().prop_map(Reason::UrgentFinding),
        code().prop_map(Reason::LowConfidence),
        Just(Reason::PoorQuality),
        Just(Reason::OutsideIntendedUse),
        Just(Reason::NoModel),
        Just(Reason::ModelFailed),
        Just(Reason::IdentityConflict),
        Just(Reason::PictureOutside),
        code().prop_map(Reason::Disagreement),
        Just(Reason::PanelIncomplete),
        Just(Reason::ModelTooSlow),
        Just(Reason::SubgroupNotCovered),
    ]
}

fn assessment() -> impl Strategy<Value = Assessment> {
    let problem = prop_oneof![
        Just(QualityProblem::Blank),
        Just(QualityProblem::Overexposed),
        Just(QualityProblem::Underexposed),
        Just(QualityProblem::LowContrast),
        Just(QualityProblem::LowResolution),
        Just(QualityProblem::Undecodable),
        Just(QualityProblem::DoseHigh),
        Just(QualityProblem::DoseLow),
        Just(QualityProblem::AnatomyCut),
        Just(QualityProblem::NotCollimated),
        Just(QualityProblem::Blurred),
        Just(QualityProblem::Rotated),
        Just(QualityProblem::Inverted),
        Just(QualityProblem::ViewMissing),
        Just(QualityProblem::LateralityMissing),
        Just(QualityProblem::BodyPartMissing),
        Just(QualityProblem::BodyPartWrong),
        Just(QualityProblem::BurnedInText),
        Just(QualityProblem::SlicesMissing),
        Just(QualityProblem::SlicesDoubled),
        Just(QualityProblem::SpacingUneven),
        Just(QualityProblem::FramesBlack),
        Just(QualityProblem::FramesFrozen),
        Just(QualityProblem::NoVideoDecoder),
        Just(QualityProblem::VideoDiffers),
    ];
    (
        proptest::option::of(model()),
        proptest::option::of(engine()),
        proptest::collection::vec(finding(), 0..5),
        prop_oneof![
            Just(QualityGrade::A),
            Just(QualityGrade::B),
            Just(QualityGrade::C)
        ],
        proptest::collection::vec(problem, 0..4),
        prop_oneof![
            Just(Urgency::Routine),
            Just(Urgency::Review),
            Just(Urgency::Critical)
        ],
        proptest::collection::vec(reason(), 0..4),
        proptest::collection::vec(region(), 0..3),
        proptest::collection::vec(other_answer(), 0..3),
    )
        .prop_map(
            |(model, engine, findings, grade, problems, urgency, reasons, regions, others)| Assessment {
                model,
                engine,
                findings,
                quality: QualityVerdict { grade, problems },
                urgency,
                reasons,
                regions,
                others,
            },
        )
}

fn model() -> impl Strategy<Value = ModelVersion> {
    ("[!-~]{1,64}", "[!-~]{1,64}", any::<bool>()).prop_map(|(id, version, demonstration)| ModelVersion {
        id,
        version,
        demonstration,
    })
}

fn engine() -> impl Strategy<Value = EngineUse> {
    ("[!-~]{1,64}", "[!-~]{1,64}").prop_map(|(engine, precision)| EngineUse { engine, precision })
}

fn region() -> impl Strategy<Value = FindingRegion> {
    let side = prop_oneof![
        Just(None),
        Just(Some(Side::Left)),
        Just(Some(Side::Right)),
        Just(Some(Side::Both))
    ];
    let within = (0.0f32..=0.5, 0.0f32..=0.5, 0.0f32..=0.5, 0.0f32..=0.5);
    (code(), within, side, 0.0f32..=1.0).prop_map(|(finding, (left, top, width, height), side, extent)| {
        FindingRegion {
            finding,
            left,
            top,
            width,
            height,
            side,
            extent,
        }
    })
}

fn other_answer() -> impl Strategy<Value = OtherAnswer> {
    let findings = proptest::collection::vec(finding(), 0..3);
    (model(), proptest::option::of(engine()), findings).prop_map(|(model, engine, findings)| OtherAnswer {
        model,
        engine,
        findings,
    })
}

proptest! {
    #[test]
    fn results_round_trip(
        assessment in assessment(),
        case in "[1-9]{1,20}(\\.[1-9]{1,8}){0,3}",
        version in 1u32..,
        instances in any::<u32>(),
        received_at_ms in 1i64..,
        assessed_at_ms in 1i64..,
        clock_offset_ms in proptest::option::of(any::<i64>()),
        scanner in "[A-Za-z0-9_.-]{0,16}",
        operator in "(O[0-9A-F]{8})?",
    ) {
        let result = StudyResult {
            case: CaseId::new(case).unwrap(),
            version,
            modality: "DX".into(),
            instances,
            received_at_ms,
            assessed_at_ms,
            clock_offset_ms,
            made_by: MadeBy { scanner, operator },
            assessment,
        };
        prop_assert_eq!(decode_result(&encode_result(&result)).unwrap(), result);
    }

    #[test]
    fn receipts_round_trip(id in "[0-9A-HJKMNP-TV-Z]{26}", reason in proptest::option::of(".{0,40}"), at in any::<i64>()) {
        let outcome = reason.map_or(ReceiptOutcome::Stored, |reason| ReceiptOutcome::Refused { reason });
        let receipt = Receipt { envelope_id: id, outcome, hub_time_ms: at };
        prop_assert_eq!(decode_receipt(&encode_receipt(&receipt)).unwrap(), receipt);
    }

    #[test]
    fn content_ranges_round_trip(first in 0u64..1 << 40, length in 1u64..1 << 40, behind in 0u64..1 << 40) {
        let range = ContentRange { first, end: first + length, length: first + length + behind };
        prop_assert_eq!(range.to_string().parse::<ContentRange>(), Ok(range));
    }

    #[test]
    fn any_text_is_a_content_range_that_fits_or_none(text in "(bytes )?[0-9 */-]{0,50}|.*") {
        if let Ok(range) = text.parse::<ContentRange>() {
            prop_assert!(range.first < range.end && range.end <= range.length);
        }
        let _ = text.parse::<ObjectId>();
    }

    #[test]
    fn image_sets_round_trip(
        instances in proptest::collection::hash_map("2\\.25\\.[1-9][0-9]{0,20}", (any::<[u8; 32]>(), 1u64..), 0..20),
        withheld in proptest::collection::vec(("[a-z_]{1,20}", any::<u32>()), 0..4),
        why in "[ -~]{0,80}",
        reason: u16,
    ) {
        let object = |(id, bytes): ([u8; 32], u64)| ObjectRef { id: ObjectId(id), bytes };
        let set = ImageSet {
            instances: instances
                .iter()
                .map(|(uid, said)| Instance {
                    object: object(*said),
                    sop_class_uid: "1.2.840.10008.5.1.4.1.1.1.1".to_owned(),
                    sop_instance_uid: uid.clone(),
                    transfer_syntax_uid: "1.2.840.10008.1.2.1".to_owned(),
                })
                .collect(),
            withheld,
        };
        prop_assert_eq!(images::decode_image_set(&images::encode_image_set(&set)).unwrap(), set.clone());
        let pictures: Vec<Picture> = set
            .instances
            .iter()
            .map(|instance| Picture {
                object: instance.object,
                sop_instance_uid: instance.sop_instance_uid.clone(),
            })
            .collect();
        let heat_maps = pictures
            .iter()
            .take(images::MAX_HEAT_MAPS)
            .map(|picture| HeatMapPicture {
                object: picture.object,
                sop_instance_uid: picture.sop_instance_uid.clone(),
                frame: 1 + u32::from(reason),
                finding: FindingCode::new("pneumonia").expect("within the alphabet"),
            })
            .collect();
        let look = QuickLook { pictures, heat_maps };
        prop_assert_eq!(images::decode_quick_look(&images::encode_quick_look(&look)).unwrap(), look);
        let result = ImageSetResult {
            referenced: set.instances.iter().map(|one| (one.sop_class_uid.clone(), one.sop_instance_uid.clone())).collect(),
            failed: vec![Failed {
                sop_class_uid: "1.2".to_owned(),
                sop_instance_uid: "2.25.7".to_owned(),
                reason,
                why,
            }],
            missing: set.instances.iter().map(|one| one.object).collect(),
            committed_at_ms: 1,
        };
        let bytes = images::encode_result_of_images(&result);
        prop_assert_eq!(images::decode_result_of_images(&bytes).unwrap(), result);
    }

    #[test]
    fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        let _ = decode_envelope(&bytes);
        let _ = decode_result(&bytes);
        let _ = decode_receipt(&bytes);
        let _ = images::decode_image_set(&bytes);
        let _ = images::decode_quick_look(&bytes);
        let _ = images::decode_result_of_images(&bytes);
    }
}

#[test]
fn a_heat_map_names_its_frame_and_finding_and_an_older_box_sends_none() {
    use prost::Message as _;

    let object = v1::ObjectReference {
        sha256: vec![7; 32],
        bytes: 9,
    };
    let decoded = |frame: u32, finding: &str| {
        let map = v1::HeatMapPicture {
            object: Some(object.clone()),
            sop_instance_uid: "2.25.7".to_owned(),
            frame,
            finding: finding.to_owned(),
        };
        let look = v1::QuickLook {
            pictures: Vec::new(),
            heat_maps: vec![map],
        };
        images::decode_quick_look(&look.encode_to_vec())
    };
    assert_eq!(decoded(1, "pneumonia").unwrap().heat_maps.len(), 1);
    assert_eq!(
        decoded(0, "pneumonia"),
        Err(images::Error::Field { what: "frame" })
    );
    assert_eq!(
        decoded(1, "Wang Xiaodong"),
        Err(images::Error::Field { what: "finding" })
    );
    assert!(images::decode_quick_look(&[]).unwrap().heat_maps.is_empty());
}

#[test]
fn an_instance_is_named_once() {
    let instance = Instance {
        object: ObjectRef {
            id: ObjectId([1; 32]),
            bytes: 1,
        },
        sop_class_uid: "1.2".to_owned(),
        sop_instance_uid: "2.25.1".to_owned(),
        transfer_syntax_uid: "1.2".to_owned(),
    };
    let set = ImageSet {
        instances: vec![instance.clone(), instance],
        withheld: Vec::new(),
    };
    assert!(images::decode_image_set(&images::encode_image_set(&set)).is_err());
}

#[test]
fn unknown_schema_oversize_and_bad_fields_are_named() {
    let clinic = ClinicId::new("c1").unwrap();
    let result = StudyResult {
        case: CaseId::new("2.25.1").unwrap(),
        version: 1,
        modality: "DX".into(),
        instances: 1,
        received_at_ms: 1,
        assessed_at_ms: 2,
        clock_offset_ms: None,
        made_by: MadeBy::default(),
        assessment: Assessment {
            model: None,
            engine: None,
            findings: vec![],
            quality: QualityVerdict {
                grade: QualityGrade::A,
                problems: vec![],
            },
            urgency: Urgency::Review,
            reasons: vec![Reason::NoModel],
            regions: Vec::new(),
            others: Vec::new(),
        },
    };
    let good = result_envelope("01ARZ3NDEKTSV4RRFFQ69G5FAV".into(), &clinic, &result);
    let encode = |envelope: &v1::Envelope| prost::Message::encode_to_vec(envelope);
    assert!(decode_envelope(&encode(&good)).is_ok());

    let newer = v1::Envelope {
        schema: 9,
        ..good.clone()
    };
    assert!(
        decode_envelope(&encode(&newer))
            .unwrap_err()
            .to_string()
            .contains("schema 9")
    );
    let anonymous = v1::Envelope {
        id: String::new(),
        ..good.clone()
    };
    assert!(
        decode_envelope(&encode(&anonymous))
            .unwrap_err()
            .to_string()
            .contains("id")
    );
    let huge = vec![0; MAX_ENVELOPE_BYTES + 1];
    assert!(
        decode_envelope(&huge)
            .unwrap_err()
            .to_string()
            .contains("at most")
    );

    // What made it is left out where it has not the form; the result itself is taken.
    let named = v1::StudyResult {
        made_by: Some(v1::MadeBy {
            scanner: "DR ROOM 1".into(),
            operator: "王伟".into(),
        }),
        ..prost::Message::decode(&*encode_result(&result)).unwrap()
    };
    let read = decode_result(&prost::Message::encode_to_vec(&named)).unwrap();
    assert_eq!(read, result);

    for (left, width) in [(0.5, 0.6), (-0.1, 0.2), (f32::NAN, 0.1)] {
        let mut beyond: v1::StudyResult = prost::Message::decode(&*encode_result(&result)).unwrap();
        beyond
            .assessment
            .as_mut()
            .unwrap()
            .regions
            .push(v1::FindingRegion {
                finding: "pneumonia".into(),
                left,
                width,
                ..Default::default()
            });
        let refused = decode_result(&prost::Message::encode_to_vec(&beyond)).unwrap_err();
        assert!(refused.to_string().contains("region"), "{refused}");
    }

    let nan = v1::StudyResult {
        assessment: Some(v1::Assessment {
            quality: v1::QualityGrade::A.into(),
            urgency: v1::Urgency::Routine.into(),
            findings: vec![v1::FindingResult {
                code: "x".into(),
                score: f32::NAN,
                call: v1::Call::Positive.into(),
                confidence: 0.5,
            }],
            ..Default::default()
        }),
        ..prost::Message::decode(&*encode_result(&result)).unwrap()
    };
    let error = decode_result(&prost::Message::encode_to_vec(&nan)).unwrap_err();
    assert!(error.to_string().contains("finding.score"), "{error}");
}
