//! Every word of the reading room, once per language. A translator needs this file and `findings` only.

use barefoot_domain::{Tier, Urgency};

use super::drafting::Mistake;
use crate::archive::NotActed;
use crate::config::Language;
use crate::people::SignError;
use crate::worklist::life::{Refused, Stage, State};

macro_rules! words {
    ($($name:ident: $zh:literal, $en:literal;)*) => {
        #[derive(Debug)]
        pub(super) struct Words {
            pub(super) language: Language,
            $(pub(super) $name: &'static str,)*
        }

        static ZH: Words = Words { language: Language::Zh, $($name: $zh,)* };
        static EN: Words = Words { language: Language::En, $($name: $en,)* };
    };
}

words! {
    tag: "zh-CN", "en";
    assisted: "人工智能辅助，最终由医生判断", "AI-assisted, a clinician decides";
    demonstration: "演示模型，不得用于临床", "Demonstration model, not for clinical use";
    worklist: "阅片列表", "Worklist";
    results: "全部结果", "Results";
    dashboard: "统计", "Figures";
    roster: "排班", "Roster";
    sign_out: "退出", "Sign out";
    skip: "跳到正文", "Skip to content";
    live: "实时更新", "Live";
    not_live: "连接已断开，正在重连", "Connection lost, reconnecting";
    scope: "范围", "Show";
    open: "待阅", "Open";
    mine: "我的", "Mine";
    done: "已签发", "Signed";
    all: "全部", "All";
    teaching: "教学病例", "Teaching file";
    modality: "检查类型", "Modality";
    clinic: "诊所", "Clinic";
    any: "不限", "Any";
    urgency: "紧急程度", "Urgency";
    only_my_tier: "仅本级", "Only my tier";
    filter: "筛选", "Filter";
    nothing_open: "没有待阅的病例。新病例会自动出现在这里。", "Nothing waits to be read. New cases appear here by themselves.";
    of: "共", "of";
    previous: "上一页", "Previous";
    next: "下一页", "Next";
    case: "病例", "Case";
    due: "时限", "Due";
    overdue: "已超时", "Overdue";
    reason: "原因", "Why";
    quality: "影像质量", "Image quality";
    state: "状态", "State";
    offered_to_you: "分派给您", "Offered to you";
    offered: "已分派", "Offered";
    asked: "诊所请求会诊", "The clinic asks";
    new_message: "新消息", "New message";
    alarm: "危急病例已超时，请立即阅片：", "Critical cases are overdue, read them now:";
    claim: "开始阅片", "Read this case";
    take_over: "接手阅片", "Take over";
    release: "放回列表", "Put back";
    your_case: "您正在阅读本病例", "You are reading this case";
    refer_up: "转上级", "Refer upward";
    refer_to: "转指定专家", "Refer to a named expert";
    why: "原因（必填）", "Why (required)";
    say_why: "请先填写原因。", "Say why first.";
    send: "发送", "Send";
    second_wanted: "请第二位医生复核", "Ask for a second read";
    second_is_wanted: "需第二位医生复核", "A second reader will read it too";
    withdraw: "移出列表", "Take off the list";
    mark_teaching: "列入教学", "Mark for teaching";
    unmark_teaching: "移出教学", "Unmark teaching";
    ai: "人工智能结果", "AI result";
    ai_hidden: "您选择了先看影像。看完后再显示人工智能结果。", "You chose to look first. Show the AI's result when you have.";
    show_ai: "显示人工智能结果", "Show the AI result";
    hide_ai_always: "阅片前隐藏人工智能结果", "Hide the AI until I have looked";
    show_ai_always: "总是显示人工智能结果", "Always show the AI";
    no_model: "没有模型结论", "No model finding";
    positive: "阳性", "positive";
    negative: "阴性", "negative";
    score: "评分", "score";
    confidence: "置信度", "confidence";
    model: "模型", "Model";
    clinic_opinion: "诊所医生的意见", "The clinic doctor's word";
    present: "有", "Present";
    absent: "无", "Absent";
    possible: "不能确定", "Cannot be said";
    not_said: "未说明", "Not said";
    side: "侧别", "Side";
    left: "左", "Left";
    right: "右", "Right";
    both: "双侧", "Both";
    report: "报告", "Report";
    template: "套用模板", "Use a text";
    description: "影像所见", "Findings";
    impression: "诊断意见", "Impression";
    advice: "建议", "Advice";
    structured: "结构化所见", "Structured findings";
    save: "保存草稿", "Save draft";
    saved: "草稿已保存", "Draft saved";
    not_saved: "草稿尚未保存", "Draft not saved";
    sign: "签发报告", "Sign report";
    give_opinion: "提交第一意见", "Give first opinion";
    sign_second: "提交复核意见", "Submit second read";
    second_note: "与第一意见一致时即签发；不一致时转上级裁定。", "If you agree with the first reader this signs the report; if not, a third decides.";
    first_hidden: "提交前不显示第一意见。", "The first opinion is hidden until you submit.";
    adjudicate: "裁定并签发", "Decide and sign";
    opinions: "两位医生的意见", "What the two readers said";
    password: "密码", "Password";
    code: "验证器代码", "Authenticator code";
    add: "补充报告", "Addendum";
    add_note: "已签发的报告不能修改。补充内容另行签发。", "A signed report never changes. What is added is signed by itself.";
    signed_by: "签发", "Signed by";
    signed_at: "签发时间", "Signed";
    delivered: "已送达诊所", "Delivered to the clinic";
    read: "诊所已阅", "Read by the clinic";
    waiting_line: "等待诊所连线", "Waiting for the clinic's line";
    print: "打印", "Print";
    messages: "与诊所的消息", "Messages with the clinic";
    no_messages: "还没有消息。请勿写入患者身份信息。", "No messages yet. Write no patient's identity.";
    message: "消息", "Message";
    message_unfit: "消息须为 1 至 2000 字的文字。", "A message is text of 1 to 2000 characters.";
    want_images: "需要补充影像", "Ask for more images";
    history: "经过", "History";
    images: "影像", "Images";
    prior: "既往检查", "Earlier studies";
    viewer_missing: "本中心未内置影像浏览器，改用服务器绘制的图像。", "This hub was built without its viewer; pictures are drawn by the server.";
    window_centre: "窗位", "Window centre";
    window_width: "窗宽", "Window width";
    draw: "重绘", "Draw again";
    image_number: "影像", "Image";
    instance_wait: "影像正在上传，页面会自动更新。", "Images are on their way; this page follows.";
    back: "返回列表", "Back to the list";
    keys: "快捷键：? 帮助，g 列表，s 保存，d 影像所见，i 诊断意见", "Keys: ? help, g list, s save, d findings, i impression";
    failed: "暂时无法处理，请稍后再试。", "This cannot be done right now: try again in a moment.";
    not_found: "没有这个病例。", "There is no such case.";
    too_large: "报告过长，请缩短文字或减少标记。", "The report is too long: shorten its texts or draw fewer marks.";
    unfit: "填写有误，请检查后重试。", "Something in the form does not fit: check it and try again.";
    name_ai_findings: "请说明人工智能提示的每一项所见：有、无或不能确定。", "Say of each finding the AI called: present, absent, or that it cannot be said.";
    verify: "验证报告", "Verify a report";
    verified: "签名有效：报告自签发后未被更改。", "The signature holds: the report is as it was signed.";
    not_verified: "签名无效：", "The signature does not hold: ";
    verify_help: "输入报告编号，或选择签名文件，或粘贴其内容（Base64）。", "Give the report's number, or choose its signed file, or paste it as text (base64).";
    report_file: "签名文件", "Signed file";
    fingerprint: "签名内容指纹 SHA-256", "SHA-256 of the signed content";
    other_content: "此编号的报告内容与纸上指纹不符：纸上的不是所签发的报告。", "The report of this number has another fingerprint: what is on paper is not what was signed.";
    no_report: "没有此编号的报告，所给内容也不是签名文件。", "No report has this number, and what was given is no signed file.";
    file_too_large: "文件过大，不可能是签名报告。", "The file is too large to be a signed report.";
    shifts: "班次", "Shifts";
    absences: "请假", "Absences";
    groups: "阅片组", "Reader groups";
    weekday: "星期", "Weekday";
    from: "从", "From";
    to: "至", "To";
    person: "人员", "Person";
    remove: "删除", "Remove";
    add_one: "添加", "Add";
    name: "名称", "Name";
    tier: "级别", "Tier";
    members: "成员（登录名，用逗号分隔）", "Members (sign-in names, separated by commas)";
    clinics: "诊所（用逗号分隔）", "Clinics (separated by commas)";
    no_roster: "没有排班：所有人视为在岗。", "No shifts: everyone counts as on duty.";
    on_duty: "在岗", "On duty";
    cases_read: "已签发", "Signed";
    median: "中位用时", "Median time";
    ninety: "90% 在此时间内", "90 % within";
    in_time: "按时", "In time";
    agreement: "人工智能与专家一致性", "AI and expert";
    agree: "一致", "Agree";
    turnaround: "各级用时", "Turnaround by tier";
    quality_by_clinic: "各诊所影像质量", "Image quality by clinic";
    referrals: "转上级的结果", "What came of cases that went up";
    referrals_note: "“一致”指上级签发的结构化所见与下级草稿或意见相同。", "Agreed: the signed findings are those picked below, in a draft or an opinion.";
    way_up: "从何级到何级", "From and to";
    agreed_above: "上级一致", "Agreed above";
    changed_above: "上级更改", "Changed above";
    nothing_below: "下级未选所见", "Nothing picked below";
    read_below: "下级自行签发", "Read below after all";
    withdrawn: "已移出", "Withdrawn";
    device_use: "设备使用与影像质量", "Use of devices, and their images";
    device_note: "设备以其 AE 名称列出；一年内有过检查的设备即使近期无检查也列出。", "By the scanners' AE titles. Who sent anything within a year is listed, silent or not.";
    scanner: "设备", "Scanner";
    whole_box: "全部设备", "all scanners";
    unknown_scanner: "未知", "unknown";
    studies: "检查数", "Studies";
    per_day: "每使用日", "A day of use";
    silent_days: "静默天数", "Days silent";
    quality_by_operator: "各操作者影像质量", "Image quality by operator";
    operator: "操作者（化名）", "Operator (pseudonym)";
    operator_note: "姓名只有诊所知道。", "Only the clinic knows who it is.";
    ways: "病例去向", "What happened to cases";
    cases: "病例数", "Cases";
    last_30_days: "近 30 天", "Last 30 days";
    finding: "所见", "Finding";
    sensitivity: "敏感度", "Sensitivity";
    specificity: "特异度", "Specificity";
}

pub(super) fn words(language: Language) -> &'static Words {
    match language {
        Language::Zh => &ZH,
        Language::En => &EN,
    }
}

