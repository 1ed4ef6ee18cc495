use std::fmt;

use data_encoding::BASE32_NOPAD;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use super::sha256;
use crate::Error;

/// The label of what both sides take from their TLS connection (RFC 8446 section 7.5).
const EXPORTER: &[u8] = b"EXPORTER-Barefoot-Enrolment-1";

const OF_THE_BOX: &[u8] = b"Barefoot enrolment, box 1\0";
const OF_THE_HUB: &[u8] = b"Barefoot enrolment, hub 1\0";

/// Of five bits each.
const CODE_LETTERS: usize = 20;

/// A code for one enrolment.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(String);

impl Code {
    /// # Errors
    /// When the system's random source fails.
    pub fn generate() -> Result<Self, Error> {
        let mut bytes = [0; 16];
        SystemRandom::new().fill(&mut bytes).map_err(|_| Error::Random)?;
        let mut letters = BASE32_NOPAD.encode(&bytes);
        letters.truncate(CODE_LETTERS);
        Ok(Self(letters))
    }

    /// However it was typed: small letters, spaces and dashes anywhere, 0 and 1 for O and I.
    #[must_use]
    pub fn parse(typed: &str) -> Option<Self> {
        let letters: String = typed
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .map(|c| match c.to_ascii_uppercase() {
                '0' => 'O',
                '1' => 'I',
                other => other,
            })
            .collect();
        let known = |c: char| c.is_ascii_uppercase() || ('2'..='7').contains(&c);
        (letters.len() == CODE_LETTERS && letters.chars().all(known)).then_some(Self(letters))
    }

    /// Names the code without giving it away.
    #[must_use]
    pub fn id(&self) -> [u8; 32] {
        sha256(&[b"Barefoot enrolment, name of a code 1\0", self.0.as_bytes()])
    }

    /// What both sides prove.
    #[must_use]
    pub fn secret(&self) -> Secret {
        Secret(sha256(&[
            b"Barefoot enrolment, secret of a code 1\0",
            self.0.as_bytes(),
        ]))
    }
}

/// As it is read out: groups of four.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, letter) in self.0.chars().enumerate() {
            if 0 < index && index % 4 == 0 {
                f.write_str("-")?;
            }
            write!(f, "{letter}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(secret)")
    }
}

/// What a code proves itself by; all of it that the hub keeps.
#[derive(Clone)]
pub struct Secret(pub [u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    fn sum(&self, context: &[u8], binding: &Binding, said: &[u8]) -> hmac::Context {
        let mut sum = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.0));
        for part in [context, &binding.0, said] {
            sum.update(part);
        }
        sum
    }

    /// The box knows the code, and it is the box that made this request.
    #[must_use]
    pub fn prove_box(&self, binding: &Binding, request: &[u8]) -> Vec<u8> {
        self.sum(OF_THE_BOX, binding, request).sign().as_ref().to_vec()
    }

    #[must_use]
    pub fn is_of_box(&self, binding: &Binding, request: &[u8], proof: &[u8]) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let said = [OF_THE_BOX, binding.0.as_slice(), request].concat();
        hmac::verify(&key, &said, proof).is_ok()
    }

    /// The hub knows the code, and it is the hub that gave this answer.
    #[must_use]
    pub fn prove_hub(&self, binding: &Binding, answer: &[u8]) -> Vec<u8> {
        self.sum(OF_THE_HUB, binding, answer).sign().as_ref().to_vec()
    }

    #[must_use]
    pub fn is_of_hub(&self, binding: &Binding, answer: &[u8], proof: &[u8]) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let said = [OF_THE_HUB, binding.0.as_slice(), answer].concat();
        hmac::verify(&key, &said, proof).is_ok()
    }
}

/// What only the two ends of one TLS connection know.
#[derive(Clone)]
pub struct Binding([u8; 32]);

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Binding")
    }
}

impl Binding {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// # Errors
    /// When the handshake has not ended.
    pub fn of_client(connection: &rustls::ClientConnection) -> Result<Self, Error> {
        let exported = connection.export_keying_material([0; 32], EXPORTER, None);
        exported.map(Self).map_err(|source| Error::Rustls { source })
    }

    /// # Errors
    /// When the handshake has not ended.
    pub fn of_server(connection: &rustls::ServerConnection) -> Result<Self, Error> {
        let exported = connection.export_keying_material([0; 32], EXPORTER, None);
        exported.map(Self).map_err(|source| Error::Rustls { source })
    }
}
