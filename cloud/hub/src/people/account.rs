use barefoot_domain::Tier;

use super::roles::{Right, Role, Roles};
use crate::config::Language;

/// A person as pages and other parts know one. Nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PersonView {
    /// ULID.
    pub(crate) id: String,
    /// What is typed to sign in.
    pub(crate) name: String,
    /// As it stands on reports.
    pub(crate) display_name: String,
    pub(crate) title: String,
    pub(crate) institution: String,
    pub(crate) roles: Roles,
    pub(crate) tier: Tier,
    /// Short codes, for instance `chest`; empty: all.
    pub(crate) subspecialties: Vec<String>,
    pub(crate) language: Language,
    pub(crate) active: bool,
    /// Password and authenticator are there.
    pub(crate) set_up: bool,
}

/// What an operator says of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) display_name: String,
    pub(crate) title: String,
    pub(crate) institution: String,
    pub(crate) roles: Roles,
    pub(crate) tier: Tier,
    pub(crate) subspecialties: Vec<String>,
    pub(crate) language: Language,
    pub(crate) active: bool,
}

/// What is wrong with what was typed.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    #[error("a sign-in name is 2 to 32 of a-z, 0-9, '.', '_', '-', and begins with a letter")]
    Name,
    #[error("the name as it stands on reports is missing, or longer than 64 characters")]
    DisplayName,
    #[error("title and institution are at most 64 characters, without line breaks")]
    Words,
    #[error("at least one role is needed: reader, chief, operator, maintainer, auditor")]
    Roles,
    #[error("the tier is county, city or province")]
    Tier,
    #[error("subspecialties are at most 16 short codes of a-z, 0-9, '-', with a space between")]
    Subspecialties,
    #[error("the language is zh or en")]
    Language,
}

const MAX_CHARS: usize = 64;

impl PersonView {
    pub(crate) fn may(&self, right: Right) -> bool {
        self.roles.may(right)
    }

    pub(crate) fn has(&self, role: Role) -> bool {
        self.roles.has(role)
    }

    pub(super) fn profile(&self) -> Profile {
        Profile {
            display_name: self.display_name.clone(),
            title: self.title.clone(),
            institution: self.institution.clone(),
            roles: self.roles.clone(),
            tier: self.tier,
            subspecialties: self.subspecialties.clone(),
            language: self.language,
            active: self.active,
        }
    }
}

/// The same in small letters, if it can be one.
pub(super) fn sign_in_name(text: &str) -> Result<String, Mistake> {
    let name = text.trim().to_ascii_lowercase();
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    let starts = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if (2..=32).contains(&name.len()) && starts && name.bytes().all(allowed) {
        Ok(name)
    } else {
        Err(Mistake::Name)
    }
}

fn words(text: &str) -> Result<String, Mistake> {
    let text = text.trim();
    if MAX_CHARS < text.chars().count() || text.chars().any(char::is_control) {
        return Err(Mistake::Words);
    }
    Ok(text.to_owned())
}

pub(crate) fn tier_word(tier: Tier) -> &'static str {
    match tier {
        Tier::County => "county",
        Tier::City => "city",
        Tier::Province => "province",
    }
}

pub(crate) fn parse_tier(word: &str) -> Option<Tier> {
    [Tier::County, Tier::City, Tier::Province]
        .into_iter()
        .find(|tier| tier_word(*tier) == word)
}

pub(crate) fn language_word(language: Language) -> &'static str {
    match language {
        Language::Zh => "zh",
        Language::En => "en",
    }
}

pub(crate) fn parse_language(word: &str) -> Option<Language> {
    [Language::Zh, Language::En]
        .into_iter()
        .find(|language| language_word(*language) == word)
}

fn subspecialties(text: &str) -> Result<Vec<String>, Mistake> {
    let mut codes: Vec<_> = text
        .split([' ', ',', '，', '\u{3000}'])
        .filter(|code| !code.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    codes.sort();
    codes.dedup();
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let good = |code: &String| code.len() <= 24 && code.bytes().all(allowed);
    if 16 < codes.len() || !codes.iter().all(good) {
        return Err(Mistake::Subspecialties);
    }
    Ok(codes)
}

/// As it was typed, on a page or a command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TypedProfile {
    pub(crate) display_name: String,
    pub(crate) title: String,
    pub(crate) institution: String,
    pub(crate) roles: String,
    pub(crate) tier: String,
    pub(crate) subspecialties: String,
    pub(crate) language: String,
    pub(crate) active: bool,
}

impl TypedProfile {
    pub(crate) fn check(&self) -> Result<Profile, Mistake> {
        let display_name = words(&self.display_name).map_err(|_| Mistake::DisplayName)?;
        if display_name.is_empty() {
            return Err(Mistake::DisplayName);
        }
        let roles = Roles::parse(&self.roles).filter(|roles| !roles.is_empty());
        Ok(Profile {
            display_name,
            title: words(&self.title)?,
            institution: words(&self.institution)?,
            roles: roles.ok_or(Mistake::Roles)?,
            tier: parse_tier(&self.tier).ok_or(Mistake::Tier)?,
            subspecialties: subspecialties(&self.subspecialties)?,
            language: parse_language(&self.language).ok_or(Mistake::Language)?,
            active: self.active,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_small() {
        assert_eq!(sign_in_name(" Li.Wei ").unwrap(), "li.wei");
        for bad in ["", "a", "1a", "li wei", "李伟", &"a".repeat(33), "a/b", "-ab"] {
            assert_eq!(sign_in_name(bad), Err(Mistake::Name), "{bad}");
        }
    }

    #[test]
    fn a_profile_is_checked_field_by_field() {
        let typed = TypedProfile {
            display_name: " 李伟 ".into(),
            roles: "reader".into(),
            tier: "city".into(),
            subspecialties: "CT chest，bone chest".into(),
            language: "zh".into(),
            active: true,
            ..TypedProfile::default()
        };
        let profile = typed.check().unwrap();
        assert_eq!(profile.display_name, "李伟");
        assert_eq!(profile.subspecialties, ["bone", "chest", "ct"]);
        let with = |change: &dyn Fn(&mut TypedProfile)| {
            let mut typed = typed.clone();
            change(&mut typed);
            typed.check().unwrap_err()
        };
        assert_eq!(
            with(&|typed| typed.display_name = " ".into()),
            Mistake::DisplayName
        );
        assert_eq!(with(&|typed| typed.title = "a\nb".into()), Mistake::Words);
        assert_eq!(with(&|typed| typed.institution = "x".repeat(65)), Mistake::Words);
        assert_eq!(with(&|typed| typed.roles = String::new()), Mistake::Roles);
        assert_eq!(with(&|typed| typed.roles = "doctor".into()), Mistake::Roles);
        assert_eq!(with(&|typed| typed.tier = "village".into()), Mistake::Tier);
        assert_eq!(
            with(&|typed| typed.subspecialties = "a/b".into()),
            Mistake::Subspecialties
        );
        assert_eq!(with(&|typed| typed.language = "fr".into()), Mistake::Language);
    }
}
