use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};

use super::caller::{SessionId, Signed};
use super::{Error, People, secrets};
use crate::archive::SessionRow;
use crate::audit::{Action, Actor, Entry, Object};

/// A session's time is written down at most this often.
const SEEN_EVERY: Duration = Duration::from_secs(60);

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl People {
    /// Sessions made, and sessions seen, before these times are over.
    fn over_before(&self) -> (i64, i64) {
        let now = self.now_ms();
        let settings = &self.0.settings;
        let absolute = Duration::from_secs(u64::from(settings.absolute_hours) * 3600);
        let idle = Duration::from_secs(u64::from(settings.idle_minutes) * 60);
        (now - millis(absolute), now - millis(idle))
    }

    /// Who holds this cookie. `active`: somebody did something, not only a page that follows by itself.
    pub(super) async fn signed(&self, token: &str, active: bool) -> Result<Option<Signed>, Error> {
        let (made, seen) = self.over_before();
        let hash = secrets::token_hash(token);
        let Some((session, person)) = self.0.archive.session(&hash, made, seen).await? else {
            return Ok(None);
        };
        let now = self.now_ms();
        if active && millis(SEEN_EVERY) <= now - session.seen_at_ms {
            self.0.archive.session_seen(&session.id, now).await?;
        }
        Ok(Some(Signed {
            person: person.into(),
            session: SessionId::new(session.id),
            csrf: secrets::csrf_of(token),
            coded_at_ms: session.coded_at_ms,
            by_provider: session.by_provider,
        }))
    }

    /// A person's own sessions, the newest first.
    pub(crate) async fn sessions(&self, signed: &Signed) -> Result<Vec<SessionRow>, Error> {
        let (made, seen) = self.over_before();
        Ok(self.0.archive.sessions_of(&signed.person.id, made, seen).await?)
    }

    /// Ends this session.
    pub(crate) async fn sign_out(&self, signed: &Signed) -> Result<(), Error> {
        let id = signed.session.as_str();
        self.end(signed, Some(id), "").await
    }

    /// Ends all of a person's sessions, this one too.
    pub(crate) async fn sign_out_everywhere(&self, signed: &Signed) -> Result<(), Error> {
        self.end(signed, None, "everywhere").await
    }

    async fn end(&self, signed: &Signed, only: Option<&str>, details: &str) -> Result<(), Error> {
        let entry = Entry::new(signed.actor(), Action::SignOut, Object::none()).details(details);
        let person = &signed.person.id;
        self.0
            .archive
            .end_sessions(person, only, &entry, self.now_ms())
            .await?;
        Ok(())
    }

    /// Removes what is over from the database.
    pub(super) async fn forget(&self) -> Result<(), Error> {
        let (made, seen) = self.over_before();
        self.0.archive.forget_sessions(made, seen, self.now_ms()).await?;
        Ok(())
    }

    fn cookie_name(&self) -> &'static str {
        if self.0.secure {
            "__Host-session"
        } else {
            "session"
        }
    }

    fn form_cookie_name(&self) -> &'static str {
        if self.0.secure { "__Host-form" } else { "form" }
    }

    pub(super) fn session_token<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        cookie(headers, self.cookie_name())
    }

    /// What forms carry before anybody is signed in.
    pub(super) fn form_token<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        cookie(headers, self.form_cookie_name()).filter(|token| token.len() == 43)
    }

    fn provider_cookie_name(&self) -> &'static str {
        if self.0.secure {
            "__Host-provider"
        } else {
            "provider"
        }
    }

    /// What a browser holds of a sign-in that is on its way over the provider.
    pub(super) fn provider_token<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        cookie(headers, self.provider_cookie_name())
    }

    /// Lax: the way back from the provider begins on another site.
    pub(super) fn provider_cookie(&self, value: &str) -> Option<HeaderValue> {
        self.cookie(self.provider_cookie_name(), value, "SameSite=Lax; Max-Age=600")
    }

    pub(super) fn no_provider_cookie(&self) -> Option<HeaderValue> {
        self.cookie(self.provider_cookie_name(), "", "SameSite=Lax; Max-Age=0")
    }

    pub(super) fn session_cookie(&self, token: &str) -> Option<HeaderValue> {
        self.cookie(self.cookie_name(), token, "SameSite=Lax")
    }

    pub(super) fn form_cookie(&self, token: &str) -> Option<HeaderValue> {
        self.cookie(self.form_cookie_name(), token, "SameSite=Strict")
    }

    /// Takes the session's cookie away.
    pub(super) fn no_cookie(&self) -> Option<HeaderValue> {
        self.cookie(self.cookie_name(), "", "SameSite=Lax; Max-Age=0")
    }

    fn cookie(&self, name: &str, value: &str, more: &str) -> Option<HeaderValue> {
        let secure = if self.0.secure { "; Secure" } else { "" };
        HeaderValue::from_str(&format!("{name}={value}; Path=/; HttpOnly; {more}{secure}")).ok()
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .find_map(|pair| pair.trim().split_once('=').filter(|(key, _)| *key == name))
        .map(|(_, value)| value)
        .filter(|value| !value.is_empty())
}

impl Signed {
    pub(crate) fn actor(&self) -> Actor {
        Actor::person(&self.person.id, &self.person.display_name)
    }
}
