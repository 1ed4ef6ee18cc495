use barefoot_trust::person_key::{PersonKey, SealingKey, Secret};
use barefoot_wire::{SignerStatement, decode_report, encode_signer_statement, v1};

use super::password::Password;
use super::roles::Right;
use super::sign_in::secrets_fit;
use super::{Error, People, Signed, delays};
use crate::archive::{AtWhat, NewKey, SigningRow};
use crate::audit::{Action, Entry, Object};

/// Why a report was not signed. Nothing was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignError {
    #[error("this account may not sign reports")]
    NotAllowed,
    #[error("the content is no report that names this person as the one who signs it")]
    Content,
    #[error("the password is not right")]
    Password,
    #[error("the first signature of a while needs a code of the authenticator")]
    CodeNeeded,
    #[error("the password or the code is not right, or the code was used before: wait for the next one")]
    Code,
    #[error("there were too many wrong attempts; signing is possible again at {until_ms}")]
    Locked { until_ms: i64 },
    #[error(
        "this account has no password here, so no signing key: an operator gives a one-time code to set it up"
    )]
    NoKey,
    #[error(transparent)]
    Failed(#[from] Error),
}

/// A fresh key, its seed sealed.
pub(super) fn new_key(person: &str, key: &SealingKey) -> Result<NewKey, Error> {
    let seed = PersonKey::new_seed()?;
    Ok(NewKey {
        public_key: PersonKey::from_seed(seed.as_ref())?.public_key(),
        seed: key.seal(Secret::SigningSeed, person, seed.as_ref())?,
    })
}

/// The same key, sealed with another password.
pub(super) fn reseal(
    person: &str,
    row: SigningRow,
    old: &SealingKey,
    new: &SealingKey,
) -> Result<SigningRow, Error> {
    let seed = old.open(Secret::SigningSeed, person, &row.seed)?;
    Ok(SigningRow {
        seed: new.seal(Secret::SigningSeed, person, &seed)?,
        ..row
    })
}

impl People {
    /// Whether this session's next signature needs a code beside the password.
    pub(crate) fn needs_code(&self, signed: &Signed) -> bool {
        let window = i64::from(self.0.settings.signing_window_s) * 1000;
        let since = self.now_ms() - signed.coded_at_ms;
        signed.coded_at_ms == 0 || !(0..window).contains(&since)
    }

    /// Signs a report (`barefoot_wire::encode_report`) with the person's own key. The report's last reader must be this
    /// person. It stands in the audit log, as `sign_report` or `signature_refused`.
    pub(crate) async fn sign(
        &self,
        signed: &Signed,
        password: &Password,
        code: Option<&str>,
        content: &[u8],
    ) -> Result<v1::SignedReport, SignError> {
        signed
            .allow(Right::SignReports)
            .map_err(|_| SignError::NotAllowed)?;
        let person = &signed.person;
        let report = decode_report(content).map_err(|_| SignError::Content)?;
        if report
            .readers
            .last()
            .is_none_or(|reader| reader.person != person.id)
        {
            return Err(SignError::Content);
        }
        let needs_code = self.needs_code(signed);
        let code = code.map(str::trim).filter(|code| !code.is_empty());
        if needs_code && code.is_none() {
            return Err(SignError::CodeNeeded);
        }
        let object = Object::case(&report.clinic, &report.case).and_subject(&report.id);
        let (archive, now) = (&self.0.archive, self.now_ms());
        let locked = archive.locked_until(&person.id, AtWhat::Signature).await;
        let until_ms = locked.map_err(Error::from)?;
        if now < until_ms {
            return Err(SignError::Locked { until_ms });
        }
        let row = archive.person(&person.id).await.map_err(Error::from)?;
        let row = row.filter(|row| row.view.active).ok_or(SignError::NotAllowed)?;
        // The provider's word opens no key: somebody who only ever came by it has none.
        if row.secrets.is_none() {
            return Err(SignError::NoKey);
        }
        let opened = self.0.hashing.open(password, row.secrets.as_ref()).await?;
        // A code that was given is checked, whether it was needed or not.
        let step = code.map(|code| secrets_fit(&row, &opened, code, now));
        if !opened.fits || step == Some(None) {
            let entry = Entry::new(signed.actor(), Action::SignatureRefused, object);
            let noted = archive
                .note_failure(&person.id, AtWhat::Signature, delays::until, &entry, now)
                .await;
            noted.map_err(Error::from)?;
            return Err(if code.is_some() {
                SignError::Code
            } else {
                SignError::Password
            });
        }
        self.give_key(&person.id, &opened.key).await?;
        let key = archive.signing_key(&person.id).await.map_err(Error::from)?;
        let key = key.ok_or(SignError::NoKey)?;
        let seed = opened.key.open(Secret::SigningSeed, &person.id, &key.seed);
        let own = PersonKey::from_seed(&seed.map_err(Error::from)?).map_err(Error::from)?;
        let statement = encode_signer_statement(&SignerStatement {
            person: person.id.clone(),
            name: row.view.display_name.clone(),
            title: row.view.title.clone(),
            institution: row.view.institution.clone(),
            public_key: key.public_key.try_into().map_err(|_| SignError::NoKey)?,
            from_ms: key.from_ms,
        });
        let identity = &self.0.identity;
        let signer_signature = identity
            .sign_statement(&statement)
            .map_err(|source| Error::Sign { source })?;
        let entry = Entry::new(signed.actor(), Action::SignReport, object);
        let entry = if code.is_some() {
            entry.details("password and code")
        } else {
            entry.details("password")
        };
        let allowed = archive
            .allow_signature(&person.id, signed.session.as_str(), step.flatten(), &entry, now)
            .await;
        if !allowed.map_err(Error::from)? {
            return Err(SignError::Code);
        }
        Ok(v1::SignedReport {
            content: content.to_vec(),
            signature: own.sign_report(content),
            signer: statement,
            signer_signature,
            certificate: identity.certificate(),
        })
    }
}
