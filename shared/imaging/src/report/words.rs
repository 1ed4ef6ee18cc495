//! Every word the printed page shows, once per language. A translator needs this file only.

use barefoot_domain::{
    Call, FindingCode, Part, Presence, QualityGrade, QualityProblem, Reason, Side, Tier, Urgency,
};

use super::codes::finding_name;
use super::{FindingName, Language};

#[derive(Debug)]
pub(super) struct Words {
    pub(super) title: &'static str,
    pub(super) addendum_title: &'static str,
    pub(super) critical: &'static str,
    pub(super) critical_help: &'static str,
    pub(super) addendum: &'static str,
    pub(super) addendum_help: &'static str,
    pub(super) name: &'static str,
    pub(super) sex: &'static str,
    pub(super) age: &'static str,
    pub(super) birth_date: &'static str,
    pub(super) patient_id: &'static str,
    pub(super) accession: &'static str,
    pub(super) study_date: &'static str,
    pub(super) examination: &'static str,
    pub(super) referring: &'static str,
    pub(super) case: &'static str,
    pub(super) clinic: &'static str,
    pub(super) version: &'static str,
    pub(super) tier: &'static str,
    pub(super) reported: &'static str,
    /// Where the page has a case, not a patient.
    pub(super) no_identity: &'static str,
    pub(super) unknown: &'static str,
    pub(super) description: &'static str,
    pub(super) impression: &'static str,
    pub(super) advice: &'static str,
    /// Where a reader wrote nothing.
    pub(super) nothing_written: &'static str,
    pub(super) statements: &'static str,
    pub(super) finding: &'static str,
    pub(super) presence: &'static str,
    pub(super) side: &'static str,
    pub(super) note: &'static str,
    pub(super) marks: &'static str,
    pub(super) key_image: &'static str,
    pub(super) assisted: &'static str,
    pub(super) no_ai: &'static str,
    pub(super) no_answer: &'static str,
    pub(super) model: &'static str,
    pub(super) engine: &'static str,
    pub(super) quality: &'static str,
    pub(super) why: &'static str,
    pub(super) call: &'static str,
    pub(super) score: &'static str,
    pub(super) confidence: &'static str,
    pub(super) demonstration: &'static str,
    pub(super) clinician_decides: &'static str,
    pub(super) readers: &'static str,
    pub(super) signed_by: &'static str,
    pub(super) signed_at: &'static str,
    pub(super) electronic: &'static str,
    pub(super) verify: &'static str,
    pub(super) report_id: &'static str,
    pub(super) fingerprint: &'static str,
    pub(super) verify_help: &'static str,
    pub(super) qr: &'static str,
    pub(super) colon: &'static str,
    /// Between short phrases.
    pub(super) comma: &'static str,
    language: Language,
}

pub(super) fn words(language: Language) -> &'static Words {
    match language {
        Language::Zh => &ZH,
        Language::En => &EN,
    }
}

static ZH: Words = Words {
    title: "影像诊断报告",
    addendum_title: "影像诊断补充报告",
    critical: "危急值",
    critical_help: "本报告涉及危急情况：请立即处置，并确认临床医生已获知。",
    addendum: "补充报告",
    addendum_help: "本报告是对下列报告的补充，须与其一并阅读",
    name: "姓名",
    sex: "性别",
    age: "年龄",
    birth_date: "出生日期",
    patient_id: "患者编号",
    accession: "检查号",
    study_date: "检查时间",
    examination: "检查项目",
    referring: "申请医生",
    case: "病例",
    clinic: "诊所",
    version: "检查版本",
    tier: "阅片级别",
    reported: "报告时间",
    no_identity: "本页为去标识病例，不含患者身份；患者身份仅保存在诊所。",
    unknown: "未提供",
    description: "影像所见",
    impression: "诊断意见",
    advice: "建议",
    nothing_written: "（未填写）",
    statements: "征象判定",
    finding: "征象",
    presence: "判定",
    side: "侧别",
    note: "说明",
    marks: "标记",
    key_image: "关键影像",
    assisted: "人工智能辅助",
    no_ai: "本报告未使用人工智能。",
    no_answer: "人工智能未给出结论。",
    model: "模型",
    engine: "推理引擎",
    quality: "影像质量",
    why: "依据",
    call: "模型判断",
    score: "评分",
    confidence: "置信度",
    demonstration: "演示模型，不得用于临床。",
    clinician_decides: "人工智能仅供辅助，诊断由医生作出。",
    readers: "阅片医生",
    signed_by: "签发医生",
    signed_at: "签发时间",
    electronic: "已电子签名",
    verify: "报告核验",
    report_id: "报告编号",
    fingerprint: "签名内容指纹 SHA-256",
    verify_help: "核验：在区域中心核验页面扫描二维码或输入报告编号，并比对指纹；也可用 barefootctl report verify 离线核验。",
    qr: "二维码：报告编号与签名内容指纹",
    colon: "：",
    comma: "，",
    language: Language::Zh,
};

