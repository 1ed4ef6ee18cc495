//! Every word the pages of people show, once per language. A translator needs this file only.

use barefoot_domain::Tier;

use crate::config::Language;
use crate::people::{Mistake, PasswordMistake, Role, Roles};

#[derive(Debug)]
pub(super) struct Words {
    pub(super) tag: &'static str,
    pub(super) region: &'static str,
    pub(super) to_content: &'static str,
    pub(super) sign_in: &'static str,
    pub(super) sign_out: &'static str,
    pub(super) account: &'static str,
    pub(super) people: &'static str,
    pub(super) audit: &'static str,
    pub(super) results: &'static str,
    pub(super) worklist: &'static str,
    pub(super) name: &'static str,
    pub(super) password: &'static str,
    pub(super) code: &'static str,
    pub(super) code_help: &'static str,
    pub(super) refused: &'static str,
    pub(super) too_many: &'static str,
    pub(super) forgotten: &'static str,
    pub(super) set_up_done: &'static str,
    pub(super) set_up: &'static str,
    pub(super) set_up_code: &'static str,
    pub(super) set_up_code_help: &'static str,
    pub(super) go_on: &'static str,
    pub(super) code_gone: &'static str,
    pub(super) choose_password: &'static str,
    pub(super) password_help: &'static str,
    pub(super) repeat: &'static str,
    pub(super) authenticator: &'static str,
    pub(super) authenticator_help: &'static str,
    pub(super) square: &'static str,
    pub(super) key: &'static str,
    pub(super) first_code: &'static str,
    pub(super) new_code_wrong: &'static str,
    pub(super) wrong: &'static str,
    pub(super) short: &'static str,
    pub(super) long: &'static str,
    pub(super) easy: &'static str,
    pub(super) differs: &'static str,
    pub(super) change_password: &'static str,
    pub(super) old_password: &'static str,
    pub(super) new_password: &'static str,
    pub(super) change_authenticator: &'static str,
    pub(super) change_authenticator_help: &'static str,
    pub(super) old_code: &'static str,
    pub(super) new_code: &'static str,
    pub(super) change: &'static str,
    pub(super) changed: &'static str,
    pub(super) sessions: &'static str,
    pub(super) began: &'static str,
    pub(super) seen: &'static str,
    pub(super) address: &'static str,
    pub(super) browser: &'static str,
    pub(super) here: &'static str,
    pub(super) sign_out_everywhere: &'static str,
    pub(super) display_name: &'static str,
    pub(super) title: &'static str,
    pub(super) institution: &'static str,
    pub(super) roles: &'static str,
    pub(super) tier: &'static str,
    pub(super) subspecialties: &'static str,
    pub(super) subspecialties_help: &'static str,
    pub(super) speaks: &'static str,
    pub(super) state: &'static str,
    pub(super) active: &'static str,
    pub(super) disabled: &'static str,
    pub(super) not_set_up: &'static str,
    pub(super) add_person: &'static str,
    pub(super) edit: &'static str,
    pub(super) save: &'static str,
    pub(super) may_sign_in: &'static str,
    pub(super) active_help: &'static str,
    pub(super) name_help: &'static str,
    pub(super) taken: &'static str,
    pub(super) not_yourself: &'static str,
    pub(super) mistake_name: &'static str,
    pub(super) mistake_display_name: &'static str,
    pub(super) mistake_words: &'static str,
    pub(super) mistake_roles: &'static str,
    pub(super) mistake_tier: &'static str,
    pub(super) mistake_subspecialties: &'static str,
    pub(super) mistake_language: &'static str,
    pub(super) new_one_time_code: &'static str,
    pub(super) reset_help: &'static str,
    pub(super) code_made: &'static str,
    pub(super) give_code: &'static str,
    pub(super) link: &'static str,
    pub(super) back: &'static str,
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
    region: "区域中心",
    to_content: "跳到内容",
    sign_in: "登录",
    sign_out: "退出",
    account: "我的账号",
    people: "人员",
    audit: "审计日志",
    results: "影像结果",
    worklist: "阅片列表",
    name: "登录名",
    password: "密码",
    code: "验证码",
    code_help: "身份验证器应用显示的六位数字。每个验证码只能使用一次。",
    refused: "登录名、密码或验证码不正确，或者尝试次数过多。请核对后再试；如已多次失败，请等待几分钟。",
    too_many: "尝试次数过多，请等待几分钟后再试。",
    forgotten: "忘记密码或更换了手机：请联系管理员获取新的开通码。",
    set_up_done: "账号已开通。请等待应用显示下一个验证码，然后登录。",
    set_up: "开通账号",
    set_up_code: "开通码",
    set_up_code_help: "管理员给您的开通码，只能使用一次。",
    go_on: "继续",
    code_gone: "开通码无效：已使用、已过期或输入有误。请联系管理员获取新的开通码。",
    choose_password: "设置密码",
    password_help: "至少 10 个字符，不能包含登录名。",
    repeat: "再次输入密码",
    authenticator: "身份验证器",
    authenticator_help: "用手机上的身份验证器应用扫描此图，或手动输入密钥；然后填写应用显示的六位验证码。",
    square: "供身份验证器应用扫描的二维码",
    key: "密钥",
    first_code: "应用显示的验证码",
    new_code_wrong: "新验证器的验证码不正确。请确认手机时间准确，并使用当前显示的验证码。",
    wrong: "密码或验证码不正确，或验证码已使用过。",
    short: "密码至少需要 10 个字符。",
    long: "密码过长。",
    easy: "密码过于简单：字符重复、连续，或包含登录名。",
    differs: "两次输入的密码不一致。",
    change_password: "更改密码",
    old_password: "当前密码",
    new_password: "新密码",
    change_authenticator: "更换身份验证器",
    change_authenticator_help: "更换手机时使用。需要当前密码和旧验证器的验证码。",
    old_code: "旧验证器的验证码",
    new_code: "新验证器的验证码",
    change: "更改",
    changed: "已更改。其他登录会话已结束。",
    sessions: "登录会话",
    began: "开始",
    seen: "最近使用",
    address: "地址",
    browser: "浏览器",
    here: "当前会话",
    sign_out_everywhere: "退出所有会话",
    display_name: "姓名（用于报告）",
    title: "职称",
    institution: "单位",
    roles: "角色",
    tier: "层级",
    subspecialties: "专业方向",
    subspecialties_help: "短代码，用空格分隔，例如 chest bone ct；留空表示全部。",
    speaks: "语言",
    state: "状态",
    active: "启用",
    disabled: "停用",
    not_set_up: "未开通",
    add_person: "添加人员",
    edit: "编辑",
    save: "保存",
    may_sign_in: "账号启用",
    active_help: "停用后，其所有会话立即结束。",
    name_help: "2 至 32 个小写字母、数字或 . _ -，以字母开头。",
    taken: "该登录名已被使用。",
    not_yourself: "不能停用自己的账号，也不能取消自己的管理员角色：请由其他管理员操作。",
    mistake_name: "登录名格式不正确：2 至 32 个小写字母、数字或 . _ -，以字母开头。",
    mistake_display_name: "请填写姓名，最多 64 个字符。",
    mistake_words: "职称和单位最多 64 个字符，不能换行。",
    mistake_roles: "请至少选择一个角色。",
    mistake_tier: "请选择层级。",
    mistake_subspecialties: "专业方向最多 16 个，只能使用小写字母、数字和 -。",
    mistake_language: "请选择语言。",
    new_one_time_code: "重置并生成新开通码",
    reset_help: "密码、身份验证器和签名密钥将作废，所有会话结束。",
    code_made: "一次性开通码",
    give_code: "请通过可靠方式交给本人。此码只显示这一次。",
    link: "链接",
    back: "返回",
    language: Language::Zh,
};

