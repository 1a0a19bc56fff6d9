//! Service accounts: the JSON key file, and the signed request for an access token (RFC 7523).
//! <https://developers.google.com/identity/protocols/oauth2/service-account>

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::json;

use super::rsa::{KeyError, RsaKey, SigningError};

/// How long the request for a token is good; an hour is the longest.
const GOOD_FOR: TimeDelta = TimeDelta::minutes(10);

/// What a key file holds. Its `token_uri` is not followed: credentials go where the definition says.
#[derive(Deserialize)]
pub(super) struct KeyFile {
    pub(super) client_email: String,
    pub(super) private_key: String,
    #[serde(default)]
    pub(super) private_key_id: Option<String>,
}

/// An account that signs for itself.
#[derive(Debug)]
pub(super) struct ServiceAccount {
    email: String,
    key_id: Option<String>,
    key: RsaKey,
}

impl ServiceAccount {
    pub(super) fn new(file: &KeyFile) -> Result<Self, KeyError> {
        Ok(Self {
            email: file.client_email.clone(),
            key_id: file.private_key_id.clone(),
            key: RsaKey::parse(&file.private_key)?,
        })
    }

    /// The signed claim that whoever holds the key wants a token for the scope from the audience.
    pub(super) fn assertion(
        &self,
        audience: &str,
        scope: &str,
        now: DateTime<Utc>,
    ) -> Result<String, SigningError> {
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.key_id});
        let claims = json!({
            "iss": self.email,
            "scope": scope,
            "aud": audience,
            "iat": now.timestamp(),
            "exp": (now + GOOD_FOR).timestamp(),
        });
        let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.key.sign(signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}
