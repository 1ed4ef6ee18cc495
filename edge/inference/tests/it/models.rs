use std::fs;
use std::path::PathBuf;

use barefoot_domain::{Call, FindingCode};
use barefoot_imaging::header::{Header, scan};
use barefoot_imaging::pixels::GrayImage;
use barefoot_inference::{
    Bundle, EngineChoice, EngineKind, EngineWish, Language, Model, NotTaken, Outcome, PrecisionWish,
};

use crate::tiny::{copy, edit, original, replace};

fn tract(precision: PrecisionWish) -> EngineChoice {
    EngineChoice {
        engine: EngineWish::Tract,
        precision,
        ..EngineChoice::default()
    }
}

fn tiny() -> Model {
    let bundle = Bundle::load(&original()).unwrap();
    Model::open(&bundle, &tract(PrecisionWish::F32)).unwrap().0
}

fn image(side: u32, level: f32) -> GrayImage {
    GrayImage {
        width: side,
        height: side,
        data: vec![level; (side * side) as usize],
        frame_count: 1,
    }
}

#[test]
fn both_precisions_give_onnx_runtimes_golden_answers_on_tract() {
    let bundle = Bundle::load(&original()).unwrap();
    for (wish, name) in [(PrecisionWish::F32, "f32"), (PrecisionWish::Int8, "int8")] {
        let (model, selection) = Model::open(&bundle, &tract(wish)).unwrap();
        assert_eq!(
            (
                selection.chosen.engine.as_str(),
                selection.chosen.precision.as_str()
            ),
            ("tract", name)
        );
        assert_eq!(model.engine(), &selection.chosen);
        let [only] = &selection.considered[..] else {
            panic!("{selection:?}");
        };
        assert!(matches!(only.outcome, Outcome::Passed { worst_difference, .. } if worst_difference < 0.005));
    }
}

#[test]
fn onnx_runtime_gives_its_golden_answers_where_it_is_installed() {
    if std::env::var_os("ORT_DYLIB_PATH").is_none() {
        println!("ORT_DYLIB_PATH names no ONNX Runtime: skipped");
        return;
    }
    let bundle = Bundle::load(&original()).unwrap();
    // Twice: the library is loaded once for the process.
    for wish in [PrecisionWish::F32, PrecisionWish::Int8] {
        let choice = EngineChoice {
            engine: EngineWish::Ort,
            precision: wish,
            ..EngineChoice::default()
        };
        let (_, selection) = Model::open(&bundle, &choice).unwrap();
        assert_eq!(selection.chosen.engine, "ort");
    }
}

#[test]
fn an_engine_that_disagrees_is_refused_with_its_difference() {
    let bundle = copy();
    let json = fs::read_to_string(original().join("golden/golden.json")).unwrap();
    let wrong = json.replacen("0.2771816551685333", "0.3771816551685333", 1);
    replace(&bundle, "golden/golden.json", wrong.as_bytes(), "manifest.toml");
    let bundle = Bundle::load(bundle.path()).unwrap();
    let refused = Model::open(&bundle, &tract(PrecisionWish::F32)).unwrap_err();
    assert!(refused.to_string().contains("differs by 0.1000"), "{refused}");
    // The integer form still stands.
    let (_, selection) = Model::open(&bundle, &tract(PrecisionWish::Auto)).unwrap();
    assert_eq!(selection.chosen.precision, "int8");
    assert_eq!(selection.considered.len(), 2);
}

#[test]
fn the_choice_is_remembered_and_checked_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = copy();
    let choice = EngineChoice {
        remember: Some(folder.path().join("engines.json")),
        ..tract(PrecisionWish::Auto)
    };
    let open = |choice| {
        Model::open(&Bundle::load(bundle.path()).unwrap(), choice)
            .unwrap()
            .1
    };
    let first = open(&choice);
    assert!(!first.remembered && 1 < first.considered.len());
    let second = open(&choice);
    assert!(second.remembered);
    assert_eq!(second.considered.len(), 1, "nothing else is loaded");
    assert_eq!((second.chosen, second.form), (first.chosen, first.form));
    // Another wish is another choice.
    let threads = EngineChoice {
        threads: 2,
        ..choice.clone()
    };
    assert!(!open(&threads).remembered);
    // Another bundle too, and what was remembered for it must still give its golden answers.
    let json = fs::read_to_string(original().join("golden/golden.json")).unwrap();
    replace(
        &bundle,
        "golden/golden.json",
        json.replace("0.005", "0.004").as_bytes(),
        "manifest.toml",
    );
    assert!(!open(&choice).remembered);
}

