//! Who may do what: one table.

use std::fmt;

/// What somebody is at the hub; a person may be several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Reads cases and signs reports.
    Reader,
    /// A reader who also keeps the roster and the teaching files, and may take a case off the list.
    Chief,
    /// Keeps accounts, tokens and settings.
    Operator,
    /// Keeps models, rounds and releases.
    Maintainer,
    /// Reads the audit log, nothing else.
    Auditor,
}

/// What a program with a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ProgramRole {
    /// Lists and fetches: a viewer, a research export.
    Viewer,
    /// Works on the list too: a RIS. It signs nothing.
    Reader,
    /// Only brings images: a scanner's gateway.
    Sender,
    /// Reads counts and states: a dashboard.
    Monitor,
}

/// Something that not everybody may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Right {
    /// Counts and the state of lines.
    SeeStatus,
    /// Results, cases, drafts and reports.
    SeeCases,
    SeeImages,
    StoreImages,
    /// Claim, refer, ask for images, write to the clinic.
    WorkOnCases,
    /// Write and sign; only a person can.
    SignReports,
    KeepRoster,
    KeepTeaching,
    WithdrawCases,
    SeeModels,
    KeepPeople,
    ReadAudit,
}

impl Right {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 12] = [
        Self::SeeStatus,
        Self::SeeCases,
        Self::SeeImages,
        Self::StoreImages,
        Self::WorkOnCases,
        Self::SignReports,
        Self::KeepRoster,
        Self::KeepTeaching,
        Self::WithdrawCases,
        Self::SeeModels,
        Self::KeepPeople,
        Self::ReadAudit,
    ];
}

impl Role {
    pub(crate) const ALL: [Self; 5] = [
        Self::Reader,
        Self::Chief,
        Self::Operator,
        Self::Maintainer,
        Self::Auditor,
    ];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Chief => "chief",
            Self::Operator => "operator",
            Self::Maintainer => "maintainer",
            Self::Auditor => "auditor",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }

    pub(crate) fn may(self, right: Right) -> bool {
        match right {
            Right::SeeStatus => matches!(
                self,
                Self::Reader | Self::Chief | Self::Operator | Self::Maintainer
            ),
            Right::SeeCases => matches!(self, Self::Reader | Self::Chief | Self::Operator),
            Right::SeeImages | Right::WorkOnCases | Right::SignReports => {
                matches!(self, Self::Reader | Self::Chief)
            }
            Right::KeepRoster | Right::KeepTeaching | Right::WithdrawCases => self == Self::Chief,
            Right::SeeModels => matches!(self, Self::Chief | Self::Operator | Self::Maintainer),
            Right::KeepPeople => self == Self::Operator,
            Right::ReadAudit => self == Self::Auditor,
            Right::StoreImages => false,
        }
    }
}

impl ProgramRole {
    pub(crate) const ALL: [Self; 4] = [Self::Viewer, Self::Reader, Self::Sender, Self::Monitor];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Reader => "reader",
            Self::Sender => "sender",
            Self::Monitor => "monitor",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }

    pub(crate) fn may(self, right: Right) -> bool {
        match right {
            Right::SeeStatus => matches!(self, Self::Viewer | Self::Reader | Self::Monitor),
            Right::SeeCases | Right::SeeImages => matches!(self, Self::Viewer | Self::Reader),
            Right::WorkOnCases => self == Self::Reader,
            Right::StoreImages => matches!(self, Self::Reader | Self::Sender),
            Right::SignReports
            | Right::KeepRoster
            | Right::KeepTeaching
            | Right::WithdrawCases
            | Right::SeeModels
            | Right::KeepPeople
            | Right::ReadAudit => false,
        }
    }
}

/// A set of roles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Roles(Vec<Role>);

impl Roles {
    /// Each once, in the order of [`Role::ALL`].
    pub(crate) fn of(roles: impl IntoIterator<Item = Role>) -> Self {
        let mut roles: Vec<_> = roles.into_iter().collect();
        roles.sort_unstable();
        roles.dedup();
        Self(roles)
    }

    /// Words with a space between; `None` when one is unknown.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let roles: Option<Vec<_>> = text.split_whitespace().map(Role::parse).collect();
        roles.map(Self::of)
    }

    /// A chief is a reader too.
    pub(crate) fn has(&self, role: Role) -> bool {
        self.0.contains(&role) || (role == Role::Reader && self.0.contains(&Role::Chief))
    }

    /// Exactly as it was given.
    pub(crate) fn names(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    pub(crate) fn may(&self, right: Right) -> bool {
        self.0.iter().any(|role| role.may(right))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.0.iter().map(|role| role.word()).collect();
        f.write_str(&words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_rights() {
        use Right::*;
        let table: [(Role, &[Right]); 5] = [
            (
                Role::Reader,
                &[SeeStatus, SeeCases, SeeImages, WorkOnCases, SignReports],
            ),
            (
                Role::Chief,
                &[
                    SeeStatus,
                    SeeCases,
                    SeeImages,
                    WorkOnCases,
                    SignReports,
                    KeepRoster,
                    KeepTeaching,
                    WithdrawCases,
                    SeeModels,
                ],
            ),
            (Role::Operator, &[SeeStatus, SeeCases, SeeModels, KeepPeople]),
            (Role::Maintainer, &[SeeStatus, SeeModels]),
            (Role::Auditor, &[ReadAudit]),
        ];
        for (role, rights) in table {
            for right in Right::ALL {
                assert_eq!(role.may(right), rights.contains(&right), "{role:?} {right:?}");
            }
        }
        let programs: [(ProgramRole, &[Right]); 4] = [
            (ProgramRole::Viewer, &[SeeStatus, SeeCases, SeeImages]),
            (
                ProgramRole::Reader,
                &[SeeStatus, SeeCases, SeeImages, WorkOnCases, StoreImages],
            ),
            (ProgramRole::Sender, &[StoreImages]),
            (ProgramRole::Monitor, &[SeeStatus]),
        ];
        for (role, rights) in programs {
            for right in Right::ALL {
                assert_eq!(role.may(right), rights.contains(&right), "{role:?} {right:?}");
            }
        }
    }

    #[test]
    fn roles_are_a_set_of_words() {
        let roles = Roles::parse("chief operator chief").unwrap();
        assert_eq!(roles.to_string(), "chief operator");
        assert!(roles.has(Role::Reader) && !roles.names(Role::Reader));
        assert!(roles.may(Right::SignReports) && !roles.has(Role::Auditor));
        assert!(Roles::parse("doctor").is_none());
        assert!(Roles::parse("").unwrap().is_empty());
    }
}
