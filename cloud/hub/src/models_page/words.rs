//! Every word the page shows, once per language. A translator needs this file only.

use barefoot_wire::v1::SlotState;

use crate::config::Language;
use crate::model_registry::{Check, Limit, ModelState, quantity_label};

#[derive(Debug)]
pub(super) struct Words {
    /// For the `lang` attribute.
    pub(super) tag: &'static str,
    pub(super) title: &'static str,
    pub(super) results: &'static str,
    pub(super) models: &'static str,
    pub(super) live: &'static str,
    pub(super) not_live: &'static str,
    /// What travels and what does not.
    pub(super) promise: &'static str,
    pub(super) runs: &'static str,
    pub(super) no_runs: &'static str,
    pub(super) no_runs_help: &'static str,
    pub(super) base: &'static str,
    pub(super) candidate: &'static str,
    pub(super) strategy: &'static str,
    pub(super) participants: &'static str,
    pub(super) privacy: &'static str,
    pub(super) secure_on: &'static str,
    pub(super) secure_off: &'static str,
    pub(super) no_noise: &'static str,
    pub(super) plan: &'static str,
    pub(super) no_plan: &'static str,
    pub(super) auc: &'static str,
    pub(super) loss: &'static str,
    pub(super) no_curve: &'static str,
    /// Where a curve was measured.
    pub(super) on_test_sets: &'static str,
    pub(super) in_clinics: &'static str,
    pub(super) rounds: &'static str,
    pub(super) round: &'static str,
    pub(super) stage: &'static str,
    pub(super) accepted: &'static str,
    pub(super) declined: &'static str,
    pub(super) refused: &'static str,
    pub(super) started: &'static str,
    pub(super) versions: &'static str,
    pub(super) no_versions: &'static str,
    pub(super) no_versions_help: &'static str,
    pub(super) made_by: &'static str,
    pub(super) boxes: &'static str,
    pub(super) gate: &'static str,
    pub(super) not_judged: &'static str,
    pub(super) full_report: &'static str,
    pub(super) not_held: &'static str,
    pub(super) uncovered: &'static str,
    pub(super) rollout: &'static str,
    pub(super) no_rollout: &'static str,
    pub(super) canary: &'static str,
    pub(super) unseen: &'static str,
    /// The way to one's own account.
    pub(super) account: &'static str,
    pub(super) failed: &'static str,
    pub(super) language: Language,
}

pub(super) fn words(language: Language) -> &'static Words {
    match language {
        Language::Zh => &ZH,
        Language::En => &EN,
    }
}

static ZH: Words = Words {
    tag: "zh-CN",
    title: "区域中心 · 模型与训练",
    results: "结果",
    models: "模型与训练",
    live: "实时更新",
    not_live: "连接已断开，正在重连",
    promise: "影像和标注不离开诊所；只有经过评审并签名的模型才会下发",
    runs: "联邦训练",
    no_runs: "还没有训练任务",
    no_runs_help: "维护人员用 barefootctl run start 启动训练；各轮进展会自动出现在这里。",
    base: "基准",
    candidate: "候选版本",
    strategy: "策略",
    participants: "每轮参与诊所数",
    privacy: "隐私",
    secure_on: "安全聚合已启用：中心只看到总和",
    secure_off: "安全聚合未启用：中心能看到每份更新",
    no_noise: "未加噪声：不作差分隐私承诺",
    plan: "变更计划",
    no_plan: "没有变更计划：候选版本不能发布",
    auc: "全局模型曲线下面积 (AUC)",
    loss: "全局模型损失",
    no_curve: "还没有可画的指标",
    on_test_sets: "中心测试集",
    in_clinics: "各诊所",
    rounds: "各轮进展",
    round: "轮",
    stage: "阶段",
    accepted: "接受",
    declined: "不参加",
    refused: "拒绝",
    started: "开始",
    versions: "模型版本",
    no_versions: "还没有登记模型",
    no_versions_help: "维护人员登记诊所正在使用的模型作为基准版本。",
    made_by: "训练任务",
    boxes: "诊所设备",
    gate: "评审",
    not_judged: "评审中",
    full_report: "完整报告",
    not_held: "超出范围",
    uncovered: "病例太少、未能评判的亚组",
    rollout: "下发情况",
    no_rollout: "没有正在下发的版本",
    canary: "先行",
    unseen: "尚未联系",
    account: "我的账号",
    failed: "暂时无法读取，请稍后刷新。",
    language: Language::Zh,
};