static EN: Words = Words {
    title: "Diagnostic imaging report",
    addendum_title: "Diagnostic imaging report · addendum",
    critical: "Critical result",
    critical_help: "Act at once, and make sure that the treating clinician knows.",
    addendum: "Addendum",
    addendum_help: "This report adds to the one named here; read both",
    name: "Name",
    sex: "Sex",
    age: "Age",
    birth_date: "Born",
    patient_id: "Patient ID",
    accession: "Accession",
    study_date: "Examined",
    examination: "Examination",
    referring: "Referred by",
    case: "Case",
    clinic: "Clinic",
    version: "Study version",
    tier: "Read at",
    reported: "Reported",
    no_identity: "A pseudonymous case: this page holds no patient's identity. The clinic alone knows whose it is.",
    unknown: "not given",
    description: "Findings",
    impression: "Impression",
    advice: "Recommendation",
    nothing_written: "(nothing written)",
    statements: "Structured findings",
    finding: "Finding",
    presence: "Assessment",
    side: "Side",
    note: "Note",
    marks: "Marks",
    key_image: "Key image",
    assisted: "AI-assisted",
    no_ai: "No artificial intelligence was used for this report.",
    no_answer: "The artificial intelligence gave no answer.",
    model: "Model",
    engine: "Engine",
    quality: "Image quality",
    why: "Why",
    call: "Model's call",
    score: "Score",
    confidence: "Confidence",
    demonstration: "Demonstration model, not for clinical use.",
    clinician_decides: "AI assists, a clinician decides.",
    readers: "Readers",
    signed_by: "Signed by",
    signed_at: "Signed at",
    electronic: "signed electronically",
    verify: "Verification",
    report_id: "Report ID",
    fingerprint: "SHA-256 of the signed content",
    verify_help: "To verify, scan the code or enter the report ID on the hub's verification page and compare the fingerprint; or run barefootctl report verify, which needs no line.",
    qr: "QR code: the report's ID and the fingerprint of its signed content",
    colon: ": ",
    comma: ", ",
    language: Language::En,
};

