//! What a reader can pick, so that reports can be compared and counted. Free text says the rest.

use crate::config::Language;
use crate::web::finding_name;

/// A finding of the pick list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pick {
    pub(crate) code: &'static str,
    /// It has a left and a right.
    pub(crate) sided: bool,
}

impl Pick {
    pub(crate) fn name(&self, language: Language) -> &'static str {
        finding_name(self.code, language).unwrap_or(self.code)
    }
}

const fn pick(code: &'static str, sided: bool) -> Pick {
    Pick { code, sided }
}

const CHEST: &[Pick] = &[
    pick("pneumonia", true),
    pick("tuberculosis", true),
    pick("lung_nodule", true),
    pick("mass", true),
    pick("pneumothorax", true),
    pick("pleural_effusion", true),
    pick("atelectasis", true),
    pick("consolidation", true),
    pick("interstitial", true),
    pick("emphysema", true),
    pick("cardiomegaly", false),
    pick("pulmonary_edema", true),
    pick("rib_fracture", true),
];

const BONE: &[Pick] = &[
    pick("fracture", true),
    pick("dislocation", true),
    pick("degeneration", true),
];

const CT: &[Pick] = &[
    pick("intracranial_haemorrhage", true),
    pick("cerebral_infarction", true),
    pick("appendicitis", false),
    pick("free_air", false),
    pick("stone", true),
];

const ULTRASOUND: &[Pick] = &[
    pick("gallstone", false),
    pick("fatty_liver", false),
    pick("liver_lesion", false),
    pick("hydronephrosis", true),
    pick("thyroid_nodule", true),
    pick("free_fluid", false),
];

/// What is offered for a modality.
pub(crate) fn of_modality(modality: &str) -> Vec<Pick> {
    let lists: &[&[Pick]] = match modality {
        "CT" | "MR" => &[CT, CHEST, BONE],
        "US" => &[ULTRASOUND],
        _ => &[CHEST, BONE],
    };
    lists.iter().flat_map(|list| list.iter().copied()).collect()
}

/// The name of a finding, also of one that stands on no list here.
pub(crate) fn name(code: &str, language: Language) -> String {
    finding_name(code, language).unwrap_or(code).to_owned()
}

/// A text to begin with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Template {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) impression: &'static str,
}

/// Texts for a modality.
pub(crate) fn templates(modality: &str, language: Language) -> &'static [Template] {
    match (modality, language) {
        ("CR" | "DX" | "DR", Language::Zh) => &[
            Template {
                name: "胸片未见异常",
                description: "双肺纹理清晰，肺野透亮度正常，未见明确实变及结节影。心影大小、形态正常。双侧膈面光整，肋膈角锐利。所见骨质未见异常。",
                impression: "胸部正位片未见明确异常。",
            },
            Template {
                name: "肺炎",
                description: "肺野见片状高密度影，边缘模糊，其内可见支气管充气征。心影不大。肋膈角锐利。",
                impression: "考虑肺部炎症，请结合临床，治疗后复查。",
            },
            Template {
                name: "胸腔积液",
                description: "肋膈角变钝，可见外高内低弧形致密影。",
                impression: "胸腔积液。建议超声检查。",
            },
        ],
        ("CR" | "DX" | "DR", Language::En) => &[
            Template {
                name: "Normal chest",
                description: "Lungs are clear without consolidation or nodule. Heart size is normal. Costophrenic angles are sharp. No bony abnormality is seen.",
                impression: "No abnormality of the chest is seen.",
            },
            Template {
                name: "Pneumonia",
                description: "Patchy opacity with ill-defined margins and air bronchograms. The heart is not enlarged. Costophrenic angles are sharp.",
                impression: "Findings suggest pneumonia; correlate clinically and repeat after treatment.",
            },
            Template {
                name: "Pleural effusion",
                description: "Blunted costophrenic angle with a meniscus-shaped opacity.",
                impression: "Pleural effusion. Ultrasound is advised.",
            },
        ],
        ("US", Language::Zh) => &[Template {
            name: "腹部未见异常",
            description: "肝脏大小形态正常，实质回声均匀。胆囊壁光滑，腔内未见异常回声。双肾大小形态正常，集合系统无分离。腹腔未见游离液体。",
            impression: "腹部超声未见明确异常。",
        }],
        ("US", Language::En) => &[Template {
            name: "Normal abdomen",
            description: "The liver is of normal size and echotexture. The gallbladder wall is smooth without stones. Both kidneys are normal without hydronephrosis. No free fluid.",
            impression: "No abnormality of the abdomen is seen.",
        }],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use barefoot_domain::FindingCode;

    use super::*;

    #[test]
    fn every_code_is_one_and_stands_once_on_a_list() {
        for modality in ["DX", "CT", "US", ""] {
            let mut codes: Vec<&str> = of_modality(modality).iter().map(|pick| pick.code).collect();
            assert!(codes.iter().all(|code| FindingCode::new(*code).is_ok()));
            for language in [Language::Zh, Language::En] {
                assert!(
                    codes.iter().all(|code| finding_name(code, language).is_some()),
                    "{codes:?}"
                );
            }
            let all = codes.len();
            codes.sort_unstable();
            codes.dedup();
            assert_eq!(codes.len(), all, "{modality}");
        }
        assert_eq!(name("pneumonia", Language::Zh), "肺炎");
        assert_eq!(name("made_up", Language::En), "made_up");
    }
}
