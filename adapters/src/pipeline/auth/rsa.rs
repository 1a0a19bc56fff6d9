//! RSA private keys in PEM, and RSASSA-PKCS1-v1_5 with SHA-256.

use std::fmt;

use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use thiserror::Error;

/// Why a text is no usable key. Never says the text.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum KeyError {
    #[error("holds no private key in PEM (`-----BEGIN PRIVATE KEY-----`)")]
    NoKey,
    #[error("holds an encrypted private key: store it without its passphrase")]
    Encrypted,
    #[error("holds a private key that is no RSA key of 2048 to 4096 bits")]
    NotRsa,
}

/// Why a key did not sign.
#[derive(Clone, Copy, Debug, Error)]
#[error("the private key did not sign")]
pub(crate) struct SigningError;

/// A private key.
pub(super) struct RsaKey(KeyPair);

impl fmt::Debug for RsaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RsaKey").finish_non_exhaustive()
    }
}

impl RsaKey {
    /// Reads the first private key of a PEM text, in PKCS #8 or PKCS #1.
    pub(super) fn parse(pem: &str) -> Result<Self, KeyError> {
        if pem.contains("ENCRYPTED") {
            return Err(KeyError::Encrypted);
        }
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyError::NoKey)?;
        let pair = match &key {
            PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(KeyError::NotRsa),
        };
        pair.map(Self).map_err(|_| KeyError::NotRsa)
    }

    /// The signature of a text.
    pub(super) fn sign(&self, text: &[u8]) -> Result<Vec<u8>, SigningError> {
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature)
            .map_err(|_| SigningError)?;
        Ok(signature)
    }
}

/// The lines of a PEM text that hold the key.
pub(super) fn secret_lines(pem: &str) -> impl Iterator<Item = &str> {
    // The last line may be short; what is left of a key then is none.
    pem.lines().map(str::trim).filter(|line| line.len() >= 16 && !line.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_said_without_the_text() {
        for (text, wanted) in [
            ("", KeyError::NoKey),
            ("hunter2", KeyError::NoKey),
            ("-----BEGIN PRIVATE KEY-----\nhunter2\n", KeyError::NoKey),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", KeyError::NotRsa),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n", KeyError::Encrypted),
            ("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n", KeyError::Encrypted),
        ] {
            let error = RsaKey::parse(text).expect_err("refused");
            assert_eq!(error, wanted, "{text}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}