static EN: Words = Words {
    tag: "en",
    title: "Regional hub · models and runs",
    results: "Results",
    models: "Models and runs",
    live: "Live",
    not_live: "Connection lost, reconnecting",
    promise: "Images and labels stay in the clinics; only proven, signed models go out",
    runs: "Federated runs",
    no_runs: "No run yet",
    no_runs_help: "A maintainer starts one with barefootctl run start; its rounds appear here by themselves.",
    base: "Base",
    candidate: "Candidate",
    strategy: "Strategy",
    participants: "Clinics in each round",
    privacy: "Privacy",
    secure_on: "Secure aggregation: the hub sees only the sum",
    secure_off: "No secure aggregation: the hub sees each update",
    no_noise: "No noise: no differential privacy is promised",
    plan: "Plan",
    no_plan: "No plan: the candidate cannot be released",
    auc: "AUC of the global model",
    loss: "Loss of the global model",
    no_curve: "No metric to draw yet",
    on_test_sets: "the hub's test sets",
    in_clinics: "in the clinics",
    rounds: "Rounds",
    round: "Round",
    stage: "Stage",
    accepted: "accepted",
    declined: "declined",
    refused: "refused",
    started: "Started",
    versions: "Model versions",
    no_versions: "No model is registered yet",
    no_versions_help: "A maintainer registers the model the clinics run today as the base version.",
    made_by: "Run",
    boxes: "Boxes",
    gate: "Gate",
    not_judged: "being judged",
    full_report: "Full report",
    not_held: "Outside the bounds",
    uncovered: "Subgroups too small to be judged",
    rollout: "Rollout",
    no_rollout: "No version is being rolled out",
    canary: "Canary",
    unseen: "not heard of yet",
    account: "My account",
    failed: "This cannot be read right now. Reload in a moment.",
    language: Language::En,
};