impl Words {
    fn pick(&self, zh: &'static str, en: &'static str) -> &'static str {
        match self.language {
            Language::Zh => zh,
            Language::En => en,
        }
    }

    pub(super) fn finding(&self, finding: &FindingCode, names: &[(FindingCode, FindingName)]) -> String {
        finding_name(finding, names, self.language)
    }

    pub(super) fn of_presence(&self, presence: Presence) -> &'static str {
        match presence {
            Presence::Present => self.pick("有", "present"),
            Presence::Absent => self.pick("无", "absent"),
            Presence::Possible => self.pick("不能确定", "cannot be said"),
        }
    }

    pub(super) fn of_side(&self, side: Side) -> &'static str {
        match side {
            Side::Left => self.pick("左侧", "left"),
            Side::Right => self.pick("右侧", "right"),
            Side::Both => self.pick("双侧", "both"),
        }
    }

    pub(super) fn of_call(&self, call: Call) -> &'static str {
        match call {
            Call::Positive => self.pick("阳性", "positive"),
            Call::Negative => self.pick("阴性", "negative"),
        }
    }

    pub(super) fn of_part(&self, part: Part) -> &'static str {
        match part {
            Part::First => self.pick("初读", "first reading"),
            Part::Second => self.pick("复核", "second reading"),
            Part::Adjudicator => self.pick("裁定", "adjudication"),
        }
    }

    pub(super) fn of_tier(&self, tier: Tier) -> &'static str {
        match tier {
            Tier::County => self.pick("县级", "county"),
            Tier::City => self.pick("市级", "city"),
            Tier::Province => self.pick("省级", "province"),
        }
    }

    pub(super) fn of_urgency(&self, urgency: Urgency) -> &'static str {
        match urgency {
            Urgency::Critical => self.critical,
            Urgency::Review => self.pick("需医生阅片", "for review"),
            Urgency::Routine => self.pick("常规", "routine"),
        }
    }

    pub(super) fn of_sex<'a>(&self, sex: &'a str) -> &'a str {
        match sex {
            "M" => self.pick("男", "male"),
            "F" => self.pick("女", "female"),
            "O" => self.pick("其他", "other"),
            other => other,
        }
    }

    /// DICOM AS; what is none is shown as it is.
    pub(super) fn of_age(&self, age: &str) -> String {
        let number = age.get(..3).and_then(|digits| digits.parse::<u16>().ok());
        let (Some(number), Some(unit), 4) = (number, age.get(3..), age.len()) else {
            return age.to_owned();
        };
        let unit = match unit {
            "Y" => self.pick("岁", " years"),
            "M" => self.pick("个月", " months"),
            "W" => self.pick("周", " weeks"),
            "D" => self.pick("天", " days"),
            _ => return age.to_owned(),
        };
        format!("{number}{unit}")
    }

    pub(super) fn of_modality<'a>(&self, modality: &'a str) -> &'a str {
        match modality {
            "" => self.unknown,
            "DX" | "CR" | "RG" => self.pick("X线", "X-ray"),
            "MR" => self.pick("磁共振", "MR"),
            "US" => self.pick("超声", "Ultrasound"),
            "MG" => self.pick("乳腺X线", "Mammography"),
            other => other,
        }
    }

    pub(super) fn of_grade(&self, grade: QualityGrade) -> &'static str {
        match grade {
            QualityGrade::A => self.pick("A 级，良好", "A, good"),
            QualityGrade::B => self.pick("B 级，可用", "B, usable"),
            QualityGrade::C => self.pick("C 级，不可靠", "C, not to be trusted"),
        }
    }

    pub(super) fn of_problem(&self, problem: QualityProblem) -> &'static str {
        match problem {
            QualityProblem::Blank => self.pick("近乎空白", "nearly blank"),
            QualityProblem::Overexposed => self.pick("曝光过度", "overexposed"),
            QualityProblem::Underexposed => self.pick("曝光不足", "underexposed"),
            QualityProblem::LowContrast => self.pick("对比度低", "low contrast"),
            QualityProblem::LowResolution => self.pick("分辨率低", "low resolution"),
            QualityProblem::Undecodable => self.pick("无法解码", "cannot be decoded"),
            QualityProblem::DoseHigh => self.pick("剂量偏高", "more dose than meant"),
            QualityProblem::DoseLow => self.pick("剂量偏低", "less dose than meant"),
            QualityProblem::AnatomyCut => self.pick("部位未拍全", "part cut off at the edge"),
            QualityProblem::NotCollimated => self.pick("照射野过大", "field left open"),
            QualityProblem::Blurred => self.pick("模糊", "blurred"),
            QualityProblem::Rotated => self.pick("方向不正", "turned or tilted"),
            QualityProblem::Inverted => self.pick("黑白反转", "black and white swapped"),
            QualityProblem::ViewMissing => self.pick("未标体位", "view not named"),
            QualityProblem::LateralityMissing => self.pick("未标左右", "side not named"),
            QualityProblem::BodyPartMissing => self.pick("未标部位", "part of the body not named"),
            QualityProblem::BodyPartWrong => self.pick("部位不符", "another part of the body than named"),
            QualityProblem::BurnedInText => self.pick("图像内有文字", "text in the picture"),
            QualityProblem::SlicesMissing => self.pick("缺层", "slices missing"),
            QualityProblem::SlicesDoubled => self.pick("重复层面", "slices doubled"),
            QualityProblem::SpacingUneven => self.pick("层距不均", "uneven slice spacing"),
            QualityProblem::FramesBlack => self.pick("黑帧", "black frames"),
            QualityProblem::FramesFrozen => self.pick("画面冻结", "frozen frames"),
            QualityProblem::NoVideoDecoder => self.pick("视频未解码", "film not decoded"),
            QualityProblem::VideoDiffers => self.pick("视频与说明不符", "film differs from its description"),
        }
    }

    pub(super) fn of_reason(&self, reason: &Reason, names: &[(FindingCode, FindingName)]) -> String {
        let named = |zh: &str, en: &str, code: &FindingCode| {
            let finding = self.finding(code, names);
            match self.language {
                Language::Zh => zh.replace("{}", &finding),
                Language::En => en.replace("{}", &finding),
            }
        };
        match reason {
            Reason::UrgentFinding(code) => named("发现危急征象“{}”", "urgent finding {}", code),
            Reason::LowConfidence(code) => {
                named("对“{}”的把握不足", "low confidence in the call on {}", code)
            }
            Reason::Confident => self
                .pick("判断把握充分，影像合格", "confident calls on a usable image")
                .to_owned(),
            Reason::PoorQuality => self.pick("影像质量差", "poor image quality").to_owned(),
            Reason::OutsideIntendedUse => self
                .pick("超出模型适用范围", "outside the model's intended use")
                .to_owned(),
            Reason::NoModel => self.pick("没有可用的模型", "no usable model").to_owned(),
            Reason::ModelFailed => self.pick("模型运行失败", "the model failed").to_owned(),
            Reason::IdentityConflict => self
                .pick("患者身份或影像编号不一致", "conflicting patients or identifiers")
                .to_owned(),
            Reason::PictureOutside => self
                .pick(
                    "图像与模型适用的影像不符",
                    "the picture is not of the kind the model was made for",
                )
                .to_owned(),
            Reason::Disagreement(code) => {
                named("各模型对“{}”的判断不一致", "the models do not agree on {}", code)
            }
            Reason::PanelIncomplete => self
                .pick("并非所有模型都给出结论", "not every model answered")
                .to_owned(),
            Reason::ModelTooSlow => self
                .pick("模型未在规定时间内给出结论", "the model did not answer in time")
                .to_owned(),
            Reason::SubgroupNotCovered => self
                .pick(
                    "模型未在此类患者中验证",
                    "the model was not tried on patients like this one",
                )
                .to_owned(),
        }
    }

    pub(super) fn page(&self, number: usize, count: usize) -> String {
        match self.language {
            Language::Zh => format!("第 {number} 页 / 共 {count} 页"),
            Language::En => format!("Page {number} of {count}"),
        }
    }

    /// Regions on images that the page does not show.
    pub(super) fn elsewhere(&self, count: usize) -> String {
        match (self.language, count) {
            (Language::Zh, _) => format!("另有 {count} 处标记在其他影像上"),
            (Language::En, 1) => "1 mark lies on another image".to_owned(),
            (Language::En, _) => format!("{count} marks lie on other images"),
        }
    }

    pub(super) fn picture(&self, marks: usize) -> String {
        match (self.language, marks) {
            (Language::Zh, 0) => "关键影像，无标记".to_owned(),
            (Language::Zh, _) => format!("关键影像，含 {marks} 处阅片医生的标记"),
            (Language::En, 0) => "The key image, without marks".to_owned(),
            (Language::En, 1) => "The key image with one mark by its reader".to_owned(),
            (Language::En, _) => format!("The key image with {marks} marks by its reader"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_read_where_it_is_one() {
        let zh = words(Language::Zh);
        assert_eq!(zh.of_age("058Y"), "58岁");
        assert_eq!(zh.of_age("003M"), "3个月");
        assert_eq!(words(Language::En).of_age("058Y"), "58 years");
        for odd in ["58", "", "abcY", "058X", "五十八"] {
            assert_eq!(zh.of_age(odd), odd);
        }
    }
}
