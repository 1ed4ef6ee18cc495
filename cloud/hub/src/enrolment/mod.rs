//! How boxes come to belong to clinics: codes that operators make, certificates for them, and the next ones.
//!
//! Every step may be repeated: a box that lost power goes on with what it asked before and gets the same answer. A code
//! belongs to the first key that comes with it. A certificate is renewed once; when the box has said that it stored the new
//! one and somebody still comes with the old one, there are two disks with the same key, and both are shut out until an
//! operator enrols the real one again.

mod refusal;

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use barefoot_domain::ClinicId;
use barefoot_trust::enrolment::{Binding, Certified, Code, Request, Secret, key_of};
use barefoot_trust::{Authority, Fingerprint, Person, TlsIdentity};
use barefoot_wire::v1;
use prost::Message;
use rustls::pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};

use crate::archive::{self, Archive, CertificateRow, CodeState, NewCode, SiteRow};
use crate::audit::{Action, Actor, Entry, Object};
use crate::clock::Clock;
use crate::config::Enrolment;
use crate::revocation::{Holder, Revocations};

pub(crate) use refusal::Refusal;

const HOUR_MS: i64 = 3_600_000;

/// A certificate is renewed when this part of its life is over, or when another authority issues than did.
const RENEWED_AFTER: (i64, i64) = (2, 3);

/// A handle; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Desk(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    settings: Enrolment,
    authority: Authority,
    /// Whom the hub itself trusts, PEM: what boxes are told.
    trusted: RwLock<String>,
    identity: TlsIdentity,
    archive: Archive,
    revocations: Revocations,
    clock: Clock,
}

/// What an operator hands on.
#[derive(Debug)]
pub(crate) struct NewSite {
    pub(crate) hub: String,
    pub(crate) code: Code,
    pub(crate) expires_at_ms: i64,
    pub(crate) replaces_a_box: bool,
}

impl Desk {
    /// `trusted` is the file of those whom the hub trusts, the authority of the settings among them.
    ///
    /// # Errors
    /// When the authority cannot be used, or is none of these.
    pub(crate) fn open(
        settings: Enrolment,
        trusted: &Path,
        identity: TlsIdentity,
        archive: Archive,
        revocations: Revocations,
        clock: Clock,
    ) -> Result<Self, barefoot_trust::Error> {
        let authority = match &settings.key {
            Some(key) => Authority::load_with_key(&settings.authority, key),
            None => Authority::load(&settings.authority),
        }?;
        let trusted = authority.trusted_in(trusted)?;
        Ok(Self(Arc::new(Parts {
            settings,
            authority,
            trusted: RwLock::new(trusted),
            identity,
            archive,
            revocations,
            clock,
        })))
    }

    /// Whom the hub would trust by this file, for [`Self::trust`].
    ///
    /// # Errors
    /// When the authority that issues to boxes is not among them.
    pub(crate) fn trusted_in(&self, file: &Path) -> Result<String, barefoot_trust::Error> {
        self.0.authority.trusted_in(file)
    }

    /// Boxes are told these from now on.
    pub(crate) fn trust(&self, trusted: String) {
        *self.0.trusted.write().unwrap_or_else(PoisonError::into_inner) = trusted;
    }

