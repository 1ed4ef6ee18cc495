use std::fmt;

use aes_gcm::AesGcm;
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{AeadInOut, KeyInit};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};
use serde::Deserialize;
use sm4::Sm4;

use super::Error;
use super::secret::Secret;

pub(super) const NONCE_BYTES: usize = 12;
pub(super) const TAG_BYTES: usize = 16;
const SM4_KEY_BYTES: usize = 16;

type Sm4Gcm = AesGcm<Sm4, U12>;

/// How new things are sealed. What is there already says itself how it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Cipher {
    /// NIST SP 800-38D with a key of 256 bits.
    #[default]
    #[serde(rename = "aes-256-gcm")]
    Aes256Gcm,
    /// GB/T 32907 in Galois/counter mode, as RFC 8998 has it, with a key of 128 bits. The algorithm: this is no certified module.
    #[serde(rename = "sm4-gcm")]
    Sm4Gcm,
}

impl Cipher {
    /// The word for it in settings and status.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Aes256Gcm => "aes-256-gcm",
            Self::Sm4Gcm => "sm4-gcm",
        }
    }

    pub(super) fn code(self) -> u8 {
        match self {
            Self::Aes256Gcm => 1,
            Self::Sm4Gcm => 2,
        }
    }

    pub(super) fn of_code(code: u8) -> Result<Self, Error> {
        match code {
            1 => Ok(Self::Aes256Gcm),
            2 => Ok(Self::Sm4Gcm),
            _ => Err(Error::Form),
        }
    }
}

/// A cipher with its key. No nonce may come twice under one key.
pub(super) enum Aead {
    Aes(Box<LessSafeKey>),
    Sm4(Box<Sm4Gcm>),
}

impl fmt::Debug for Aead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Aead")
    }
}

impl Aead {
    /// SM4 takes the first half of the key.
    pub(super) fn new(cipher: Cipher, key: &Secret) -> Result<Self, Error> {
        match cipher {
            Cipher::Aes256Gcm => {
                let key = UnboundKey::new(&AES_256_GCM, key.bytes()).map_err(|_| Error::Form)?;
                Ok(Self::Aes(Box::new(LessSafeKey::new(key))))
            }
            Cipher::Sm4Gcm => {
                let (half, _) = key
                    .bytes()
                    .split_first_chunk::<SM4_KEY_BYTES>()
                    .ok_or(Error::Form)?;
                Ok(Self::Sm4(Box::new(Sm4Gcm::new(half.into()))))
            }
        }
    }

    pub(super) fn seal(
        &self,
        nonce: [u8; NONCE_BYTES],
        aad: &[u8],
        bytes: &mut [u8],
    ) -> Result<[u8; TAG_BYTES], Error> {
        match self {
            Self::Aes(key) => {
                let nonce = Nonce::assume_unique_for_key(nonce);
                let tag = key
                    .seal_in_place_separate_tag(nonce, Aad::from(aad), bytes)
                    .map_err(|_| Error::TooLong)?;
                tag.as_ref().try_into().map_err(|_| Error::TooLong)
            }
            Self::Sm4(key) => key
                .encrypt_inout_detached(&nonce.into(), aad, bytes.into())
                .map(Into::into)
                .map_err(|_| Error::TooLong),
        }
    }

    pub(super) fn open(
        &self,
        nonce: [u8; NONCE_BYTES],
        aad: &[u8],
        bytes: &mut [u8],
        tag: [u8; TAG_BYTES],
    ) -> Result<(), Error> {
        match self {
            Self::Aes(key) => {
                let nonce = Nonce::assume_unique_for_key(nonce);
                key.open_in_place_separate_tag(nonce, Aad::from(aad), Tag::from(tag), bytes, 0..)
                    .map(drop)
                    .map_err(|_| Error::Forged)
            }
            Self::Sm4(key) => key
                .decrypt_inout_detached(&nonce.into(), aad, bytes.into(), &tag.into())
                .map_err(|_| Error::Forged),
        }
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER_PERMISSIVE as HEX;

    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        HEX.decode(hex.as_bytes()).unwrap()
    }

