use std::net::IpAddr;

use barefoot_trust::person_key::{Secret, random};
use ulid::Ulid;

use super::account::{Mistake, TypedProfile, sign_in_name};
use super::password::{Password, PasswordMistake};
use super::roles::Role;
use super::sign_in::secrets_fit;
use super::signing::{new_key, reseal};
use super::{Error, People, PersonView, Signed, delays, secrets, totp};
use crate::archive::{AtWhat, Credentials, NewPerson, NewSecrets};
use crate::audit::{Action, Actor, Entry, Object};

/// A one-time code to set an account up with. Shown once, to whoever made it.
pub(crate) struct SetUpCode {
    pub(crate) person: PersonView,
    pub(crate) code: String,
    pub(crate) hours: u32,
}

/// Why an account was not made, changed or set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    #[error(transparent)]
    Mistake(#[from] Mistake),
    #[error("this sign-in name is taken")]
    Taken,
    #[error("there is no such person")]
    Unknown,
    #[error("the code was used before, ran out, or never was one: ask an operator for a new one")]
    Gone,
    #[error(transparent)]
    Password(#[from] PasswordMistake),
    /// One of the person's own: what stood there before.
    #[error("the password or the code is not right")]
    Wrong,
    #[error("the code of the new authenticator is not right: is the telephone's clock right?")]
    NewCode,
    #[error("too many attempts: wait some minutes")]
    TooMany,
    #[error("the hub's settings have no sign-in provider ([people.oidc])")]
    NoProvider,
    #[error("the provider's number for a person (sub) is 1 to 255 characters on one line")]
    Subject,
    #[error("this number at the provider is another account's")]
    SubjectTaken,
    #[error(transparent)]
    Failed(#[from] Error),
}

/// What somebody types to set an account up.
#[derive(Debug)]
pub(super) struct SettingUp {
    pub(super) code: String,
    pub(super) password: Password,
    pub(super) repeated: Password,
    /// What the page showed for the app, as text.
    pub(super) secret: String,
    pub(super) first_code: String,
    pub(super) address: IpAddr,
}

impl People {
    /// Makes an account. The code sets it up.
    pub(crate) async fn add(
        &self,
        actor: Actor,
        name: &str,
        typed: &TypedProfile,
    ) -> Result<SetUpCode, AccountError> {
        let (name, profile) = (sign_in_name(name)?, typed.check()?);
        let (id, now) = (Ulid::generate().to_string(), self.now_ms());
        let code = secrets::one_time_code().map_err(Error::from)?;
        let new = NewPerson {
            id: &id,
            name: &name,
            profile: &profile,
            set_up: &secrets::code_hash(&code),
            set_up_expires_ms: self.set_up_expires(now),
        };
        let details = format!("made {name}: {}", profile.roles);
        let entry = Entry::new(actor, Action::AccountChanged, Object::subject(&id)).details(&details);
        let added = self.0.archive.add_person(&new, &entry, now).await;
        if !added.map_err(Error::from)? {
            return Err(AccountError::Taken);
        }
        self.code(&id, code).await
    }

    /// Takes password, authenticator and signing key away; the code sets the account up anew.
    pub(crate) async fn reset(&self, actor: Actor, id: &str) -> Result<SetUpCode, AccountError> {
        let now = self.now_ms();
        let code = secrets::one_time_code().map_err(Error::from)?;
        let entry =
            Entry::new(actor, Action::AccountChanged, Object::subject(id)).details("new one-time code");
        let set_up = (&secrets::code_hash(&code), self.set_up_expires(now));
        let reset = self.0.archive.reset_person(id, set_up, &entry, now).await;
        if !reset.map_err(Error::from)? {
            return Err(AccountError::Unknown);
        }
        self.code(id, code).await
    }

    fn set_up_expires(&self, now_ms: i64) -> i64 {
        now_ms + i64::from(self.0.settings.set_up_hours) * 3_600_000
    }

    async fn code(&self, id: &str, code: String) -> Result<SetUpCode, AccountError> {
        Ok(SetUpCode {
            person: self.person(id).await?.ok_or(AccountError::Unknown)?,
            code,
            hours: self.0.settings.set_up_hours,
        })
    }

    /// Where the code is used: a link when the hub knows its own address.
    pub(crate) fn set_up_link(&self, code: &str) -> String {
        let base = self.0.settings.address.as_deref().unwrap_or_default();
        format!("{}/set-up?code={code}", base.trim_end_matches('/'))
    }

    /// A fresh secret for an authenticator. Each page shows another, and none is kept before a code of it came back.
    pub(super) fn new_code_secret(&self) -> Result<String, Error> {
        let secret: [u8; totp::SECRET_BYTES] = random()?;
        Ok(totp::text(&secret))
    }

    /// What an app reads from the square.
    pub(super) fn code_address(&self, secret: &str, person: &PersonView) -> Option<String> {
        let secret = totp::read(secret)?;
        Some(totp::address(&secret, &person.name, &self.0.settings.issuer))
    }

    /// Whose code it is.
    pub(super) async fn to_set_up(&self, code: &str, address: IpAddr) -> Result<PersonView, AccountError> {
        if !self.may_try(address) {
            return Err(AccountError::TooMany);
        }
        let hash = secrets::code_hash(code);
        let person = self.0.archive.person_to_set_up(&hash, self.now_ms()).await;
        match person.map_err(Error::from)? {
            Some(person) => Ok(person),
            None => {
                self.address_failed(address);
                Err(AccountError::Gone)
            }
        }
    }

    /// Password, authenticator and, for a reader, a signing key.
    pub(super) async fn set_up(&self, typed: SettingUp) -> Result<PersonView, AccountError> {
        let person = self.to_set_up(&typed.code, typed.address).await?;
        typed.password.check(&typed.repeated, &person.name)?;
        let secret = totp::read(&typed.secret).ok_or(AccountError::NewCode)?;
        let now = self.now_ms();
        let step = totp::accept(&secret, &typed.first_code, now, 0).ok_or(AccountError::NewCode)?;
        let (password, seal_salt, key) = self.0.hashing.make(&typed.password).await?;
        let seal = |secret, plain: &[u8]| key.seal(secret, &person.id, plain).map_err(Error::from);
        let new = NewSecrets {
            credentials: Credentials {
                password,
                seal_salt,
                code_secret: seal(Secret::CodeSecret, &secret)?,
            },
            code_step: step,
        };
        let signing = if person.has(Role::Reader) {
            Some(new_key(&person.id, &key)?)
        } else {
            None
        };
        let actor = Actor::person(&person.id, &person.display_name);
        let entry = Entry::new(actor, Action::AccountSetUp, Object::subject(&person.id));
        let entry = entry.details(&typed.address.to_string());
        let code = secrets::code_hash(&typed.code);
        let finished = self
            .0
            .archive
            .finish_set_up(&code, &person.id, &new, signing.as_ref(), &entry, now)
            .await;
        if finished.map_err(Error::from)? {
            Ok(person)
        } else {
            Err(AccountError::Gone)
        }
    }

    /// Another password; everything sealed with the old one is sealed with it. The other sessions end.
    pub(super) async fn change_password(
        &self,
        signed: &Signed,
        old: &Password,
        code: &str,
        new: (&Password, &Password),
    ) -> Result<(), AccountError> {
        new.0.check(new.1, &signed.person.name)?;
        self.change(signed, old, code, new.0, None, Action::PasswordChanged, "")
            .await
    }

    /// Another authenticator, after a first code of it.
    pub(super) async fn change_authenticator(
        &self,
        signed: &Signed,
        password: &Password,
        code: &str,
        new: (&str, &str),
    ) -> Result<(), AccountError> {
        let secret = totp::read(new.0).ok_or(AccountError::NewCode)?;
        let step = totp::accept(&secret, new.1, self.now_ms(), 0).ok_or(AccountError::NewCode)?;
        let action = Action::AccountChanged;
        self.change(
            signed,
            password,
            code,
            password,
            Some((secret, step)),
            action,
            "new authenticator",
        )
        .await
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the two changes of secrets differ in these"
    )]
    async fn change(
        &self,
        signed: &Signed,
        old: &Password,
        code: &str,
        new: &Password,
        authenticator: Option<(Vec<u8>, i64)>,
        action: Action,
        details: &str,
    ) -> Result<(), AccountError> {
        let id = &signed.person.id;
        let now = self.now_ms();
        let archive = &self.0.archive;
        if now
            < archive
                .locked_until(id, AtWhat::Signature)
                .await
                .map_err(Error::from)?
        {
            return Err(AccountError::TooMany);
        }
        let row = archive.person(id).await.map_err(Error::from)?;
        let row = row.ok_or(AccountError::Unknown)?;
        let opened = self.0.hashing.open(old, row.secrets.as_ref()).await?;
        let Some(step) = secrets_fit(&row, &opened, code, now) else {
            let entry = Entry::new(signed.actor(), Action::SignInFailed, Object::subject(id));
            let entry = entry.details("to change the account");
            let noted = archive
                .note_failure(id, AtWhat::Signature, delays::until, &entry, now)
                .await;
            noted.map_err(Error::from)?;
            return Err(AccountError::Wrong);
        };
        let secrets = row.secrets.as_ref().ok_or(AccountError::Wrong)?;
        let kept = opened.key.open(Secret::CodeSecret, id, &secrets.code_secret);
        let kept = kept.map_err(Error::from)?;
        let (code_secret, step) = match &authenticator {
            Some((secret, new_step)) => (secret.as_slice(), step.max(*new_step)),
            None => (kept.as_slice(), step),
        };
        let (password, seal_salt, key) = self.0.hashing.make(new).await?;
        let code_secret = key
            .seal(Secret::CodeSecret, id, code_secret)
            .map_err(Error::from)?;
        let new = NewSecrets {
            credentials: Credentials {
                password,
                seal_salt,
                code_secret,
            },
            code_step: step,
        };
        let signing = archive.signing_key(id).await.map_err(Error::from)?;
        let resealed = signing
            .map(|row| reseal(id, row, &opened.key, &key))
            .transpose()?;
        let entry = Entry::new(signed.actor(), action, Object::subject(id)).details(details);
        let changed = archive
            .change_credentials(id, &new, resealed.as_ref(), signed.session.as_str(), &entry, now)
            .await;
        if changed.map_err(Error::from)? {
            Ok(())
        } else {
            Err(AccountError::Wrong)
        }
    }
}
