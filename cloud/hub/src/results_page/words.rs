//! Every word the page shows, once per language. A translator needs this file only.

use barefoot_domain::{Call, QualityProblem, Reason, Urgency};

use crate::config::Language;
use crate::web::{finding_name, problem_name};

#[derive(Debug)]
pub(super) struct Words {
    /// For the `lang` attribute.
    pub(super) tag: &'static str,
    pub(super) title: &'static str,
    /// Stands on the page and on every result.
    pub(super) assisted: &'static str,
    pub(super) demonstration: &'static str,
    pub(super) live: &'static str,
    pub(super) not_live: &'static str,
    pub(super) clinic: &'static str,
    pub(super) clinics: &'static str,
    pub(super) no_clinics: &'static str,
    pub(super) online: &'static str,
    pub(super) offline: &'static str,
    pub(super) last_seen: &'static str,
    /// Two machines use a clinic's identity.
    pub(super) copied: &'static str,
    pub(super) results: &'static str,
    /// The way to the page of runs and models.
    pub(super) models: &'static str,
    pub(super) newest: &'static str,
    pub(super) empty: &'static str,
    pub(super) empty_help: [&'static str; 3],
    pub(super) score: &'static str,
    pub(super) confidence: &'static str,
    pub(super) no_finding: &'static str,
    pub(super) quality: &'static str,
    pub(super) case: &'static str,
    pub(super) superseded: &'static str,
    pub(super) no_model: &'static str,
    pub(super) reasons: &'static str,
    pub(super) received: &'static str,
    /// What stands for a picture that cannot be seen.
    pub(super) key_image: &'static str,
    pub(super) unknown_modality: &'static str,
    /// The way to one's own account.
    pub(super) account: &'static str,
    /// The way to the list of cases.
    pub(super) worklist: &'static str,
    pub(super) failed: &'static str,
    language: Language,
}

pub(super) fn words(language: Language) -> &'static Words {
    match language {
        Language::Zh => &ZH,
        Language::En => &EN,
    }
}

static ZH: Words = Words {
    tag: "zh-CN",
    title: "区域中心 · 影像结果",
    assisted: "人工智能辅助，最终由医生判断",
    demonstration: "演示模型，不得用于临床",
    live: "实时更新",
    not_live: "连接已断开，正在重连",
    clinic: "诊所",
    clinics: "诊所",
    no_clinics: "还没有诊所连接过",
    online: "在线",
    offline: "离线",
    last_seen: "最近联系",
    copied: "两台机器使用同一身份，均已被拒绝接入：请运维人员重新注册真正的设备",
    results: "结果",
    models: "模型与训练",
    newest: "最新在前",
    empty: "还没有收到结果",
    empty_help: [
        "诊所的影像经过评估后，结果会自动出现在这里，无需刷新。",
        "如果上方没有诊所在线：请检查诊所设备的网络、证书和中心地址。",
        "线路中断期间的结果保存在诊所，恢复后会自动补传，不会丢失。",
    ],
    score: "评分",
    confidence: "置信度",
    no_finding: "没有模型结论",
    quality: "影像质量",
    case: "病例",
    superseded: "已被新版本取代",
    no_model: "未使用模型",
    reasons: "依据",
    received: "收到",
    key_image: "关键影像",
    unknown_modality: "类型未知",
    account: "我的账号",
    worklist: "阅片列表",
    failed: "暂时无法读取结果，请稍后刷新。",
    language: Language::Zh,
};

static EN: Words = Words {
    tag: "en",
    title: "Regional hub · results",
    assisted: "AI-assisted, a clinician decides",
    demonstration: "Demonstration, not for clinical use",
    live: "Live",
    not_live: "Connection lost, reconnecting",
    clinic: "Clinic",
    clinics: "Clinics",
    no_clinics: "No clinic has connected yet",
    online: "online",
    offline: "offline",
    last_seen: "last heard",
    copied: "Two machines use this identity, both are shut out: an operator must enrol the real one again",
    results: "Results",
    models: "Models and runs",
    newest: "newest first",
    empty: "No results yet",
    empty_help: [
        "As soon as a clinic's image has been assessed, its result appears here by itself.",
        "If no clinic is online above: check the network, the certificate and the hub's address on the clinic's box.",
        "While a line is down the clinic keeps its results and sends them afterwards; none are lost.",
    ],
    score: "score",
    confidence: "confidence",
    no_finding: "No model finding",
    quality: "Image quality",
    case: "Case",
    superseded: "Superseded by a newer version",
    no_model: "no model used",
    reasons: "Why",
    received: "Received",
    key_image: "Key image",
    unknown_modality: "unknown type",
    account: "My account",
    worklist: "Worklist",
    failed: "The results cannot be read right now. Reload in a moment.",
    language: Language::En,
};

