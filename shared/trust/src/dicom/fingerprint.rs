use std::fmt;
use std::str::FromStr;

use ring::digest;
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Deserializer};

/// SHA-256 of a certificate as it is sent (DER), as `openssl x509 -fingerprint -sha256` prints it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; digest::SHA256_OUTPUT_LEN]);

/// What stands there is not 64 hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("a certificate's fingerprint is the 64 hexadecimal digits of its SHA-256, with or without colons")]
pub struct NotAFingerprint;

impl Fingerprint {
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        let digest = digest::digest(&digest::SHA256, certificate);
        let mut bytes = [0; digest::SHA256_OUTPUT_LEN];
        for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Self(bytes)
    }
}

/// Of the certificate that the other end of a connection has shown and proved to be its own.
#[must_use]
pub fn peer_fingerprint(certificates: Option<&[CertificateDer<'_>]>) -> Option<Fingerprint> {
    certificates?.first().map(Fingerprint::of)
}

impl FromStr for Fingerprint {
    type Err = NotAFingerprint;

    fn from_str(text: &str) -> Result<Self, NotAFingerprint> {
        let mut digits = text.bytes().filter(|byte| *byte != b':').map(hex_digit);
        let mut bytes = [0; digest::SHA256_OUTPUT_LEN];
        for byte in &mut bytes {
            let (Some(Some(high)), Some(Some(low))) = (digits.next(), digits.next()) else {
                return Err(NotAFingerprint);
            };
            *byte = high << 4 | low;
        }
        if digits.next().is_some() {
            return Err(NotAFingerprint);
        }
        Ok(Self(bytes))
    }
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_tools_print_them() {
        let plain = "00ff".repeat(16);
        let fingerprint: Fingerprint = plain.parse().unwrap();
        assert_eq!(fingerprint.to_string(), plain);
        let colons: Vec<String> = (0..16).map(|_| "00:FF".to_owned()).collect();
        assert_eq!(colons.join(":").parse::<Fingerprint>().unwrap(), fingerprint);
        for bad in ["", "00", &plain[1..], &format!("{plain}0"), &"zz".repeat(32)] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }
}
