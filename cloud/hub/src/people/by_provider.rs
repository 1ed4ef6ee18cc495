//! Who comes from the region's sign-in provider: which account that is, whether it may come in so, and how it goes out.

use std::net::IpAddr;

use axum::http::HeaderValue;
use ulid::Ulid;

use super::oidc::{Away, Fault, Flow, Returned, Step, Vouched, is_name};
use super::password::Password;
use super::roles::Role;
use super::set_up::AccountError;
use super::sign_in::{Attempt, SignInError, agent_words};
use super::{Error, People, PersonView, secrets};
use crate::archive::{AtProvider, IdentityRow, Linked, NewSession};
use crate::audit::{Action, Actor, Entry, Object};

/// What came of a sign-in at the provider.
pub(super) enum Came {
    /// A session, and where to go on.
    In { token: String, next: String },
    /// Password and code are missing; what the browser holds until then.
    Halfway { token: String },
}

/// Why nobody came in.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotIn {
    #[error("there is no sign-in provider")]
    NoProvider,
    #[error("too many attempts came from this address")]
    TooMany,
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The provider knows them, and no active account is theirs.
    #[error("no active account is linked")]
    NotLinked { subject: String },
    #[error(transparent)]
    Failed(#[from] Error),
}

/// Where somebody calls from.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) address: IpAddr,
    pub(super) agent: String,
}

impl People {
    /// What the sign-in page calls the provider.
    pub(crate) fn provider_label(&self) -> Option<&str> {
        self.0.oidc.as_ref().map(|oidc| oidc.settings.label.as_str())
    }

    /// Fails where the settings name a secret that cannot be read.
    ///
    /// # Errors
    /// Then.
    pub(crate) fn check_provider(&self) -> Result<(), Error> {
        match &self.0.oidc {
            Some(oidc) => oidc.check().map_err(|source| Error::Provider {
                source: source.into(),
            }),
            None => Ok(()),
        }
    }

    /// Where a browser goes to sign in, and what it must bring back.
    pub(super) async fn to_provider(
        &self,
        next: &str,
        address: IpAddr,
    ) -> Result<(HeaderValue, Flow), NotIn> {
        let oidc = self.0.oidc.as_ref().ok_or(NotIn::NoProvider)?;
        if !self.may_try(address) {
            return Err(NotIn::TooMany);
        }
        let now = self.now_ms();
        let flow = Flow::begin(next, now)?;
        let to = oidc.leave(&flow, now).await;
        let to = to.inspect_err(told).map_err(Fault::Away)?;
        Ok((to, flow))
    }

    pub(super) fn flow_of(&self, cookie: &str) -> Option<Flow> {
        Flow::read(cookie, self.now_ms())
    }

    /// Whoever the provider vouches for.
    pub(super) async fn back_from_provider(
        &self,
        flow: Option<&Flow>,
        returned: &Returned,
        from: &Place,
    ) -> Result<Came, NotIn> {
        let oidc = self.0.oidc.as_ref().ok_or(NotIn::NoProvider)?;
        if !self.may_try(from.address) {
            return Err(NotIn::TooMany);
        }
        let now = self.now_ms();
        let came = match flow {
            Some(flow) => oidc.come_back(flow, returned, now).await,
            None => Err(Fault::Foreign),
        };
        let vouched = match came {
            Ok(vouched) => vouched,
            Err(fault) => {
                self.not_vouched(&fault, from.address).await?;
                return Err(fault.into());
            }
        };
        let Some((person, identity)) = self.linked_to(&vouched.subject).await? else {
            self.note_refusal(None, from.address, "by the provider: no active account is linked")
                .await?;
            return Err(NotIn::NotLinked {
                subject: vouched.subject,
            });
        };
        let next = flow.map(|flow| flow.next.clone()).unwrap_or_default();
        // Who has no password here has nothing to show; two factors are then the provider's to prove.
        let shown = identity.confirmed || !person.set_up;
        if !vouched.two_factors || !shown {
            let token = secrets::session_token().map_err(Error::from)?;
            let step = Step {
                person: person.id,
                name: person.name,
                vouched,
                next,
            };
            oidc.steps.put(&token, step, now);
            return Ok(Came::Halfway { token });
        }
        let token = self.begin(&person, &vouched, from).await?;
        self.forget().await?;
        token.map(|token| Came::In { token, next }).ok_or_else(|| {
            // Unlinked or disabled in this moment.
            NotIn::NotLinked {
                subject: vouched.subject,
            }
        })
    }