    fn known_answer(cipher: Cipher, key: &str, nonce: &str, aad: &str, plain: &str, sealed: &str, tag: &str) {
        let mut key = bytes(key);
        key.resize(32, 0);
        let aead = Aead::new(cipher, &Secret::from_slice(&key).unwrap()).unwrap();
        let nonce: [u8; NONCE_BYTES] = bytes(nonce).try_into().unwrap();
        let mut buffer = bytes(plain);
        let made = aead.seal(nonce, &bytes(aad), &mut buffer).unwrap();
        assert_eq!(
            (HEX.encode(&buffer), HEX.encode(&made)),
            (sealed.to_owned(), tag.to_owned())
        );
        aead.open(nonce, &bytes(aad), &mut buffer, made).unwrap();
        assert_eq!(buffer, bytes(plain));
        let mut wrong = made;
        wrong[0] ^= 1;
        assert!(matches!(
            aead.open(nonce, &bytes(aad), &mut buffer, wrong),
            Err(Error::Forged)
        ));
    }

    #[test]
    fn settings_name_a_cipher_by_its_word() {
        for cipher in [Cipher::Aes256Gcm, Cipher::Sm4Gcm] {
            let word = format!("\"{}\"", cipher.word());
            assert_eq!(serde_json::from_str::<Cipher>(&word).unwrap(), cipher);
        }
    }

    /// RFC 8998, appendix A.1.
    #[test]
    fn sm4_gcm_gives_the_answer_of_rfc_8998() {
        known_answer(
            Cipher::Sm4Gcm,
            "0123456789abcdeffedcba9876543210",
            "00001234567800000000abcd",
            "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccddddddddddddddddeeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa",
            "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d",
            "83de3541e4c2b58177e065a9bf7b62ec",
        );
    }

    /// Test cases 14 and 16 of the GCM specification that NIST SP 800-38D comes from.
    #[test]
    fn aes_gcm_gives_the_answers_of_its_specification() {
        known_answer(
            Cipher::Aes256Gcm,
            &"00".repeat(32),
            &"00".repeat(12),
            "",
            &"00".repeat(16),
            "cea7403d4d606b6e074ec5d3baf39d18",
            "d0d1c8a799996bf0265b98b5d48ab919",
        );
        known_answer(
            Cipher::Aes256Gcm,
            "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
            "cafebabefacedbaddecaf888",
            "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
            "76fc6ece0f4e1768cddf8853bb2d551b",
        );
    }

    /// Counter mode under the tag is OpenSSL's: its first counter block for data is the nonce and the number two.
    #[test]
    fn sm4_gcm_enciphers_as_openssl_does() {
        use std::io::Write;
        use std::process::{Command, Stdio};
        let (key, nonce) = ([7u8; 32], [9u8; NONCE_BYTES]);
        let plain: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
        let started = Command::new("openssl")
            .args(["enc", "-sm4-ctr", "-K", &HEX.encode(&key[..16])])
            .args(["-iv", &format!("{}00000002", HEX.encode(&nonce))])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut openssl = match started {
            Ok(openssl) => openssl,
            Err(error) if std::env::var_os("CI").is_none() => {
                eprintln!("left out: no openssl here ({error})");
                return;
            }
            Err(error) => panic!("CI must have openssl: {error}"),
        };
        let mut input = openssl.stdin.take().unwrap();
        let given = plain.clone();
        let writing = std::thread::spawn(move || input.write_all(&given).unwrap());
        let theirs = openssl.wait_with_output().unwrap();
        writing.join().unwrap();
        assert!(theirs.status.success());
        let mut ours = plain;
        let aead = Aead::new(Cipher::Sm4Gcm, &Secret::from_slice(&key).unwrap()).unwrap();
        aead.seal(nonce, b"", &mut ours).unwrap();
        assert!(ours == theirs.stdout, "the keystreams differ");
    }
}
