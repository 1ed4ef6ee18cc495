//! People who work at the hub: accounts, sign-in with password and code or by the region's provider, sessions, roles,
//! programs' tokens, and the keys people sign reports with.
//!
//! `guard` stands before every address of the web server and knows who calls; handlers take [`Signed`] (a person) or
//! [`Caller`] (a person or a program) and ask for a role or right. A form is read through [`Verified`], which refuses one
//! that this hub did not give out. What decides is pure (`roles`, `totp`, `delays`, `password`); `archive` keeps it.
//!
//! Nothing here prints or logs a password, a code or a token.

mod account;
mod by_provider;
mod caller;
mod delays;
mod guard;
mod hashing;
mod oidc;
mod pages;
mod password;
mod profiles;
mod programs;
mod roles;
mod secrets;
mod session;
mod set_up;
mod sign_in;
mod signing;
mod totp;
mod verified;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use barefoot_trust::TlsIdentity;
use barefoot_trust::person_key::KeyError;

use crate::archive::{self, Archive};
use crate::audit::Audit;
use crate::clock::Clock;
use crate::config;

pub(crate) use self::oidc::fuzzing;

pub(crate) use account::{
    Mistake, PersonView, Profile, TypedProfile, language_word, parse_language, parse_tier, tier_word,
};
pub(crate) use caller::{Caller, Signed};
pub(crate) use guard::guard;
#[cfg(test)]
pub(crate) use guard::need_allows;
pub(crate) use pages::router;
pub(crate) use password::{Password, PasswordMistake};
pub(crate) use programs::ProgramError;
pub(crate) use roles::{ProgramRole, Right, Role, Roles};
pub(crate) use set_up::{AccountError, SetUpCode};
pub(crate) use signing::SignError;
pub(crate) use verified::{Anonymous, Verified};

use self::delays::Addresses;
use self::hashing::Hashing;
use self::oidc::Oidc;

/// Why something could not be done at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the accounts' tables did not answer")]
    Archive {
        #[from]
        source: archive::Error,
    },
    #[error("a secret could not be made or opened")]
    Secret {
        #[from]
        source: KeyError,
    },
    #[error("the hub's key could not sign")]
    Sign { source: barefoot_trust::Error },
    #[error("too many people sign in at once")]
    Busy,
    #[error("the sign-in provider's settings cannot be used")]
    Provider {
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// All of it; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct People(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    archive: Archive,
    audit: Audit,
    identity: Arc<TlsIdentity>,
    settings: config::People,
    /// Browsers come by HTTPS: cookies are for it only.
    secure: bool,
    /// A proxy of ours stands before the hub and says who calls.
    behind_proxy: bool,
    hashing: Hashing,
    oidc: Option<Oidc>,
    addresses: Mutex<Addresses>,
    clock: Clock,
}

impl People {
    /// # Errors
    /// When the random source fails, or the sign-in provider's settings cannot be used.
    pub(crate) fn new(
        archive: Archive,
        identity: Arc<TlsIdentity>,
        settings: config::People,
        page: &config::Page,
        clock: Clock,
    ) -> Result<Self, Error> {
        let address = settings.address.as_deref().unwrap_or_default();
        let oidc = settings.oidc.clone().map(|oidc| Oidc::new(oidc, address));
        let oidc = oidc.transpose().map_err(|source| Error::Provider {
            source: source.into(),
        })?;
        Ok(Self(Arc::new(Inner {
            audit: Audit::new(archive.clone(), Arc::clone(&identity)),
            archive,
            identity,
            settings,
            secure: page.tls.is_some() || page.behind_proxy,
            behind_proxy: page.behind_proxy,
            hashing: Hashing::new()?,
            oidc,
            addresses: Mutex::default(),
            clock,
        })))
    }

    pub(crate) fn audit(&self) -> &Audit {
        &self.0.audit
    }

    /// Everybody who has an account, by sign-in name.
    pub(crate) async fn list(&self) -> Result<Vec<PersonView>, Error> {
        Ok(self.0.archive.people().await?)
    }

    pub(crate) async fn person(&self, id: &str) -> Result<Option<PersonView>, Error> {
        Ok(self.0.archive.person(id).await?.map(|row| row.view))
    }

    fn now_ms(&self) -> i64 {
        self.0.clock.now_ms()
    }

    fn may_try(&self, address: IpAddr) -> bool {
        let addresses = self.0.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.may_try(address, self.now_ms())
    }

    fn address_failed(&self, address: IpAddr) {
        let mut addresses = self.0.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.failed(address, self.now_ms());
    }
}

#[cfg(test)]
pub(crate) mod tests;