    async fn linked_to(&self, subject: &str) -> Result<Option<(PersonView, IdentityRow)>, Error> {
        let Some(oidc) = &self.0.oidc else {
            return Ok(None);
        };
        let archive = &self.0.archive;
        let Some(identity) = archive.identity(&oidc.settings.issuer, subject).await? else {
            return Ok(None);
        };
        let row = archive.person(&identity.person).await?;
        let person = row.map(|row| row.view).filter(|person| person.active);
        Ok(person.map(|person| (person, identity)))
    }

    async fn begin(
        &self,
        person: &PersonView,
        vouched: &Vouched,
        from: &Place,
    ) -> Result<Option<String>, Error> {
        let token = secrets::session_token()?;
        let address = from.address.to_string();
        let actor = Actor::person(&person.id, &person.display_name);
        let entry = Entry::new(actor, Action::SignIn, Object::none());
        let entry = entry.details(&format!("{address} by the provider"));
        let new = NewSession {
            id: &Ulid::generate().to_string(),
            token: &secrets::token_hash(&token),
            person: &person.id,
            code_step: None,
            at_provider: self.at_provider(vouched),
            address: &address,
            agent: &agent_words(&from.agent),
        };
        let began = self.0.archive.begin_session(&new, &entry, self.now_ms()).await?;
        Ok(began.then_some(token))
    }

    pub(super) fn at_provider<'a>(&'a self, vouched: &'a Vouched) -> Option<AtProvider<'a>> {
        self.0.oidc.as_ref().map(|oidc| AtProvider {
            issuer: &oidc.settings.issuer,
            subject: &vouched.subject,
            session: vouched.session.as_deref(),
        })
    }

    /// Whose second step it is.
    pub(super) fn step(&self, token: &str) -> Option<Step> {
        self.0.oidc.as_ref()?.steps.get(token, self.now_ms())
    }

    /// Password and code after the provider's word: the same check, the same delays, as without it.
    pub(super) async fn second_step(
        &self,
        token: &str,
        (password, code): (Password, String),
        from: Place,
    ) -> Result<(String, String), SignInError> {
        let step = self.step(token).ok_or(SignInError::Refused)?;
        let attempt = Attempt {
            name: step.name.clone(),
            password,
            code,
            address: from.address,
            agent: from.agent,
        };
        let session = self.sign_in_with(attempt, Some(&step.vouched)).await?;
        if let Some(oidc) = &self.0.oidc {
            oidc.steps.drop(token);
        }
        Ok((session, step.next))
    }

    /// Whether this account may not come in by password alone. Operators always may: somebody must be able to come in
    /// on the day the provider does not answer.
    pub(super) async fn only_by_provider(&self, person: &PersonView) -> Result<bool, Error> {
        let Some(oidc) = self.0.oidc.as_ref().filter(|oidc| oidc.settings.only) else {
            return Ok(false);
        };
        if person.has(Role::Operator) {
            return Ok(false);
        }
        let identity = self.0.archive.identity_of(&person.id).await?;
        Ok(identity.is_some_and(|identity| identity.issuer == oidc.settings.issuer))
    }

    /// The account at the provider that is linked with this one.
    pub(crate) async fn identity_of(&self, person: &str) -> Result<Option<IdentityRow>, Error> {
        Ok(self.0.archive.identity_of(person).await?)
    }

