//! What a reader can pick, so that reports can be compared and counted. Free text says the rest.

use crate::config::Language;

/// A finding of the pick list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pick {
    pub(crate) code: &'static str,
    zh: &'static str,
    en: &'static str,
    /// It has a left and a right.
    pub(crate) sided: bool,
}

impl Pick {
    pub(crate) fn name(&self, language: Language) -> &'static str {
        match language {
            Language::Zh => self.zh,
            Language::En => self.en,
        }
    }
}

const fn pick(code: &'static str, zh: &'static str, en: &'static str, sided: bool) -> Pick {
    Pick { code, zh, en, sided }
}

const CHEST: &[Pick] = &[
    pick("pneumonia", "肺炎", "Pneumonia", true),
    pick("tuberculosis", "肺结核", "Tuberculosis", true),
    pick("nodule", "肺结节", "Nodule", true),
    pick("mass", "肺肿块", "Mass", true),
    pick("pneumothorax", "气胸", "Pneumothorax", true),
    pick("pleural_effusion", "胸腔积液", "Pleural effusion", true),
    pick("atelectasis", "肺不张", "Atelectasis", true),
    pick("consolidation", "肺实变", "Consolidation", true),
    pick("interstitial", "间质性改变", "Interstitial change", true),
    pick("emphysema", "肺气肿", "Emphysema", true),
    pick("cardiomegaly", "心影增大", "Cardiomegaly", false),
    pick("pulmonary_oedema", "肺水肿", "Pulmonary oedema", true),
    pick("rib_fracture", "肋骨骨折", "Rib fracture", true),
];

const BONE: &[Pick] = &[
    pick("fracture", "骨折", "Fracture", true),
    pick("dislocation", "脱位", "Dislocation", true),
    pick("degeneration", "退行性改变", "Degenerative change", true),
];

const CT: &[Pick] = &[
    pick(
        "intracranial_haemorrhage",
        "颅内出血",
        "Intracranial haemorrhage",
        true,
    ),
    pick("cerebral_infarction", "脑梗死", "Cerebral infarction", true),
    pick("appendicitis", "阑尾炎", "Appendicitis", false),
    pick("free_air", "腹腔游离气体", "Free abdominal air", false),
    pick("stone", "结石", "Stone", true),
];

const ULTRASOUND: &[Pick] = &[
    pick("gallstone", "胆囊结石", "Gallstone", false),
    pick("fatty_liver", "脂肪肝", "Fatty liver", false),
    pick("liver_lesion", "肝占位", "Liver lesion", false),
    pick("hydronephrosis", "肾积水", "Hydronephrosis", true),
    pick("thyroid_nodule", "甲状腺结节", "Thyroid nodule", true),
    pick("free_fluid", "腹腔积液", "Free abdominal fluid", false),
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
    [CHEST, BONE, CT, ULTRASOUND]
        .iter()
        .flat_map(|list| list.iter())
        .find(|pick| pick.code == code)
        .map_or_else(|| code.to_owned(), |pick| pick.name(language).to_owned())
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
            let all = codes.len();
            codes.sort_unstable();
            codes.dedup();
            assert_eq!(codes.len(), all, "{modality}");
        }
        assert_eq!(name("pneumonia", Language::Zh), "肺炎");
        assert_eq!(name("made_up", Language::En), "made_up");
    }
}