    fn trusted(&self) -> RwLockReadGuard<'_, String> {
        self.0.trusted.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.0.clock.now_ms()
    }

    /// A code by which a box becomes the clinic's.
    pub(crate) async fn add_site(
        &self,
        clinic: &ClinicId,
        hours: Option<u32>,
        by: &Person,
    ) -> Result<NewSite, Refusal> {
        let parts = &self.0;
        if parts.revocations.has(&Holder::Clinic(clinic.clone())) {
            return Err(Refusal::ShutOut);
        }
        let code = Code::generate()?;
        let now_ms = parts.clock.now_ms();
        let hours = hours.unwrap_or(parts.settings.code_hours);
        let expires_at_ms = now_ms + i64::from(hours) * HOUR_MS;
        let entry = by_operator(by, Action::CodeMade, clinic).details(&format!("for {hours} hours"));
        let (id, secret) = (code.id(), code.secret());
        let new = NewCode {
            id: &id,
            secret: &secret.0,
            clinic,
            by: &by.name,
            expires_at_ms,
        };
        parts.archive.add_code(&new, &entry, now_ms).await?;
        let boxes = parts.archive.enrolled_boxes().await?;
        tracing::info!(%clinic, by = by.name, "A code for a box was made.");
        Ok(NewSite {
            hub: parts.settings.address.clone(),
            code,
            expires_at_ms,
            replaces_a_box: boxes.iter().any(|one| one.clinic == *clinic),
        })
    }

    /// `false` when the clinic has no open code.
    pub(crate) async fn cancel_site(&self, clinic: &ClinicId, by: &Person) -> Result<bool, Refusal> {
        let entry = by_operator(by, Action::CodeCancelled, clinic);
        let now_ms = self.now_ms();
        Ok(self.0.archive.cancel_code(clinic, &entry, now_ms).await?)
    }

    pub(crate) async fn sites(&self) -> Result<Vec<SiteRow>, Refusal> {
        Ok(self.0.archive.sites(self.now_ms()).await?)
    }

    /// The answer to a box that comes with a code.
    pub(crate) async fn enrol(
        &self,
        asked: &v1::EnrolRequest,
        binding: &Binding,
    ) -> Result<v1::EnrolReply, Refusal> {
        let parts = &self.0;
        let id = asked.code_id.as_slice().try_into();
        let id = id.map_err(|_| Refusal::UnknownCode)?;
        let code = parts.archive.code(&id).await?.ok_or(Refusal::UnknownCode)?;
        let now_ms = parts.clock.now_ms();
        if code.expires_at_ms <= now_ms {
            return Err(Refusal::ExpiredCode);
        }
        let secret = Secret(code.secret.ok_or(Refusal::CancelledCode)?);
        if !secret.is_of_box(binding, &asked.certificate_request, &asked.proof) {
            return Err(Refusal::UnknownCode);
        }
        let request = Request::parse(&asked.certificate_request).map_err(|_| Refusal::BadRequest)?;
        if parts.revocations.has(&Holder::Clinic(code.clinic.clone())) {
            return Err(Refusal::ShutOut);
        }
        let certificate = match code.state {
            CodeState::Cancelled => return Err(Refusal::CancelledCode),
            CodeState::Used { key, certificate } if key == request.key() => {
                let known = parts.archive.certificate(certificate).await?;
                known.ok_or(Refusal::UsedCode)?
            }
            CodeState::Used { .. } => {
                tracing::warn!(clinic = %code.clinic, "Another box came with a code that was used.");
                return Err(Refusal::UsedCode);
            }
            CodeState::Open => self.first_certificate(&id, &code.clinic, &request).await?,
        };
        let membership = self.membership(&certificate).encode_to_vec();
        Ok(v1::EnrolReply {
            proof: secret.prove_hub(binding, &membership),
            membership,
        })
    }

    async fn first_certificate(
        &self,
        code: &archive::Hash,
        clinic: &ClinicId,
        request: &Request,
    ) -> Result<CertificateRow, Refusal> {
        let parts = &self.0;
        let (now, valid) = (self.now()?, self.valid());
        let issued = parts.authority.enrol(clinic, request, now, valid)?;
        let row = self.row(clinic, request.key(), issued, None);
        let entry = by_hub(Action::BoxEnrolled, clinic).details(&format!("certificate {}", row.fingerprint));
        if !parts.archive.enrol(code, &row, &entry).await? {
            return Err(Refusal::UsedCode);
        }
        // The box before this one is shut out from now on.
        parts.revocations.reread().await?;
        tracing::info!(%clinic, "A box was enrolled.");
        Ok(row)
    }

    /// The answer to a box that comes with a certificate of ours.
    pub(crate) async fn renew(
        &self,
        asked: &v1::RenewRequest,
        binding: &Binding,
    ) -> Result<v1::Membership, Refusal> {
        let parts = &self.0;
        let (clinic, old) = self.known_box(asked, binding).await?;
        if let Some(next) = parts.archive.successor(old.fingerprint).await? {
            if next.confirmed {
                return Err(self.two_boxes(&clinic).await);
            }
            return Ok(self.membership(&next));
        }
        let lived = parts.clock.now_ms() - old.issued_at_ms;
        let (part, of) = RENEWED_AFTER;
        let is_young = lived * of < (old.not_after_ms - old.issued_at_ms) * part;
        if is_young && parts.authority.has_issued(&asked.certificate) {
            return Ok(self.membership(&old));
        }
        let now = self.now()?;
        let issued = parts.authority.renew(&asked.certificate, now, self.valid())?;
        let row = self.row(&clinic, old.key, issued, Some(old.fingerprint));
        let entry =
            by_hub(Action::CertificateRenewed, &clinic).details(&format!("certificate {}", row.fingerprint));
        if !parts.archive.add_renewed(&row, &entry).await? {
            let next = parts.archive.successor(old.fingerprint).await?;
            return Ok(self.membership(&next.ok_or(Refusal::Busy)?));
        }
        tracing::info!(%clinic, "A certificate was renewed.");
        Ok(self.membership(&row))
    }

    /// The box has stored the certificate it shows.
    pub(crate) async fn confirm(&self, asked: &v1::RenewRequest, binding: &Binding) -> Result<(), Refusal> {
        let (_, held) = self.known_box(asked, binding).await?;
        let now_ms = self.now_ms();
        Ok(self
            .0
            .archive
            .confirm_certificate(held.fingerprint, now_ms)
            .await?)
    }

    /// Somebody showed up with this clinic's key who cannot be the box that has it.
    async fn two_boxes(&self, clinic: &ClinicId) -> Refusal {
        let parts = &self.0;
        let entry = by_hub(Action::BoxCopied, clinic);
        let now_ms = parts.clock.now_ms();
        let marked = parts.archive.box_was_copied(clinic, &entry, now_ms).await;
        let heeded = parts.revocations.reread().await;
        match marked.and_then(|marked| heeded.map(|()| marked)) {
            Ok(true) => {
                tracing::error!(%clinic, "Two boxes have the same key: both are shut out. Enrol the real one again (barefootctl site add).");
                Refusal::Copied
            }
            Ok(false) => Refusal::Copied,
            Err(error) => error.into(),
        }
    }

    /// The clinic whose box this is, and the certificate it shows.
    async fn known_box(
        &self,
        asked: &v1::RenewRequest,
        binding: &Binding,
    ) -> Result<(ClinicId, CertificateRow), Refusal> {
        let parts = &self.0;
        let der = asked.certificate.as_slice();
        let grace = Duration::days(i64::from(parts.settings.grace_days));
        let asked_what = (binding, der);
        let clinic = parts
            .identity
            .renewing_clinic(der, asked_what, &asked.proof, (self.now()?, grace))
            .map_err(|_| Refusal::UnknownBox)?;
        let fingerprint = Fingerprint::of(&CertificateDer::from(der));
        let holders = [Holder::Clinic(clinic.clone()), Holder::Certificate(fingerprint)];
        if holders.iter().any(|holder| parts.revocations.has(holder)) {
            return Err(Refusal::ShutOut);
        }
        let key = key_of(der).map_err(|_| Refusal::UnknownBox)?;
        let boxes = parts.archive.enrolled_boxes().await?;
        let enrolled = match boxes.iter().find(|one| one.clinic == clinic) {
            Some(other) if other.key != key => return Err(Refusal::OtherBox),
            Some(copied) if copied.copied_at_ms.is_some() => return Err(Refusal::Copied),
            found => found.is_some(),
        };
        if let Some(known) = parts.archive.certificate(fingerprint).await? {
            return Ok((clinic, known));
        }
        // What an operator issued by hand ends when the operator said, and is not renewed here.
        if !enrolled || parts.archive.restorations().await?.is_empty() {
            return Err(Refusal::UnknownBox);
        }
        // A box of ours with a certificate that this hub issued after the backup from which it went on: it is given another.
        let forgotten = CertificateRow {
            fingerprint,
            clinic: clinic.clone(),
            key,
            chain: String::new(),
            issued_at_ms: 0,
            not_after_ms: 0,
            renews: None,
            confirmed: true,
        };
        Ok((clinic, forgotten))
    }

    fn now(&self) -> Result<OffsetDateTime, Refusal> {
        let nanoseconds = i128::from(self.now_ms()) * 1_000_000;
        OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).map_err(|_| Refusal::Busy)
    }

    fn valid(&self) -> Duration {
        Duration::days(i64::from(self.0.settings.certificate_days))
    }

    fn row(
        &self,
        clinic: &ClinicId,
        key: archive::Hash,
        issued: Certified,
        renews: Option<Fingerprint>,
    ) -> CertificateRow {
        CertificateRow {
            fingerprint: Fingerprint::of(&CertificateDer::from(issued.certificate)),
            clinic: clinic.clone(),
            key,
            chain: issued.chain_pem,
            issued_at_ms: self.now_ms(),
            not_after_ms: issued.not_after.unix_timestamp() * 1000,
            renews,
            confirmed: false,
        }
    }

    fn membership(&self, certificate: &CertificateRow) -> v1::Membership {
        let settings = &self.0.settings;
        v1::Membership {
            clinic: certificate.clinic.to_string(),
            certificates: certificate.chain.clone(),
            authorities: self.trusted().clone(),
            hub: Some(v1::HubAddresses {
                mqtt: settings.mqtt.clone(),
                services: settings.services.clone(),
                images: settings.images.clone(),
                enrolment: settings.address.clone(),
            }),
            now_ms: self.now_ms(),
        }
    }
}

fn by_operator(by: &Person, action: Action, clinic: &ClinicId) -> Entry {
    let id = format!("{} {}", by.role.unit(), by.name);
    Entry::new(Actor::person(&id, &by.name), action, of_clinic(clinic))
}

fn by_hub(action: Action, clinic: &ClinicId) -> Entry {
    Entry::new(Actor::Hub("enrolment"), action, of_clinic(clinic))
}

fn of_clinic(clinic: &ClinicId) -> Object {
    Object {
        clinic: Some(clinic.clone()),
        ..Object::none()
    }
}
