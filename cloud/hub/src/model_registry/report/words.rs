//! The report is one document for both languages: its hash is one. Every label stands here, Chinese and English.

use super::super::gate::Quantity;

/// A label in both languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) zh: &'static str,
    pub(crate) en: &'static str,
}

const fn label(zh: &'static str, en: &'static str) -> Label {
    Label { zh, en }
}

pub(super) fn verdict(passed: bool) -> Label {
    if passed {
        label("通过", "Passed")
    } else {
        label("未通过", "Refused")
    }
}

pub(crate) fn quantity(quantity: Quantity) -> Label {
    match quantity {
        Quantity::Plan => label("变更计划在训练前登记", "Plan registered before the run"),
        Quantity::Finite => label("参数均为有限数", "Every parameter finite"),
        Quantity::Layout => label("参数结构与基准一致", "Layout as the base's"),
        Quantity::Backbone => label("特征来自基准的骨干网络", "Features of the base's backbone"),
        Quantity::Locked => label("测试集与登记时一致", "Test set as it was locked"),
        Quantity::TensorUnchanged => label("未允许变更的张量保持不变", "Tensor unchanged"),
        Quantity::RelativeDistance => label("与基准的相对距离", "Relative distance from the base"),
        Quantity::Recalibration => label("重新校准", "Recalibration"),
        Quantity::Judged => label("该征象受到评判", "Finding judged by a gate"),
        Quantity::Present => label("阳性病例数", "Cases with the finding"),
        Quantity::Absent => label("阴性病例数", "Cases without the finding"),
        Quantity::Covered => label("亚组病例足够", "Subgroup large enough"),
        Quantity::Auc => label("曲线下面积", "AUC"),
        Quantity::Sensitivity => label("灵敏度", "Sensitivity"),
        Quantity::Specificity => label("特异度", "Specificity"),
        Quantity::Brier => label("Brier 分数", "Brier score"),
        Quantity::Ece => label("期望校准误差", "Expected calibration error"),
        Quantity::AucDrop => label("曲线下面积较基准下降", "AUC drop against the base"),
        Quantity::SensitivityDrop => label("灵敏度较基准下降", "Sensitivity drop against the base"),
        Quantity::SpecificityDrop => label("特异度较基准下降", "Specificity drop against the base"),
    }
}

pub(super) const LOG_LOSS: Label = label("对数损失", "Log loss");
pub(super) const COUNTS: Label = label("真阳/假阳/真阴/假阴", "TP / FP / TN / FN");

/// The provenance's rows.
pub(super) mod origin {
    use super::{Label, label};

    pub(in super::super) const RUN: Label = label("训练任务", "Run");
    pub(in super::super) const TIME: Label = label("起止时间", "Started, ended");
    pub(in super::super) const ROUNDS: Label = label("完成轮数", "Rounds finished");
    pub(in super::super) const PARTICIPANTS: Label = label("每轮参与诊所数", "Participants, round by round");
    pub(in super::super) const STRATEGY: Label = label("聚合策略", "Strategy");
    pub(in super::super) const FIT: Label = label("本地训练", "Fit in the clinics");
    pub(in super::super) const COHORT: Label = label("参与规则", "Cohort and limits");
    pub(in super::super) const TERMS: Label = label("隐私条件", "Privacy terms");
    pub(in super::super) const SPENT: Label = label("隐私消耗", "Privacy spent");
    pub(in super::super) const CODE: Label = label("程序版本", "Program");
    pub(in super::super) const BACKBONE: Label = label("骨干网络 SHA-256", "Backbone SHA-256");
    pub(in super::super) const BASE_CHUNKS: Label = label("基准参数 SHA-256", "Base parameters SHA-256");
    pub(in super::super) const CHUNKS: Label = label("候选参数 SHA-256", "Candidate parameters SHA-256");
    pub(in super::super) const PLAN: Label = label("变更计划", "Plan");
}
