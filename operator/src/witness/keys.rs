//! The two keys of a log: one signs checkpoints, one makes digests.

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::Sha256;
use thiserror::Error;

const KEY_BYTES: usize = 32;
/// The byte before an Ed25519 public key in a C2SP verifier key.
const ALGORITHM_ED25519: u8 = 1;

/// The keys of a log; neither can be printed.
///
/// The signing key proves who wrote a checkpoint, the digest key makes equal things comparable
/// without showing them. Losing the digest key makes old digests incomparable, nothing else.
#[derive(Clone)]
pub struct Keys {
    name: String,
    signing: SigningKey,
    digest: SecretSlice<u8>,
}

/// Why stored keys are not usable.
#[derive(Debug, Error)]
pub enum KeysError {
    /// The name would be ambiguous in a signed note.
    #[error("witness key name {name:?} is empty or has a space or a plus in it")]
    Name {
        /// The name as given.
        name: String,
    },
    /// Both keys are 32 bytes.
    #[error("witness {which} key has {bytes} bytes instead of {KEY_BYTES}")]
    Length {
        /// `signing` or `digest`.
        which: &'static str,
        /// Its length.
        bytes: usize,
    },
}

impl Keys {
    /// New keys from the operating system's randomness.
    ///
    /// `name` is the key's name in signatures, by convention the log's origin: no space, no plus.
    /// A name that is not so is refused when a log is opened.
    ///
    /// # Panics
    ///
    /// When the operating system has no randomness to give: no key is better than a weak one.
    pub fn generate(name: &str) -> Keys {
        Keys {
            name: name.to_owned(),
            signing: SigningKey::from_bytes(&random()),
            digest: SecretSlice::from(random().to_vec()),
        }
    }

    /// Keys from what [`to_parts`](Keys::to_parts) gave.
    pub fn from_parts(name: &str, signing: &[u8], digest: &[u8]) -> Result<Keys, KeysError> {
        if !signed_note::is_key_name_valid(name) {
            return Err(KeysError::Name { name: name.to_owned() });
        }
        let signing = SigningKey::from_bytes(&sized("signing", signing)?);
        let digest = SecretSlice::from(sized("digest", digest)?.to_vec());
        Ok(Keys { name: name.to_owned(), signing, digest })
    }

    /// The secret bytes of the signing key and of the digest key, for storing in a Secret.
    pub fn to_parts(&self) -> (Vec<u8>, Vec<u8>) {
        (self.signing.to_bytes().to_vec(), self.digest.expose_secret().to_vec())
    }

    /// The key's name in signatures.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key as a C2SP verifier key: `name+hash+base64`.
    pub fn verifier(&self) -> String {
        signed_note::new_ed25519_verifier_key(&self.name, &self.signing.verifying_key())
    }

    /// HMAC-SHA256 of `bytes` in lower-case hex: the only form in which requests and external ids
    /// enter the log.
    #[expect(clippy::missing_panics_doc, reason = "HMAC takes keys of any length")]
    pub fn digest(&self, bytes: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.digest.expose_secret())
            .expect("HMAC takes keys of any length");
        mac.update(bytes);
        format!("{:x}", mac.finalize().into_bytes())
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keys").field(&self.verifier()).finish()
    }
}

impl signed_note::Signer for Keys {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        let public = self.signing.verifying_key().to_bytes();
        signed_note::key_id(&self.name, &[&[ALGORITHM_ED25519], public.as_slice()].concat())
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ed25519_dalek::SignatureError> {
        Ok(self.signing.try_sign(message)?.to_vec())
    }
}

fn random() -> [u8; KEY_BYTES] {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes).expect("the operating system gives randomness");
    bytes
}

fn sized(which: &'static str, bytes: &[u8]) -> Result<[u8; KEY_BYTES], KeysError> {
    bytes.try_into().map_err(|_| KeysError::Length { which, bytes: bytes.len() })
}
