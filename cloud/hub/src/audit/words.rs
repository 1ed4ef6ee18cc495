//! Every word the audit log's page shows, once per language.

use crate::config::Language;

#[derive(Debug)]
pub(super) struct Words {
    pub(super) tag: &'static str,
    pub(super) region: &'static str,
    pub(super) to_content: &'static str,
    pub(super) title: &'static str,
    pub(super) promise: &'static str,
    pub(super) account: &'static str,
    pub(super) number: &'static str,
    pub(super) time: &'static str,
    pub(super) actor: &'static str,
    pub(super) actor_help: &'static str,
    pub(super) action: &'static str,
    pub(super) any: &'static str,
    pub(super) object: &'static str,
    pub(super) case: &'static str,
    pub(super) details: &'static str,
    pub(super) filter: &'static str,
    pub(super) older: &'static str,
    pub(super) nothing: &'static str,
    pub(super) clock_went_back: &'static str,
    pub(super) download: &'static str,
    pub(super) download_help: &'static str,
    pub(super) console: &'static str,
    pub(super) failed: &'static str,
}

pub(super) fn words(language: Language) -> &'static Words {
    match language {
        Language::Zh => &ZH,
        Language::En => &EN,
    }
}

static ZH: Words = Words {
    tag: "zh-CN",
    region: "区域中心",
    to_content: "跳到内容",
    title: "审计日志",
    promise: "日志只增不改；每条记录都与前一条相连，并由中心定期签名。",
    account: "我的账号",
    number: "序号",
    time: "时间",
    actor: "操作者",
    actor_help: "账号、程序或中心部件的编号",
    action: "操作",
    any: "全部",
    object: "对象",
    case: "病例",
    details: "说明",
    filter: "筛选",
    older: "更早的记录",
    nothing: "没有符合条件的记录。",
    clock_went_back: "时钟被调回",
    download: "下载完整日志",
    download_help: "可用 barefootctl audit verify 离线核验。",
    console: "中心控制台",
    failed: "暂时无法读取审计日志，请稍后再试。",
};

static EN: Words = Words {
    tag: "en",
    region: "Regional hub",
    to_content: "Skip to content",
    title: "Audit log",
    promise: "The log is only ever added to; each entry is bound to the one before it, and the hub signs the newest.",
    account: "My account",
    number: "No.",
    time: "Time",
    actor: "Who",
    actor_help: "Id of an account, a program or a part of the hub",
    action: "Action",
    any: "all",
    object: "What",
    case: "Case",
    details: "Details",
    filter: "Filter",
    older: "Older entries",
    nothing: "No entry fits.",
    clock_went_back: "the clock was set back",
    download: "Download the whole log",
    download_help: "barefootctl audit verify checks it without the hub.",
    console: "the hub's console",
    failed: "The audit log cannot be read right now. Try again in a moment.",
};