impl Words {
    fn say(&self, zh: &'static str, en: &'static str) -> &'static str {
        match self.language {
            Language::Zh => zh,
            Language::En => en,
        }
    }

    pub(super) fn tier(&self, tier: Tier) -> &'static str {
        match tier {
            Tier::County => self.say("县级", "county"),
            Tier::City => self.say("市级", "city"),
            Tier::Province => self.say("省级", "province"),
        }
    }

    pub(super) fn urgency(&self, urgency: Urgency) -> &'static str {
        match urgency {
            Urgency::Critical => self.say("危急", "critical"),
            Urgency::Review => self.say("待复核", "review"),
            Urgency::Routine => self.say("常规", "routine"),
        }
    }

    pub(super) fn state(&self, state: State, stage: Stage) -> &'static str {
        match (state, stage) {
            (State::Waiting, Stage::First) => self.say("待阅", "waiting"),
            (State::Waiting, Stage::Second) => self.say("待复核阅片", "waiting for the second reader"),
            (State::Waiting, Stage::Adjudication) => self.say("待裁定", "waiting for a decision"),
            (State::Claimed, _) => self.say("阅片中", "being read"),
            (State::Drafted, _) => self.say("撰写中", "being written"),
            (State::ImagesWanted, _) => self.say("待补充影像", "more images wanted"),
            (State::Signed, _) => self.say("已签发", "signed"),
            (State::Delivered, _) => self.say("已送达", "delivered"),
            (State::Read, _) => self.say("诊所已阅", "read by the clinic"),
            (State::Withdrawn, _) => self.say("已移出", "withdrawn"),
        }
    }

    /// A reason's word, see `barefoot_domain::Reason`.
    pub(super) fn reason(&self, word: &str) -> String {
        let (code, finding) = word.split_once(':').unwrap_or((word, ""));
        let name = super::findings::name(finding, self.language);
        match code {
            "confident" => self.say("模型有把握", "the model is confident").to_owned(),
            "urgent_finding" => format!("{}{name}", self.say("危急所见：", "urgent finding: ")),
            "low_confidence" => format!("{}{name}", self.say("把握不足：", "low confidence: ")),
            "poor_quality" => self.say("影像质量差", "poor image quality").to_owned(),
            "outside_intended_use" => self.say("超出模型适用范围", "outside the model's use").to_owned(),
            "no_model" => self.say("没有适用模型", "no model").to_owned(),
            "model_failed" => self.say("模型未能运行", "the model failed").to_owned(),
            "identity_conflict" => self.say("身份存疑", "doubtful identity").to_owned(),
            "picture_outside" => self
                .say("图像不属模型适用范围", "not a picture the model was made for")
                .to_owned(),
            "disagreement" => format!("{}{name}", self.say("模型意见不一：", "models disagree: ")),
            "panel_incomplete" => self
                .say("部分模型未给出结论", "not every model answered")
                .to_owned(),
            "model_too_slow" => self.say("模型超时", "the model was too slow").to_owned(),
            "subgroup_not_covered" => self
                .say("模型未在此类患者中验证", "not tried on such patients")
                .to_owned(),
            other => other.to_owned(),
        }
    }

    /// An event of a case's history.
    pub(super) fn event(&self, word: &str) -> String {
        let said = match word {
            "arrived" => self.say("进入列表", "came onto the list"),
            "asked" => self.say("诊所请求会诊", "the clinic asked"),
            "new_version" => self.say("收到新影像", "new images"),
            "claimed" => self.say("开始阅片", "claimed"),
            "released" => self.say("放回列表", "put back"),
            "drafted" => self.say("开始撰写", "first draft"),
            "lease_lapsed" => self.say("长时间无操作，已放回", "silent for too long, put back"),
            "offered" => self.say("分派", "offered"),
            "offer_lapsed" => self.say("分派过期", "offer lapsed"),
            "escalated" => self.say("超时，升级", "not read in time, escalated"),
            "overdue" => self.say("超时", "overdue"),
            "referred" => self.say("转出", "referred"),
            "second_wanted" => self.say("请求复核", "second read asked for"),
            "opinion" => self.say("提交意见", "opinion given"),
            "differs" => self.say("意见不一致", "the second reader differs"),
            "images_wanted" => self.say("请求补充影像", "more images asked for"),
            "message" => self.say("发送消息", "message"),
            "signed" => self.say("签发报告", "report signed"),
            "addendum" => self.say("补充报告", "addendum"),
            "delivered" => self.say("送达诊所", "delivered"),
            "read" => self.say("诊所已阅", "read by the clinic"),
            "withdrawn" => self.say("移出列表", "taken off the list"),
            "revealed" => self.say("查看人工智能结果", "AI result shown"),
            "waits" => self.say("等待", "waits"),
            other => return other.to_owned(),
        };
        said.to_owned()
    }

    /// Why something was not done, for who wanted it.
    pub(super) fn refusal(&self, error: &NotActed) -> &'static str {
        match error {
            NotActed::Unknown => self.not_found,
            NotActed::StaleDraft => self.say(
                "另一页面已保存了更新的草稿，请刷新后继续。",
                "A newer draft was saved from another page: reload before you go on.",
            ),
            NotActed::Archive(_) => self.failed,
            NotActed::Refused(refused) => match refused {
                Refused::Held => self.say("其他医生正在阅读本病例。", "Another reader has this case."),
                Refused::NotHolder => self.say(
                    "本病例已不在您手中：时限已过或由他人接手。草稿仍保留。",
                    "This case is not in your hands any more: its lease lapsed or another took it over. Your draft is kept.",
                ),
                Refused::Offered => self.say("本病例正分派给其他医生。", "This case is offered to another reader just now."),
                Refused::TierTooLow => self.say("本病例须由上级医生阅读。", "This case waits for a tier above yours."),
                Refused::NotYours => self.say(
                    "这类检查或该诊所不在您的阅片范围内。",
                    "This kind of study or this clinic is not among those you read.",
                ),
                Refused::SameReader => self.say("您已阅读过，须由另一位医生复核。", "You read this case before; another must read it now."),
                Refused::NotChief => self.say("只有主任可以这样做。", "Only a chief may do this."),
                Refused::NothingAbove => self.say("没有更高的级别。", "Nobody stands above this tier."),
                Refused::Closed => self.say("本病例已结束。", "This case is closed."),
                Refused::NotNow => self.say("病例的当前状态不允许此操作。", "This does not fit where the case stands."),
                Refused::SecondWanted => self.say("须先由另一位医生复核。", "Another has to read this case before it is signed."),
                Refused::Older => self.say(
                    "收到了新影像，请刷新后再签发。",
                    "New images have come: reload and look at them before you sign.",
                ),
            },
        }
    }

    pub(super) fn mistake(&self, mistake: &Mistake) -> &'static str {
        match mistake {
            Mistake::TooLong { .. } => self.say(
                "文字过长，每栏最多 4000 字。",
                "A text is too long: at most 4000 characters each.",
            ),
            Mistake::NoText { .. } => self.say(
                "文字中含有无法识别的字符。",
                "A text holds characters that are no text.",
            ),
            Mistake::NoImpression => self.say("请填写诊断意见。", "Write an impression first."),
            Mistake::Marks => self.say(
                "图像标记无法读取，请刷新页面。",
                "A mark in the picture cannot be read: reload the page.",
            ),
            Mistake::Finding => self.say(
                "所见选项无法识别，请刷新页面。",
                "A finding is of another page than this: reload it.",
            ),
        }
    }

    pub(super) fn sign_error(&self, error: &SignError) -> String {
        let said = match error {
            SignError::NotAllowed => self.say("此账号不能签发报告。", "This account may not sign reports."),
            SignError::Password => self.say("密码不正确。", "The password is not right."),
            SignError::CodeNeeded => {
                self.say("请输入验证器代码。", "Give a code of the authenticator as well.")
            }
            SignError::Code => self.say(
                "密码或代码不正确，或代码已用过：请等待下一个代码。",
                "The password or the code is not right, or the code was used before: wait for the next one.",
            ),
            SignError::Locked { .. } => self.say(
                "错误次数过多，请稍后再试。",
                "Too many wrong attempts: try again later.",
            ),
            SignError::NoKey => self.say(
                "此账号在本中心没有密码，因此没有签名密钥：请联系管理员获取开通码。",
                "This account has no password here, so no signing key: an operator gives a one-time code to set it up.",
            ),
            SignError::Content | SignError::Failed(_) => self.failed,
        };
        said.to_owned()
    }

    pub(super) fn weekday_name(&self, day: u32) -> &'static str {
        let days = match self.language {
            Language::Zh => [
                "星期一",
                "星期二",
                "星期三",
                "星期四",
                "星期五",
                "星期六",
                "星期日",
            ],
            Language::En => [
                "Monday",
                "Tuesday",
                "Wednesday",
                "Thursday",
                "Friday",
                "Saturday",
                "Sunday",
            ],
        };
        usize::try_from(day)
            .ok()
            .and_then(|day| days.get(day).copied())
            .unwrap_or("")
    }

    /// How long something took or is away.
    pub(super) fn span(&self, ms: i64) -> String {
        let minutes = ms.abs() / 60_000;
        let (hours, rest) = (minutes / 60, minutes % 60);
        match (hours, self.language) {
            (0, Language::Zh) => format!("{rest} 分钟"),
            (0, Language::En) => format!("{rest} min"),
            (1..48, Language::Zh) => format!("{hours} 小时 {rest} 分"),
            (1..48, Language::En) => format!("{hours} h {rest} min"),
            (_, Language::Zh) => format!("{} 天", hours / 24),
            (_, Language::En) => format!("{} days", hours / 24),
        }
    }
}
