//! Whose box this is: told by the site file, or by the hub when the box was enrolled.
//!
//! `store` keeps what the hub told, whole or not at all; `enrolling` asks for it with a code; `keeper` renews the certificate
//! while the box works. `line` is the hub's one port that asks for no certificate.

mod enrolling;
mod keeper;
mod line;
mod store;

use std::path::Path;
use std::sync::Arc;

use barefoot_domain::ClinicId;
use barefoot_trust::TlsIdentity;

use crate::config::Config;

pub(crate) use enrolling::enrol;
pub(crate) use keeper::{Keeper, Standing, StandingView};
pub(crate) use store::is_there;

/// Who this box is to its hub.
#[derive(Debug, Clone)]
pub(crate) struct Membership {
    pub(crate) clinic: ClinicId,
    pub(crate) identity: Arc<TlsIdentity>,
    /// What the hub told at the enrolment; `None` where the site file says all of it.
    stored: Option<store::Stored>,
}

/// Why what is known of the box's clinic cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("[link.tls] the identity cannot be used")]
    Identity { source: barefoot_trust::Error },
    #[error("what the hub told at the enrolment cannot be read: {path}")]
    Read { path: String, source: std::io::Error },
    #[error("what the hub told at the enrolment cannot be used: {path}. Enrol the box again with a new code")]
    Stored { path: String },
    #[error("this box belongs to no clinic yet: open its page, or give it a code with `barefoot-edge enrol`")]
    NotEnrolled,
}

impl Membership {
    /// `None` for a box that is new.
    ///
    /// # Errors
    /// When what is there cannot be used.
    pub(crate) fn of(config: &Config) -> Result<Option<Self>, Error> {
        if let (Some(clinic), Some(tls)) = (&config.clinic, &config.link.tls) {
            let identity = TlsIdentity::load(&tls.paths()).map_err(|source| Error::Identity { source })?;
            return Ok(Some(Self {
                clinic: clinic.clone(),
                identity: Arc::new(identity),
                stored: None,
            }));
        }
        Self::enrolled(&config.storage.directory)
    }

    /// The same, where a box that is new is an error.
    ///
    /// # Errors
    /// As [`Self::of`], and [`Error::NotEnrolled`].
    pub(crate) fn required(config: &Config) -> Result<Self, Error> {
        Self::of(config)?.ok_or(Error::NotEnrolled)
    }

    fn enrolled(state: &Path) -> Result<Option<Self>, Error> {
        let Some(stored) = store::read(state)? else {
            return Ok(None);
        };
        let identity = TlsIdentity::parse(&stored.pem()).map_err(|_| store::unusable(state))?;
        identity.set_clock_behind(stored.clock_behind_s);
        Ok(Some(Self {
            clinic: stored.clinic.clone(),
            identity: Arc::new(identity),
            stored: Some(stored),
        }))
    }

    /// The site file's settings with the hub's addresses as the hub told them, where the file says none.
    pub(crate) fn complete(&self, config: &mut Config) {
        let Some(stored) = &self.stored else {
            return;
        };
        let hub = &stored.hub;
        config.link.hub.get_or_insert_with(|| hub.mqtt.clone());
        let known = |address: &String| (!address.is_empty()).then(|| address.clone());
        if let Some(services) = &mut config.services
            && services.hub.is_none()
        {
            services.hub = known(&hub.services);
        }
        if let Some(images) = &mut config.images
            && images.hub.is_none()
        {
            images.hub = known(&hub.images);
        }
        if config.services.as_ref().is_some_and(|one| one.hub.is_none()) {
            tracing::warn!("The hub offers no services: no rounds, and no releases from the hub.");
            config.services = None;
        }
        if config.images.as_ref().is_some_and(|one| one.hub.is_none()) {
            tracing::warn!("The hub takes no images: none leaves.");
            config.images = None;
        }
    }
}