    /// From now on whoever the provider calls `subject` is this person, once they have shown it with password and code.
    pub(crate) async fn link(&self, actor: Actor, person: &str, subject: &str) -> Result<(), AccountError> {
        let oidc = self.0.oidc.as_ref().ok_or(AccountError::NoProvider)?;
        let subject = subject.trim();
        if !is_name(subject) {
            return Err(AccountError::Subject);
        }
        let entry = Entry::new(actor, Action::AccountChanged, Object::subject(person));
        let entry = entry.details(&format!("linked with {subject} at {}", oidc.settings.issuer));
        let identity = (oidc.settings.issuer.as_str(), subject);
        let linked = self
            .0
            .archive
            .link_identity(person, identity, &entry, self.now_ms())
            .await;
        match linked.map_err(Error::from)? {
            Linked::Done => Ok(()),
            Linked::Taken => Err(AccountError::SubjectTaken),
            Linked::NoSuchPerson => Err(AccountError::Unknown),
        }
    }

    /// Ends the sessions that began at the provider, too.
    pub(crate) async fn unlink(&self, actor: Actor, person: &str) -> Result<(), AccountError> {
        let entry = Entry::new(actor, Action::AccountChanged, Object::subject(person));
        let entry = entry.details("no longer linked with the provider");
        let unlinked = self
            .0
            .archive
            .unlink_identity(person, &entry, self.now_ms())
            .await;
        if unlinked.map_err(Error::from)? {
            Ok(())
        } else {
            Err(AccountError::Unknown)
        }
    }

    /// Where a browser goes to sign out at the provider too.
    pub(super) async fn out_of_provider(&self) -> Option<HeaderValue> {
        let oidc = self.0.oidc.as_ref()?;
        let page = oidc.leave_for_good(self.now_ms()).await;
        page.inspect_err(told).ok().flatten()
    }

    /// The provider's own word that somebody signed out there (back-channel logout).
    pub(super) async fn signed_out_there(&self, token: &str, address: IpAddr) -> Result<(), NotIn> {
        let oidc = self.0.oidc.as_ref().ok_or(NotIn::NoProvider)?;
        if !self.may_try(address) {
            return Err(NotIn::TooMany);
        }
        let told = oidc.told_of_sign_out(token, self.now_ms()).await;
        let told = match told {
            Ok(told) => told,
            Err(fault) => {
                self.address_failed(address);
                tracing::warn!(%fault, "A sign-out that was told in the provider's name is not believed.");
                return Err(fault.into());
            }
        };
        let (archive, issuer) = (&self.0.archive, &oidc.settings.issuer);
        let people = match (&told.subject, &told.session) {
            (Some(subject), _) => {
                let identity = archive.identity(issuer, subject).await.map_err(Error::from)?;
                identity.into_iter().map(|identity| identity.person).collect()
            }
            (None, Some(session)) => {
                let people = archive.people_in_provider_session(issuer, session).await;
                people.map_err(Error::from)?
            }
            (None, None) => Vec::new(),
        };
        for person in people {
            let entry = Entry::new(Actor::Hub("sign-in"), Action::SignOut, Object::subject(&person));
            let entry = entry.details("told by the provider");
            let ended = archive
                .end_provider_sessions(&person, told.session.as_deref(), &entry, self.now_ms())
                .await;
            ended.map_err(Error::from)?;
        }
        Ok(())
    }

    async fn not_vouched(&self, fault: &Fault, address: IpAddr) -> Result<(), Error> {
        // Somebody who is told to wait because the provider is away did nothing wrong.
        if !matches!(fault, Fault::Away(_) | Fault::Secret) {
            self.address_failed(address);
        }
        tracing::warn!(%fault, "A sign-in by the provider came to nothing.");
        self.note_refusal(None, address, &format!("by the provider: {fault}"))
            .await
    }
}

fn told(away: &Away) {
    tracing::warn!(%away, "The sign-in provider cannot be used right now.");
}
