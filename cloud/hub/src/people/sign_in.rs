use std::net::IpAddr;

use barefoot_trust::person_key::Secret;
use ulid::Ulid;

use super::oidc::Vouched;
use super::password::Password;
use super::roles::Role;
use super::{Error, People, delays, secrets, signing, totp};
use crate::archive::{AtWhat, NewSession, PersonRow};
use crate::audit::{Action, Actor, Entry, Object};

/// Of the browser's own name, kept to tell sessions apart.
const MAX_AGENT_CHARS: usize = 120;

/// Somebody who wants to sign in.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) name: String,
    pub(super) password: Password,
    pub(super) code: String,
    pub(super) address: IpAddr,
    pub(super) agent: String,
}

/// Why not. The first says the same of an unknown name, a wrong password, a wrong or used code, a locked and a disabled
/// account.
#[derive(Debug, thiserror::Error)]
pub(super) enum SignInError {
    #[error("name, password or code is not right, or there were too many attempts")]
    Refused,
    #[error("too many attempts came from this address")]
    TooMany,
    /// All of it was right.
    #[error("this account signs in by the provider")]
    OnlyByProvider,
    #[error(transparent)]
    Failed(#[from] Error),
}

impl People {
    /// Begins a session; what the browser must hold of it.
    pub(super) async fn sign_in(&self, attempt: Attempt) -> Result<String, SignInError> {
        self.sign_in_with(attempt, None).await
    }

    /// `vouched`: the provider's word came before, for the account that is linked with it.
    pub(super) async fn sign_in_with(
        &self,
        attempt: Attempt,
        vouched: Option<&Vouched>,
    ) -> Result<String, SignInError> {
        if !self.may_try(attempt.address) {
            return Err(SignInError::TooMany);
        }
        let name = attempt.name.trim().to_ascii_lowercase();
        let row = self.0.archive.person_by_name(&name).await.map_err(Error::from)?;
        let secrets = row.as_ref().and_then(|row| row.secrets.as_ref());
        let opened = self.0.hashing.open(&attempt.password, secrets).await?;
        let now = self.now_ms();
        let Some(row) = row else {
            self.refuse(None, &attempt, "unknown name").await?;
            return Err(SignInError::Refused);
        };
        let locked = self.0.archive.locked_until(&row.view.id, AtWhat::SignIn).await;
        if now < locked.map_err(Error::from)? {
            // An attempt meanwhile neither helps nor makes it longer.
            self.address_failed(attempt.address);
            return Err(SignInError::Refused);
        }
        let step = secrets_fit(&row, &opened, &attempt.code, now);
        let Some(step) = step.filter(|_| row.view.active) else {
            self.refuse(Some(&row), &attempt, "").await?;
            return Err(SignInError::Refused);
        };
        if vouched.is_none() && self.only_by_provider(&row.view).await? {
            return Err(SignInError::OnlyByProvider);
        }
        let token = secrets::session_token().map_err(Error::from)?;
        let address = attempt.address.to_string();
        let actor = Actor::person(&row.view.id, &row.view.display_name);
        let entry = Entry::new(actor, Action::SignIn, Object::none());
        let entry = match vouched {
            Some(_) => entry.details(&format!("{address} by the provider, password and code")),
            None => entry.details(&address),
        };
        let new = NewSession {
            id: &Ulid::generate().to_string(),
            token: &secrets::token_hash(&token),
            person: &row.view.id,
            code_step: Some(step),
            at_provider: vouched.and_then(|vouched| self.at_provider(vouched)),
            address: &address,
            agent: &agent_words(&attempt.agent),
        };
        let began = self.0.archive.begin_session(&new, &entry, now).await;
        if !began.map_err(Error::from)? {
            self.refuse(Some(&row), &attempt, "").await?;
            return Err(SignInError::Refused);
        }
        if row.view.has(Role::Reader) {
            self.give_key(&row.view.id, &opened.key).await?;
        }
        self.forget().await?;
        Ok(token)
    }

    /// Somebody may have become a reader after the account was set up.
    pub(super) async fn give_key(
        &self,
        person: &str,
        key: &barefoot_trust::person_key::SealingKey,
    ) -> Result<(), Error> {
        if self.0.archive.signing_key(person).await?.is_none() {
            let new = signing::new_key(person, key)?;
            self.0
                .archive
                .add_signing_key(person, &new, self.now_ms())
                .await?;
        }
        Ok(())
    }

    async fn refuse(&self, row: Option<&PersonRow>, attempt: &Attempt, why: &str) -> Result<(), Error> {
        self.address_failed(attempt.address);
        self.note_refusal(row, attempt.address, why).await
    }

    /// The name that was typed is not written down: it may be a password in the wrong field.
    pub(super) async fn note_refusal(
        &self,
        row: Option<&PersonRow>,
        address: IpAddr,
        why: &str,
    ) -> Result<(), Error> {
        let now = self.now_ms();
        let details = format!("{address} {why}");
        match row {
            Some(row) => {
                let person = &row.view;
                let actor = Actor::person(&person.id, &person.display_name);
                let entry = Entry::new(actor, Action::SignInFailed, Object::none()).details(&details);
                let noted =
                    self.0
                        .archive
                        .note_failure(&person.id, AtWhat::SignIn, delays::until, &entry, now);
                noted.await?;
            }
            None => {
                let entry = Entry::new(Actor::Hub("sign-in"), Action::SignInFailed, Object::none());
                self.0.archive.append_audit(&entry.details(&details), now).await?;
            }
        }
        Ok(())
    }
}

/// Of the browser's own name, what is kept.
pub(super) fn agent_words(agent: &str) -> String {
    agent.chars().take(MAX_AGENT_CHARS).collect()
}

/// The code's time step, if password and code are right and the code was not used.
pub(super) fn secrets_fit(
    row: &PersonRow,
    opened: &super::hashing::Opened,
    code: &str,
    now_ms: i64,
) -> Option<i64> {
    let sealed = &row.secrets.as_ref()?.code_secret;
    let secret = opened.key.open(Secret::CodeSecret, &row.view.id, sealed).ok()?;
    totp::accept(&secret, code, now_ms, row.code_step).filter(|_| opened.fits)
}