#[test]
fn a_graph_that_is_none_is_refused() {
    let bundle = copy();
    replace(&bundle, "f32.onnx", b"not a graph", "manifest.toml");
    let bundle = Bundle::load(bundle.path()).unwrap();
    assert!(Model::open(&bundle, &tract(PrecisionWish::F32)).is_err());
}

#[test]
fn a_graph_of_another_shape_is_refused() {
    let bundle = copy();
    edit(&bundle, "manifest.toml", "grid = [8, 8]", "grid = [4, 16]");
    let bundle = Bundle::load(bundle.path()).unwrap();
    let refused = Model::open(&bundle, &tract(PrecisionWish::F32)).unwrap_err();
    assert!(
        refused.to_string().contains("not what the manifest says"),
        "{refused}"
    );
}

#[test]
fn without_its_library_onnx_runtime_is_passed_over_or_named() {
    let bundle = Bundle::load(&original()).unwrap();
    let not_a_library = original().join("manifest.toml");
    for library in [PathBuf::from("/nowhere/libonnxruntime.so"), not_a_library] {
        let choice = EngineChoice {
            onnxruntime: Some(library),
            ..EngineChoice::default()
        };
        let (_, selection) = Model::open(&bundle, &choice).unwrap();
        assert_eq!(selection.chosen.engine, "tract");
        let ort = selection
            .considered
            .iter()
            .find(|c| c.engine == EngineKind::Ort)
            .unwrap();
        assert!(matches!(ort.outcome, Outcome::Refused { .. }), "{ort:?}");
        assert!(!selection.fallback, "nothing else was wished for");
        let wished = EngineChoice {
            engine: EngineWish::Ort,
            ..choice
        };
        let (_, selection) = Model::open(&bundle, &wished).unwrap();
        assert_eq!(selection.chosen.engine, "tract");
        assert!(selection.fallback);
    }
}

#[test]
fn a_picture_gets_scores_calls_and_a_map() {
    let model = tiny();
    let prediction = model.assess(&image(100, 0.4)).unwrap();
    let codes: Vec<&str> = prediction
        .findings
        .iter()
        .map(|finding| finding.code.as_str())
        .collect();
    assert_eq!(codes, ["stripes", "dots"]);
    for finding in &prediction.findings {
        let point = model.operating_point(&finding.code).unwrap();
        let positive = point <= finding.score.value();
        assert_eq!(
            finding.call,
            if positive { Call::Positive } else { Call::Negative }
        );
        let confidence = if positive {
            finding.score
        } else {
            finding.score.complement()
        };
        assert_eq!(finding.confidence, confidence);
    }
    let stripes = &prediction.findings[0];
    assert_eq!(
        prediction.urgent.len(),
        usize::from(stripes.call == Call::Positive)
    );
    let map = &prediction.heat_map;
    assert_eq!((map.width, map.height, map.values.len()), (64, 64, 4096));
    assert!(map.values.iter().all(|value| (0.0..=1.0).contains(value)));
    assert_eq!(prediction.engine.engine, "tract");
}

#[test]
fn a_model_is_shared_between_threads() {
    let model = tiny();
    let expected = model.assess(&image(64, 0.7)).unwrap();
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| model.assess(&image(64, 0.7)).unwrap()))
            .collect();
        for run in runs {
            assert_eq!(run.join().unwrap(), expected);
        }
    });
}

#[test]
fn a_picture_that_is_no_number_gives_no_answer() {
    assert!(tiny().assess(&image(32, f32::NAN)).is_err());
    let mut short = image(32, 0.5);
    short.data.pop();
    assert!(tiny().assess(&short).is_err());
}

#[test]
fn findings_have_names_in_both_languages() {
    let model = tiny();
    let code = FindingCode::new("dots").unwrap();
    assert_eq!(model.finding_name(&code, Language::Chinese), Some("点"));
    assert_eq!(model.finding_name(&code, Language::English), Some("Dots"));
    assert_eq!(
        model.finding_name(&FindingCode::new("other").unwrap(), Language::English),
        None
    );
}

/// An explicit little endian object of these short elements, with pixels or without.
fn header(elements: &[(u16, u16, &[u8; 2], &[u8])], pixels: bool) -> Header {
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    let mut put = |group: u16, element: u16, vr: &[u8; 2], value: &[u8]| {
        bytes.extend(group.to_le_bytes());
        bytes.extend(element.to_le_bytes());
        bytes.extend(vr);
        bytes.extend((value.len() as u16).to_le_bytes());
        bytes.extend(value);
    };
    put(2, 0x10, b"UI", b"1.2.840.10008.1.2.1\0");
    put(8, 0x16, b"UI", b"1.2.3\0");
    put(8, 0x18, b"UI", b"1.2.4\0");
    put(0x20, 0x0D, b"UI", b"1.2.5\0");
    for (group, element, vr, value) in elements {
        put(*group, *element, vr, value);
    }
    if pixels {
        bytes.extend(b"\xE0\x7F\x10\x00OB\0\0\x02\0\0\0ab");
    }
    let length = bytes.len() as u64;
    scan(std::io::Cursor::new(bytes), length).unwrap()
}