impl Words {
    pub(super) fn urgency(&self, urgency: Urgency) -> &'static str {
        match (self.language, urgency) {
            (Language::Zh, Urgency::Critical) => "危急",
            (Language::Zh, Urgency::Review) => "需复核",
            (Language::Zh, Urgency::Routine) => "常规",
            (Language::En, Urgency::Critical) => "Critical",
            (Language::En, Urgency::Review) => "Review",
            (Language::En, Urgency::Routine) => "Routine",
        }
    }

    pub(super) fn call(&self, call: Call) -> &'static str {
        match (self.language, call) {
            (Language::Zh, Call::Positive) => "阳性",
            (Language::Zh, Call::Negative) => "阴性",
            (Language::En, Call::Positive) => "positive",
            (Language::En, Call::Negative) => "negative",
        }
    }

    /// A finding that stands on no list shows its code.
    pub(super) fn finding<'a>(&self, code: &'a str) -> &'a str {
        finding_name(code, self.language).unwrap_or(code)
    }

    pub(super) fn modality<'a>(&self, modality: &'a str) -> &'a str {
        let (zh, en) = match modality {
            "" => (self.unknown_modality, self.unknown_modality),
            "DX" | "CR" | "RG" => ("X线", "X-ray"),
            "CT" => ("CT", "CT"),
            "MR" => ("磁共振", "MR"),
            "US" => ("超声", "Ultrasound"),
            "MG" => ("乳腺X线", "Mammography"),
            other => return other,
        };
        match self.language {
            Language::Zh => zh,
            Language::En => en,
        }
    }

    pub(super) fn reason(&self, reason: &Reason) -> String {
        let zh = self.language == Language::Zh;
        let plain = match reason {
            Reason::UrgentFinding(code) => {
                let finding = self.finding(code.as_str());
                return match self.language {
                    Language::Zh => format!("发现危急征象：{finding}"),
                    Language::En => format!("Urgent finding: {finding}"),
                };
            }
            Reason::LowConfidence(code) => {
                let finding = self.finding(code.as_str());
                return match self.language {
                    Language::Zh => format!("对“{finding}”的把握不足"),
                    Language::En => format!("Low confidence in the call on {finding}"),
                };
            }
            Reason::Disagreement(code) => {
                let finding = self.finding(code.as_str());
                return match self.language {
                    Language::Zh => format!("各模型对“{finding}”的判断不一致"),
                    Language::En => format!("The models do not agree on {finding}"),
                };
            }
            Reason::Confident if zh => "判断把握充分，影像合格",
            Reason::Confident => "Confident calls on a usable image",
            Reason::PoorQuality if zh => "影像质量差",
            Reason::PoorQuality => "Poor image quality",
            Reason::OutsideIntendedUse if zh => "超出模型适用范围",
            Reason::OutsideIntendedUse => "Outside the model's intended use",
            Reason::NoModel if zh => "没有可用的模型",
            Reason::NoModel => "No usable model",
            Reason::ModelFailed if zh => "模型运行失败",
            Reason::ModelFailed => "The model failed",
            Reason::PictureOutside if zh => "图像与模型适用的影像不符",
            Reason::PictureOutside => "The picture is not of the kind the model was made for",
            Reason::PanelIncomplete if zh => "并非所有模型都给出结论",
            Reason::PanelIncomplete => "Not every model answered",
            Reason::ModelTooSlow if zh => "模型未在规定时间内给出结论",
            Reason::ModelTooSlow => "The model did not answer in time",
            Reason::SubgroupNotCovered if zh => "模型未在此类患者中验证",
            Reason::SubgroupNotCovered => "The model was not tried on patients like this one",
            Reason::IdentityConflict if zh => "患者身份或影像编号不一致",
            Reason::IdentityConflict => "Conflicting patients or identifiers",
        };
        plain.to_owned()
    }

    pub(super) fn quality_problem(&self, problem: QualityProblem) -> &'static str {
        problem_name(problem, self.language)
    }

    pub(super) fn since(&self, time: &str) -> String {
        match self.language {
            Language::Zh => format!("自 {time} 起"),
            Language::En => format!("since {time}"),
        }
    }

    /// Records that wait in a clinic's box.
    pub(super) fn waiting(&self, count: u64) -> String {
        match self.language {
            Language::Zh => format!("待发送 {count} 条"),
            Language::En => format!("{count} waiting to be sent"),
        }
    }

    pub(super) fn version(&self, version: u32) -> String {
        match self.language {
            Language::Zh => format!("第{version}版"),
            Language::En => format!("version {version}"),
        }
    }

    pub(super) fn images(&self, count: u32) -> String {
        match (self.language, count) {
            (Language::Zh, _) => format!("{count} 幅影像"),
            (Language::En, 1) => "1 image".to_owned(),
            (Language::En, _) => format!("{count} images"),
        }
    }

    /// How many images of a case are at the hub.
    pub(super) fn images_here(&self, count: u32) -> String {
        match self.language {
            Language::Zh => format!("已到 {count} 幅"),
            Language::En => format!("{count} here"),
        }
    }
}
