use super::account::TypedProfile;
use super::{AccountError, Error, People, PersonView};
use crate::audit::{Action, Actor, Entry, Object};

impl People {
    pub(crate) async fn by_name(&self, name: &str) -> Result<PersonView, AccountError> {
        let name = name.trim().to_ascii_lowercase();
        let row = self.0.archive.person_by_name(&name).await.map_err(Error::from)?;
        Ok(row.ok_or(AccountError::Unknown)?.view)
    }

    /// Changes what an operator says of a person. Who is no longer active is signed out everywhere at once.
    pub(crate) async fn change_profile(
        &self,
        actor: Actor,
        id: &str,
        typed: &TypedProfile,
    ) -> Result<(), AccountError> {
        let profile = typed.check()?;
        let details = format!(
            "{}, {}{}",
            profile.roles,
            super::tier_word(profile.tier),
            if profile.active { "" } else { ", disabled" }
        );
        let entry = Entry::new(actor, Action::AccountChanged, Object::subject(id)).details(&details);
        let changed = self
            .0
            .archive
            .change_person(id, &profile, &entry, self.now_ms())
            .await;
        if changed.map_err(Error::from)? {
            Ok(())
        } else {
            Err(AccountError::Unknown)
        }
    }

    pub(crate) async fn disable(&self, actor: Actor, person: &PersonView) -> Result<(), AccountError> {
        let profile = person.profile();
        let typed = TypedProfile {
            display_name: profile.display_name,
            title: profile.title,
            institution: profile.institution,
            roles: profile.roles.to_string(),
            tier: super::tier_word(profile.tier).to_owned(),
            subspecialties: profile.subspecialties.join(" "),
            language: super::language_word(profile.language).to_owned(),
            active: false,
        };
        self.change_profile(actor, &person.id, &typed).await
    }
}