#[test]
fn a_model_takes_what_its_manifest_says() {
    let model = tiny();
    let rows: (u16, u16, &[u8; 2], &[u8]) = (0x28, 0x10, b"US", &[32, 0]);
    let columns: (u16, u16, &[u8; 2], &[u8]) = (0x28, 0x11, b"US", &[32, 0]);
    let dx: (u16, u16, &[u8; 2], &[u8]) = (8, 0x60, b"CS", b"dx");
    let check = |elements: &[(u16, u16, &[u8; 2], &[u8])], pixels, expected| {
        assert_eq!(model.takes(&header(elements, pixels)), expected);
    };
    check(&[dx, rows, columns], true, Ok(()));
    check(&[dx, (0x18, 0x15, b"CS", b"CHEST "), rows, columns], true, Ok(()));
    check(
        &[dx, (0x18, 0x15, b"CS", b"HAND"), rows, columns],
        true,
        Err(NotTaken::BodyPart),
    );
    check(
        &[(8, 0x60, b"CS", b"CT"), rows, columns],
        true,
        Err(NotTaken::Modality),
    );
    check(&[rows, columns], true, Err(NotTaken::Modality));
    check(&[dx, rows, columns], false, Err(NotTaken::NoPixels));
    check(
        &[dx, (0x28, 8, b"IS", b"2 "), rows, columns],
        true,
        Err(NotTaken::SeveralFrames),
    );
    check(
        &[dx, rows, (0x28, 0x11, b"US", &[8, 0])],
        true,
        Err(NotTaken::TooSmall),
    );
    check(&[dx, rows], true, Err(NotTaken::TooSmall));
}

#[test]
fn a_model_takes_the_views_and_ages_it_names() {
    let bundle = copy();
    edit(
        &bundle,
        "manifest.toml",
        "min_rows",
        "views = [\"PA\"]\nages = [16, 80]\nmin_rows",
    );
    let bundle = Bundle::load(bundle.path()).unwrap();
    let model = Model::open(&bundle, &tract(PrecisionWish::F32)).unwrap().0;
    for (view, age, expected) in [
        (&b"PA"[..], &b"045Y"[..], Ok(())),
        (b"", b"", Ok(())),
        (b"LL", b"045Y", Err(NotTaken::View)),
        (b"PA", b"006M", Err(NotTaken::Age)),
        (b"PA", b"081Y", Err(NotTaken::Age)),
    ] {
        let mut elements: Vec<(u16, u16, &[u8; 2], &[u8])> = vec![(8, 0x60, b"CS", b"DX")];
        if !age.is_empty() {
            elements.push((0x10, 0x1010, b"AS", age));
        }
        if !view.is_empty() {
            elements.push((0x18, 0x5101, b"CS", view));
        }
        elements.extend([(0x28, 0x10, b"US", &[32, 0][..]), (0x28, 0x11, b"US", &[32, 0])]
            as [(u16, u16, &[u8; 2], &[u8]); 2]);
        assert_eq!(
            model.takes(&header(&elements, true)),
            expected,
            "{view:?} {age:?}"
        );
    }
}

#[test]
fn pooled_features_and_the_head_give_the_models_own_scores() {
    let bundle = Bundle::load(&original()).unwrap();
    let (model, selection) = Model::open(&bundle, &tract(PrecisionWish::F32)).unwrap();
    let picture = image(64, 0.4);
    let pooled = model.pooled_features(&picture).unwrap();
    assert_eq!(pooled.values.len(), model.channels());
    let (weight, bias) = model.head();
    assert_eq!(
        (weight.len(), bias.len()),
        (model.findings().len() * model.channels(), bias.len())
    );
    let assessed = model.assess(&picture).unwrap();
    for (k, finding) in assessed.findings.iter().enumerate() {
        assert_eq!(pooled.scores[k], finding.score);
    }
    assert_eq!(model.backbone(), selection.backbone);
    assert_eq!(model.backbone().len(), 64);
    let int8 = Model::open(&bundle, &tract(PrecisionWish::Int8)).unwrap().0;
    assert_ne!(int8.backbone(), model.backbone());
}