static EN: Words = Words {
    tag: "en",
    region: "Regional hub",
    to_content: "Skip to content",
    sign_in: "Sign in",
    sign_out: "Sign out",
    account: "My account",
    people: "People",
    audit: "Audit log",
    results: "Results",
    worklist: "Worklist",
    name: "Sign-in name",
    password: "Password",
    code: "Code",
    code_help: "The six digits your authenticator app shows. Each code can be used once.",
    refused: "Name, password or code is not right, or there were too many attempts. Check them; after several failures wait some minutes.",
    too_many: "Too many attempts. Wait some minutes, then try again.",
    forgotten: "Password forgotten or telephone lost: an operator gives you a new one-time code.",
    set_up_done: "The account is set up. Wait for the next code in the app, then sign in.",
    set_up: "Set up the account",
    set_up_code: "One-time code",
    set_up_code_help: "The code an operator gave you; it can be used once.",
    go_on: "Continue",
    code_gone: "This code is not valid: it was used, ran out, or was mistyped. Ask an operator for a new one.",
    choose_password: "Choose a password",
    password_help: "At least 10 characters, without the sign-in name.",
    repeat: "Repeat the password",
    authenticator: "Authenticator",
    authenticator_help: "Scan this square with an authenticator app on your telephone, or type the key by hand; then fill in the six digits it shows.",
    square: "Square for an authenticator app to scan",
    key: "Key",
    first_code: "Code shown by the app",
    new_code_wrong: "The new authenticator's code is not right. Check the telephone's clock and use the code shown now.",
    wrong: "Password or code is not right, or the code was used before.",
    short: "A password has at least 10 characters.",
    long: "The password is too long.",
    easy: "The password is too easy: repeated characters, a row, or the sign-in name in it.",
    differs: "The two passwords differ.",
    change_password: "Change the password",
    old_password: "Current password",
    new_password: "New password",
    change_authenticator: "Change the authenticator",
    change_authenticator_help: "For a new telephone. It needs your password and a code of the old authenticator.",
    old_code: "Code of the old authenticator",
    new_code: "Code of the new authenticator",
    change: "Change",
    changed: "Changed. Your other sessions have ended.",
    sessions: "Sessions",
    began: "Began",
    seen: "Last used",
    address: "Address",
    browser: "Browser",
    here: "this one",
    sign_out_everywhere: "Sign out everywhere",
    display_name: "Name (as on reports)",
    title: "Title",
    institution: "Institution",
    roles: "Roles",
    tier: "Tier",
    subspecialties: "Subspecialties",
    subspecialties_help: "Short codes with a space between, for instance chest bone ct; empty means all.",
    speaks: "Language",
    state: "State",
    active: "active",
    disabled: "disabled",
    not_set_up: "not set up",
    add_person: "Add a person",
    edit: "Edit",
    save: "Save",
    may_sign_in: "The account is active",
    active_help: "Without it all of this person's sessions end at once.",
    name_help: "2 to 32 small letters, digits or . _ -, a letter first.",
    taken: "This sign-in name is taken.",
    not_yourself: "You cannot disable yourself or give up your operator role: another operator must do it.",
    mistake_name: "The sign-in name is 2 to 32 small letters, digits or . _ -, a letter first.",
    mistake_display_name: "The name is missing, or longer than 64 characters.",
    mistake_words: "Title and institution are at most 64 characters on one line.",
    mistake_roles: "Choose at least one role.",
    mistake_tier: "Choose a tier.",
    mistake_subspecialties: "Subspecialties are at most 16 codes of small letters, digits and '-'.",
    mistake_language: "Choose a language.",
    new_one_time_code: "Reset: new one-time code",
    reset_help: "Password, authenticator and signing key become void, and all sessions end.",
    code_made: "One-time code",
    give_code: "Give it to this person in a way you trust. It is shown this once.",
    link: "Link",
    back: "Back",
    language: Language::En,
};

