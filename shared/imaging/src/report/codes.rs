//! What findings are called, and their codes in the systems others use. `docs/REPORTS.md` holds the same table; a test
//! compares them.

use barefoot_domain::{FindingCode, Side};

use super::Language;

/// A finding in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingName {
    pub zh: String,
    pub en: String,
}

/// A code of a scheme; the meaning is its name there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Code {
    pub(crate) value: String,
    pub(crate) scheme: Scheme,
    pub(crate) meaning: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Snomed,
    Loinc,
    Dicom,
    Ucum,
    Umls,
    /// Language tags (RFC 5646).
    Language,
    /// Ours: `99BAREFOOT`.
    Own,
}

impl Scheme {
    /// PS3.16 section 8.
    pub(crate) fn designator(self) -> &'static str {
        match self {
            Self::Snomed => "SCT",
            Self::Loinc => "LN",
            Self::Dicom => "DCM",
            Self::Ucum => "UCUM",
            Self::Umls => "UMLS",
            Self::Language => "RFC5646",
            Self::Own => "99BAREFOOT",
        }
    }

    pub(crate) fn fhir(self) -> &'static str {
        match self {
            Self::Snomed => "http://snomed.info/sct",
            Self::Loinc => "http://loinc.org",
            Self::Dicom => "http://dicom.nema.org/resources/ontology/DCM",
            Self::Ucum => "http://unitsofmeasure.org",
            Self::Umls => "http://www.nlm.nih.gov/research/umls",
            Self::Language => "urn:ietf:bcp:47",
            Self::Own => OWN_SYSTEM,
        }
    }
}

/// Our code system's name in FHIR.
pub(crate) const OWN_SYSTEM: &str = "urn:oid:2.25.4653291329967564828560827053873516160";

pub(crate) fn code(scheme: Scheme, value: &str, meaning: &str) -> Code {
    Code {
        value: value.to_owned(),
        scheme,
        meaning: meaning.to_owned(),
    }
}

/// Code, Chinese, English, SNOMED CT concept and its term.
const FINDINGS: [(&str, &str, &str, &str, &str); 13] = [
    ("pneumonia", "肺炎", "Pneumonia", "233604007", "Pneumonia"),
    (
        "tuberculosis",
        "肺结核",
        "Tuberculosis",
        "154283005",
        "Pulmonary tuberculosis",
    ),
    ("pneumothorax", "气胸", "Pneumothorax", "36118008", "Pneumothorax"),
    (
        "pleural_effusion",
        "胸腔积液",
        "Pleural effusion",
        "60046008",
        "Pleural effusion",
    ),
    (
        "cardiomegaly",
        "心影增大",
        "Cardiomegaly",
        "8186001",
        "Cardiomegaly",
    ),
    (
        "lung_nodule",
        "肺结节",
        "Lung nodule",
        "786838002",
        "Nodule of lung",
    ),
    ("mass", "肿块", "Mass", "4147007", "Mass"),
    ("atelectasis", "肺不张", "Atelectasis", "46621007", "Atelectasis"),
    (
        "consolidation",
        "肺实变",
        "Consolidation",
        "95436008",
        "Lung consolidation",
    ),
    (
        "emphysema",
        "肺气肿",
        "Emphysema",
        "87433001",
        "Pulmonary emphysema",
    ),
    (
        "pulmonary_edema",
        "肺水肿",
        "Pulmonary oedema",
        "19242006",
        "Pulmonary edema",
    ),
    ("fracture", "骨折", "Fracture", "125605004", "Fracture of bone"),
    (
        "intracranial_haemorrhage",
        "颅内出血",
        "Intracranial haemorrhage",
        "1386000",
        "Intracranial hemorrhage",
    ),
];

