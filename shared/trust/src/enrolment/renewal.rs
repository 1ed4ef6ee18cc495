use barefoot_domain::ClinicId;
use rustls::pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};
use webpki::KeyUsage;

use super::Binding;
use crate::{Error, TlsIdentity, chain, clinic_of};

/// Stands before what a renewal signs, so that no such signature is ever one of TLS or of another kind.
const CONTEXT: &[u8] = b"Barefoot renewal 1\0";

impl TlsIdentity {
    /// Signs that whoever is at this end of the connection has the certificate's key.
    ///
    /// # Errors
    /// When the key is of a kind the region does not use, or the random source fails.
    pub fn prove_renewal(&self, binding: &Binding, asked: &[u8]) -> Result<Vec<u8>, Error> {
        self.sign_raw(&signed_text(binding, asked))
    }

    /// Whose certificate it is, if one of the authorities issued it to a clinic, it ended no longer than `grace` before
    /// `now`, and its key signed what was asked on this connection.
    ///
    /// # Errors
    /// When any of it is not so.
    pub fn renewing_clinic(
        &self,
        certificate: &[u8],
        (binding, asked): (&Binding, &[u8]),
        proof: &[u8],
        (now, grace): (OffsetDateTime, Duration),
    ) -> Result<ClinicId, Error> {
        let certificate = CertificateDer::from(certificate);
        let clinic = clinic_of(&certificate)?;
        let end = chain::not_after(&certificate)?;
        let at = if now <= end + grace { now.min(end) } else { now };
        let material = self.now();
        let trusted = chain::trusted(&material.roots, &certificate, KeyUsage::client_auth(), at)?;
        chain::verify_raw(&trusted, &signed_text(binding, asked), proof)?;
        Ok(clinic)
    }
}

fn signed_text(binding: &Binding, asked: &[u8]) -> Vec<u8> {
    [CONTEXT, binding.bytes(), asked].concat()
}