impl Words {
    pub(super) fn is_english(&self) -> bool {
        self.language == Language::En
    }

    pub(super) fn role(&self, role: Role) -> &'static str {
        let (zh, en) = match role {
            Role::Reader => ("阅片医师", "Reader"),
            Role::Chief => ("主任医师", "Chief"),
            Role::Operator => ("管理员", "Operator"),
            Role::Maintainer => ("模型维护员", "Maintainer"),
            Role::Auditor => ("审计员", "Auditor"),
        };
        self.either(zh, en)
    }

    fn either(&self, zh: &'static str, en: &'static str) -> &'static str {
        match self.language {
            Language::Zh => zh,
            Language::En => en,
        }
    }

    pub(super) fn roles(&self, roles: &Roles) -> String {
        let words: Vec<_> = Role::ALL
            .into_iter()
            .filter(|role| roles.names(*role))
            .map(|role| self.role(role))
            .collect();
        words.join(self.either("、", ", "))
    }

    pub(super) fn tier(&self, tier: Tier) -> &'static str {
        match tier {
            Tier::County => self.either("县级", "County"),
            Tier::City => self.either("市级", "City"),
            Tier::Province => self.either("省级", "Province"),
        }
    }

    /// The form's words with what people read.
    pub(super) fn tiers(&self) -> [(&'static str, &'static str); 3] {
        [Tier::County, Tier::City, Tier::Province]
            .map(|tier| (crate::people::tier_word(tier), self.tier(tier)))
    }

    pub(super) fn mistake(&self, mistake: Mistake) -> &'static str {
        match mistake {
            Mistake::Name => self.mistake_name,
            Mistake::DisplayName => self.mistake_display_name,
            Mistake::Words => self.mistake_words,
            Mistake::Roles => self.mistake_roles,
            Mistake::Tier => self.mistake_tier,
            Mistake::Subspecialties => self.mistake_subspecialties,
            Mistake::Language => self.mistake_language,
        }
    }

    pub(super) fn password_mistake(&self, mistake: PasswordMistake) -> &'static str {
        match mistake {
            PasswordMistake::Short => self.short,
            PasswordMistake::Long => self.long,
            PasswordMistake::Easy => self.easy,
            PasswordMistake::Differs => self.differs,
        }
    }

    pub(super) fn hours(&self, hours: u32) -> String {
        match self.language {
            Language::Zh => format!("{hours} 小时内有效。"),
            Language::En => format!("It is valid for {hours} hours."),
        }
    }
}