impl Words {
    fn choose(&self, zh: &'static str, en: &'static str) -> &'static str {
        match self.language {
            Language::Zh => zh,
            Language::En => en,
        }
    }

    /// A state or stage of a run, a round or a rollout; one the table does not know shows as it is.
    pub(super) fn state<'a>(&self, state: &'a str) -> &'a str {
        match state {
            "finishing" => self.choose("评审候选版本", "judging the candidate"),
            "running" => self.choose("进行中", "running"),
            "finished" => self.choose("已完成", "finished"),
            "failed" => self.choose("失败", "failed"),
            "stopped" => self.choose("已停止", "stopped"),
            "keys" => self.choose("交换公钥", "keys"),
            "shares" => self.choose("分发份额", "shares"),
            "fitting" => self.choose("本地训练", "fitting"),
            "unmasking" => self.choose("去除掩码", "unmasking"),
            "aggregating" => self.choose("聚合", "aggregating"),
            "evaluating" => self.choose("评估", "evaluating"),
            "canary" => self.choose("先行诊所", "canary"),
            "ring" => self.choose("逐圈下发", "ring by ring"),
            "fleet" => self.choose("全部诊所", "whole fleet"),
            "halted" => self.choose("已暂停", "halted"),
            "rolling_back" => self.choose("正在退回", "rolling back"),
            "rolled_back" => self.choose("已退回", "rolled back"),
            other => other,
        }
    }

    pub(super) fn model_state(&self, state: ModelState) -> &'static str {
        match state {
            ModelState::Base => self.choose("基准", "base"),
            ModelState::Candidate => self.choose("候选", "candidate"),
            ModelState::Passed => self.choose("通过评审", "passed"),
            ModelState::Refused => self.choose("未通过", "refused"),
            ModelState::Released => self.choose("已发布", "released"),
            ModelState::Withdrawn => self.choose("已撤回", "withdrawn"),
        }
    }

    pub(super) fn slot(&self, state: SlotState) -> &'static str {
        match state {
            SlotState::Unspecified => self.choose("等待", "waiting"),
            SlotState::Downloading => self.choose("下载中", "downloading"),
            SlotState::Verified => self.choose("已验证", "verified"),
            SlotState::Shadow => self.choose("影子运行", "shadow"),
            SlotState::Trial => self.choose("试运行", "trial"),
            SlotState::Good => self.choose("正常", "good"),
            SlotState::Refused => self.choose("已拒绝", "refused"),
            SlotState::RolledBack => self.choose("已退回", "rolled back"),
        }
    }

    pub(super) fn ring(&self, ring: u32) -> String {
        match (ring, self.language) {
            (0, _) => self.canary.to_owned(),
            (_, Language::Zh) => format!("第 {ring} 圈"),
            (_, Language::En) => format!("Ring {ring}"),
        }
    }

    /// `5 of 10`.
    pub(super) fn done_of(&self, done: usize, all: u32) -> String {
        match self.language {
            Language::Zh => format!("已完成 {done} / {all} 轮"),
            Language::En => format!("{done} of {all} rounds done"),
        }
    }

    /// Spent so far and what the whole run would spend.
    pub(super) fn spent(&self, spent: f64, whole: Option<f64>, delta: f64, noise: f64) -> String {
        let whole = |before: &str, after: &str| {
            whole.map_or_else(String::new, |whole| format!("{before}{whole:.2}{after}"))
        };
        match self.language {
            Language::Zh => format!(
                "已消耗 ε = {spent:.2}{}（δ = {delta:e}，噪声倍数 {noise}）；各诊所另有自己的上限，到上限即不再参加",
                whole("，整个训练共 ε = ", "")
            ),
            Language::En => format!(
                "ε = {spent:.2} spent{} (δ = {delta:e}, noise multiplier {noise}); each clinic also keeps its own \
                 budget and declines when it is used up",
                whole(" of ", " for the whole run")
            ),
        }
    }

    pub(super) fn bounds_held(&self, held: usize, all: usize) -> String {
        match self.language {
            Language::Zh => format!("{all} 项范围中 {held} 项符合"),
            Language::En => format!("{held} of {all} bounds held"),
        }
    }

    /// A bound that is not held.
    pub(super) fn bound(&self, check: &Check) -> String {
        let label = quantity_label(check.quantity);
        let places = [&check.set, &check.finding, &check.subgroup, &check.subject];
        let mut parts = vec![self.choose(label.zh, label.en).to_owned()];
        parts.extend(places.into_iter().flatten().cloned());
        let value = check.value.map_or_else(
            || self.choose("无法测量", "not measurable").to_owned(),
            |value| format!("{value:.4}"),
        );
        let wanted = self.choose("要求", "wanted");
        match check.limit {
            Some(Limit::AtLeast(bound)) => format!("{}: {value} ({wanted} ≥ {bound})", parts.join(" · ")),
            Some(Limit::AtMost(bound)) => format!("{}: {value} ({wanted} ≤ {bound})", parts.join(" · ")),
            None => parts.join(" · "),
        }
    }

    /// Why an update was refused, in a word; none for a code the table does not know.
    pub(super) fn refusal(&self, code: &str) -> Option<&'static str> {
        let (zh, en) = match code {
            "unknown_clinic" => ("不在本轮名单", "not in the round"),
            "unknown_run" => ("训练任务不存在", "no such run"),
            "wrong_round" => ("轮次不符", "wrong round"),
            "wrong_stage" | "left" => ("阶段不符", "not at this stage"),
            "late" => ("迟到", "late"),
            "double_submission" => ("重复提交不同内容", "submitted twice"),
            "wrong_base" => ("起始参数不符", "wrong base"),
            "wrong_layout" => ("参数结构不符", "wrong layout"),
            "wrong_encoding" => ("编码不符", "wrong encoding"),
            "wrong_chunk_count" | "missing_chunk" | "damaged_chunk" => {
                ("分块缺失或损坏", "chunks missing or damaged")
            }
            "not_finite" => ("含有非数值", "not finite"),
            "norm_too_large" => ("更新幅度过大", "norm too large"),
            "norm_outlier" => ("更新幅度异常", "norm out of line"),
            "absurd_examples" | "too_few_examples" => ("样本数不合理", "implausible number of examples"),
            "absurd_metric" => ("指标不合理", "implausible metric"),
            "wrong_protection" => ("隐私保护不符", "wrong protection"),
            "too_large" => ("体积过大", "too large"),
            "wrong_keys" | "wrong_shares" => ("密钥或份额无效", "bad keys or shares"),
            "left_out" => ("被稳健策略排除", "left out by the strategy"),
            _ => return None,
        };
        Some(self.choose(zh, en))
    }
}