/// Code, Chinese, English of what readers pick and no table of ours has a code of another system for.
const OTHERS: [(&str, &str, &str); 14] = [
    ("interstitial", "间质性改变", "Interstitial change"),
    ("rib_fracture", "肋骨骨折", "Rib fracture"),
    ("dislocation", "脱位", "Dislocation"),
    ("degeneration", "退行性改变", "Degenerative change"),
    ("cerebral_infarction", "脑梗死", "Cerebral infarction"),
    ("appendicitis", "阑尾炎", "Appendicitis"),
    ("free_air", "腹腔游离气体", "Free abdominal air"),
    ("stone", "结石", "Stone"),
    ("gallstone", "胆囊结石", "Gallstone"),
    ("fatty_liver", "脂肪肝", "Fatty liver"),
    ("liver_lesion", "肝占位", "Liver lesion"),
    ("hydronephrosis", "肾积水", "Hydronephrosis"),
    ("thyroid_nodule", "甲状腺结节", "Thyroid nodule"),
    ("free_fluid", "腹腔积液", "Free abdominal fluid"),
];

/// What this project calls a finding, on pages and on paper alike.
#[must_use]
pub fn name_of(finding: &str, language: Language) -> Option<&'static str> {
    let coded = FINDINGS.iter().map(|(code, zh, en, ..)| (*code, *zh, *en));
    let (_, zh, en) = coded.chain(OTHERS).find(|(code, ..)| *code == finding)?;
    Some(match language {
        Language::Zh => zh,
        Language::En => en,
    })
}

/// The name in a bundle's words, else in ours, else the code as it is.
pub(crate) fn finding_name(
    finding: &FindingCode,
    names: &[(FindingCode, FindingName)],
    language: Language,
) -> String {
    if let Some((_, name)) = names.iter().find(|(code, _)| code == finding) {
        return match language {
            Language::Zh => name.zh.clone(),
            Language::En => name.en.clone(),
        };
    }
    name_of(finding.as_str(), language)
        .unwrap_or(finding.as_str())
        .to_owned()
}

/// In SNOMED CT where our table has it, else ours. `name` stands as the meaning of a code of ours.
pub(crate) fn finding_code(finding: &FindingCode, name: &str) -> Code {
    match FINDINGS.iter().find(|(code, ..)| *code == finding.as_str()) {
        Some((_, _, _, value, meaning)) => code(Scheme::Snomed, value, meaning),
        None => code(Scheme::Own, finding.as_str(), name),
    }
}

/// PS3.16 CID 244.
pub(crate) fn side(side: Side) -> Code {
    let (value, meaning) = match side {
        Side::Left => ("7771000", "Left"),
        Side::Right => ("24028007", "Right"),
        Side::Both => ("51440002", "Bilateral"),
    };
    code(Scheme::Snomed, value, meaning)
}

/// The document's title by the images' modality: LOINC, of PS3.16 CID 7000.
pub(crate) fn title(modality: &str) -> Code {
    let (value, meaning) = match modality {
        "CR" | "DX" | "RG" => ("43468-8", "X-Ray Report"),
        "CT" => ("25045-6", "CT Report"),
        "MR" => ("25056-3", "MRI Report"),
        "US" => ("25061-3", "Ultrasound Report"),
        _ => ("18748-4", "Diagnostic Imaging Report"),
    };
    code(Scheme::Loinc, value, meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_holds_the_same_table() {
        let text = include_str!("../../../../docs/REPORTS.md");
        for (code, zh, en, snomed, term) in FINDINGS {
            let row = format!("| `{code}` | {zh} | {en} | {snomed} | {term} |");
            assert!(text.contains(&row), "docs/REPORTS.md lacks: {row}");
        }
        for (code, zh, en) in OTHERS {
            let row = format!("| `{code}` | {zh} | {en} | | |");
            assert!(text.contains(&row), "docs/REPORTS.md lacks: {row}");
        }
    }

    #[test]
    fn a_bundles_words_go_before_ours_and_a_code_stands_for_itself() {
        let pneumonia = FindingCode::new("pneumonia").unwrap();
        let names = [(
            pneumonia.clone(),
            FindingName {
                zh: "肺部感染".into(),
                en: "Lung infection".into(),
            },
        )];
        assert_eq!(finding_name(&pneumonia, &names, Language::Zh), "肺部感染");
        assert_eq!(finding_name(&pneumonia, &[], Language::En), "Pneumonia");
        let unknown = FindingCode::new("rib-notching").unwrap();
        assert_eq!(finding_name(&unknown, &[], Language::Zh), "rib-notching");
        assert_eq!(finding_code(&unknown, "x").scheme, Scheme::Own);
        assert_eq!(finding_code(&pneumonia, "x").value, "233604007");
    }
}
