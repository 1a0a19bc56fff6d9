//! Signatures of deliveries.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD};
use infrafabric_definition::{Algorithm, Encoding, KeyForm, Proof, Webhook};
use ring::{hmac, signature};

use crate::pipeline::hash;

/// Whether the key made the signature of the text. Takes as long for a right beginning as for a wrong.
pub(super) fn proves(spec: &Webhook, key: &[u8], text: &[u8], given: &str) -> bool {
    let mac = |algorithm| {
        let key = hmac::Key::new(hash(algorithm), key);
        decode(given, spec.encoding).is_some_and(|tag| hmac::verify(&key, text, &tag).is_ok())
    };
    match spec.algorithm {
        Proof::Sha1 => mac(Algorithm::Sha1),
        Proof::Sha256 => mac(Algorithm::Sha256),
        Proof::Sha512 => mac(Algorithm::Sha512),
        Proof::Ed25519 => {
            let key = signature::UnparsedPublicKey::new(&signature::ED25519, key);
            decode(given, spec.encoding).is_some_and(|given| key.verify(text, &given).is_ok())
        }
        Proof::Token => same(key, given.as_bytes()),
        // It is no signature of the delivery.
        Proof::Jwt => false,
    }
}

/// Whether a text is the secret. Takes as long for a right beginning as for a wrong.
pub(super) fn same(secret: &[u8], given: &[u8]) -> bool {
    let key = hmac::Key::new(hash(Algorithm::Sha256), secret);
    hmac::verify(&key, given, hmac::sign(&key, secret).as_ref()).is_ok()
}

pub(super) fn key_bytes(text: &str, form: Option<&KeyForm>) -> Option<Vec<u8>> {
    let Some(form) = form else { return Some(text.as_bytes().to_vec()) };
    let prefix = form.prefix.as_ref().map_or("", |prefix| prefix.as_str());
    decode(text.strip_prefix(prefix).unwrap_or(text), form.encoding)
}

fn decode(text: &str, encoding: Encoding) -> Option<Vec<u8>> {
    const BASE64: &GeneralPurpose = &STANDARD;
    match encoding {
        Encoding::Base64 => BASE64.decode(text).ok(),
        Encoding::Hex => {
            let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
            let (pairs, rest) = text.as_bytes().as_chunks::<2>();
            let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
            bytes.collect::<Option<Vec<u8>>>().filter(|_| rest.is_empty())
        }
    }
}
