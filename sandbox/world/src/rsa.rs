//! Verification of RSA signatures, against the private key that the simulated account was given.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rsa::KeyPair;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey};

/// Whether the holder of the key in the PEM text signed the text.
pub(crate) fn signed(pem: &str, text: &[u8], signature: &[u8]) -> bool {
    let Some(pair) = key(pem) else { return false };
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public());
    public.verify(text, signature).is_ok()
}

/// Signs with the key in the PEM text.
pub(crate) fn sign(pem: &str, text: &[u8]) -> Option<Vec<u8>> {
    let pair = key(pem)?;
    let mut signature = vec![0; pair.public().modulus_len()];
    let random = ring::rand::SystemRandom::new();
    pair.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature).ok()?;
    Some(signature)
}

fn key(pem: &str) -> Option<KeyPair> {
    let body: String = pem.lines().map(str::trim).filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(body).ok()?;
    KeyPair::from_pkcs8(&der).or_else(|_| KeyPair::from_der(&der)).ok()
}
