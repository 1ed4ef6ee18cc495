//! The documents of signed reports, read by other people's programs.

#[path = "../../shared/imaging/examples/report_documents/made.rs"]
#[allow(dead_code, reason = "others use the rest")]
mod made;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use barefoot_domain::Report;
use barefoot_imaging::report::{
    FontFiles, Fonts, Language, Subject, encapsulated_pdf, fhir_bundle, pdf, structured_report,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::tool;

struct Documents {
    folder: TempDir,
}

impl Documents {
    /// Every kind of report that there is.
    fn all() -> Vec<(String, Self)> {
        let mut all = Vec::new();
        for language in [Language::Zh, Language::En] {
            let kinds = [
                ("patient", made::report(language), made::patient()),
                ("case", made::report(language), made::case()),
                ("plain", made::plain(language), made::patient()),
                ("critical", made::critical(language), made::patient()),
                ("addendum", made::addendum(language), made::patient()),
                ("long", made::long(language), made::patient()),
            ];
            for (kind, report, subject) in kinds {
                let name = format!("{kind} {}", language.tag());
                all.push((name, Self::of(&report, &subject, language)));
            }
        }
        all
    }

    fn of(report: &Report, subject: &Subject, language: Language) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let jpeg = made::chest().unwrap();
        let mut sheet = made::sheet(report, subject, language);
        sheet.key_image = Some(made::key_image(&jpeg));
        static FONTS: LazyLock<Fonts> = LazyLock::new(|| Fonts::load(&FontFiles::default()).unwrap());
        let page = pdf(&sheet, &FONTS).unwrap();
        let files = [
            ("page.pdf", page.bytes.clone()),
            ("sr.dcm", structured_report(&sheet).unwrap().file),
            ("pdf.dcm", encapsulated_pdf(&sheet, &page.bytes).unwrap().file),
            ("fhir.json", fhir_bundle(&sheet, Some(&page.bytes)).unwrap()),
        ];
        for (name, bytes) in files {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn chinese() -> Documents {
    Documents::of(&made::report(Language::Zh), &made::patient(), Language::Zh)
}

fn said(program: &Path, arguments: &[&str], file: &Path) -> String {
    let output = Command::new(program).args(arguments).arg(file).output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn dciodvfy_finds_no_error() {
    let Some(dciodvfy) = tool("dciodvfy", "dicom3tools") else {
        return;
    };
    for (name, documents) in Documents::all() {
        for file in ["sr.dcm", "pdf.dcm"] {
            let said = said(&dciodvfy, &[], &documents.path(file));
            assert!(!said.contains("Error"), "{name} {file}:\n{said}");
        }
    }
}

#[test]
fn dcmtk_prints_the_tree_and_gives_the_page_back() {
    let (Some(dsrdump), Some(dcm2pdf)) = (tool("dsrdump", "dcmtk"), tool("dcm2pdf", "dcmtk")) else {
        return;
    };
    for (name, documents) in Documents::all() {
        // Printed with every code, checked against what the class may hold.
        let tree = said(&dsrdump, &["+Pc", "+U8"], &documents.path("sr.dcm"));
        assert!(
            !tree.contains("error") && !tree.contains("E: "),
            "{name}:\n{tree}"
        );
        assert!(tree.contains("Verification Flag   : VERIFIED"), "{name}:\n{tree}");
        let back = documents.path("back.pdf");
        let source = documents.path("pdf.dcm");
        let status = Command::new(&dcm2pdf).arg(source).arg(&back).status().unwrap();
        assert!(status.success(), "{name}");
        let page = fs::read(documents.path("page.pdf")).unwrap();
        assert!(fs::read(back).unwrap().starts_with(&page), "{name}");
    }
    let tree = said(&dsrdump, &["+Pc", "+Pl", "+U8"], &chinese().path("sr.dcm"));
    for wanted in [
        "李慧敏=李慧敏",
        "泉州市第一医院医学影像科",
        "(233604007,SCT,\"Pneumonia\")",
        "(ELLIPSE,",
        "左下肺背段，伴支气管充气征",
        "(111001,DCM,\"Algorithm Name\")",
    ] {
        assert!(tree.contains(wanted), "{wanted} is not in\n{tree}");
    }
}

#[test]
fn highdicom_and_fhir_resources_read_what_was_written() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-venv/bin/python");
    if !python.is_file() {
        assert!(
            std::env::var_os("CI").is_none(),
            "target/test-venv must be there in CI: `cargo xtask test` makes it"
        );
        eprintln!("SKIPPED: target/test-venv is missing; run `cargo xtask test`.");
        return;
    }
    let all = Documents::all();
    let output = Command::new(&python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/read_reports.py"))
        .args(all.iter().map(|(_, documents)| documents.folder.path()))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    let answers: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answers.len(), all.len());
    for ((name, _), answer) in all.iter().zip(&answers) {
        assert_eq!(answer["fhir"][0], "DiagnosticReport", "{name}");
        assert_eq!(answer["sr"]["title"], "43468-8", "{name}");
    }

    let (report, subject) = (made::report(Language::Zh), made::patient());
    assert_eq!(all[0].0, "patient zh-CN");
    let sr = &answers[0]["sr"];
    assert_eq!(
        sr["texts"]["Impression"][0],
        report.impression.replace('\n', "\r\n")
    );
    assert_eq!(
        sr["texts"]["Finding"][0],
        report.description.replace('\n', "\r\n")
    );
    assert_eq!(sr["patient"], "Zhang^Xiuying=张^秀英");
    assert_eq!(sr["verified_by"], "李慧敏");
    assert_eq!(sr["verified_at"], "20261122154107+0800");
    let codes = sr["codes"].as_array().unwrap();
    for code in [
        json!(["Finding", "233604007", "SCT"]),
        json!(["Laterality", "7771000", "SCT"]),
        json!(["Finding", "rib-notching", "99BAREFOOT"]),
        json!(["Language of Content Item and Descendants", "zh-CN", "RFC5646"]),
    ] {
        assert!(codes.contains(&code), "{code}: {codes:?}");
    }
    let numbers = sr["numbers"].as_array().unwrap();
    assert!(
        numbers.contains(&json!(["Calibrated probability of the finding", 0.87, "1"])),
        "{numbers:?}"
    );
    let regions = sr["regions"].as_array().unwrap();
    assert_eq!(regions.len(), 2);
    let image = &subject.images[0].sop_instance;
    assert_eq!(regions[0][0], "ELLIPSE");
    assert_eq!(
        regions[0][1],
        json!([
            [1240.0, 1400.0],
            [1720.0, 1400.0],
            [1480.0, 1180.0],
            [1480.0, 1620.0]
        ])
    );
    assert_eq!(&regions[0][2], image);
    assert_eq!(sr["evidence"], json!([[image]]));
}

/// Blanks between words are the reader's guess; everything else is ours.
fn text_of(program: &Path, page: &Path) -> String {
    let output = Command::new(program)
        .args(["-raw", "-enc", "UTF-8"])
        .arg(page)
        .arg("-")
        .output();
    let output = output.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n").replace('\u{c}', "")
}

#[test]
fn pdftotext_reads_the_page_as_it_was_meant() {
    let Some(program) = tool("pdftotext", "poppler-utils") else {
        return;
    };
    let read = text_of(&program, &chinese().path("page.pdf"));
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/report.zh.txt");
    if std::env::var_os("BAREFOOT_WRITE_GOLDEN").is_some() {
        fs::write(&golden, &read).unwrap();
    }
    assert_eq!(read, fs::read_to_string(golden).unwrap());
}

#[test]
fn no_line_starts_or_ends_with_what_it_must_not() {
    let Some(program) = tool("pdftotext", "poppler-utils") else {
        return;
    };
    let mut report = made::plain(Language::Zh);
    // A mark after each number of characters: some line's end falls on every one of them.
    report.description = (1..60)
        .map(|length| {
            format!(
                "{}，（“影像”）。{}！CT/MRI-T2WI《标准》；",
                "肺".repeat(length),
                "结".repeat(length)
            )
        })
        .collect();
    let documents = Documents::of(&report, &made::patient(), Language::Zh);
    let read = text_of(&program, &documents.path("page.pdf"));
    let mut lines = 0;
    for line in read
        .lines()
        .filter(|line| line.contains('肺') || line.contains('结'))
    {
        lines += 1;
        assert!(
            !line.starts_with(['，', '。', '！', '；', '）', '”', '》']),
            "{line}"
        );
        assert!(!line.ends_with(['（', '“', '《']), "{line}");
        assert!(!line.starts_with("RI") && !line.ends_with("CT/M"), "{line}");
    }
    assert!(60 < lines, "{lines}");
}

#[test]
fn a_page_of_a_case_holds_no_patient_and_one_of_a_patient_does_on_every_page() {
    let Some(program) = tool("pdftotext", "poppler-utils") else {
        return;
    };
    let report = made::long(Language::Zh);
    let of_patient = Documents::of(&report, &made::patient(), Language::Zh);
    let read = text_of(&program, &of_patient.path("page.pdf"));
    assert_eq!(read.matches("共 5 页").count(), 5, "{read}");
    assert_eq!(read.matches("AX20260117").count(), 5);
    let of_case = Documents::of(&report, &made::case(), Language::Zh);
    let read = text_of(&program, &of_case.path("page.pdf"));
    assert!(!read.contains("张秀英") && !read.contains("AX20260117"), "{read}");
    assert!(read.contains("去标识病例") && read.contains("66249775"), "{read}");
}
