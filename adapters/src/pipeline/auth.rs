//! Credentials: held, checked, applied and hidden here, and nowhere else.

mod fill;
mod hmac;
mod oci;
mod ovh;
mod path;
mod query;
mod redact;
mod rsa;
mod service_account;
mod sigv4;
#[cfg(test)]
mod vendors;

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use infrafabric_definition::{Auth, Carrier, Name, Scheme};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value as Json};
use thiserror::Error;

pub(crate) use hmac::hash;
pub(crate) use redact::Redactor;
pub(crate) use sigv4::SignatureError;

use rsa::{KeyError, RsaKey, SigningError};
use service_account::{KeyFile, ServiceAccount};

use super::request::Request;
use super::tokens::Token;
use crate::compile::{Compiled, EvaluationError, Template, Vars};

/// The credentials of one account, ready to be applied.
pub(crate) struct Credentials {
    scheme: Scheme,
    /// In the order the scheme takes them; optional ones follow.
    values: Vec<SecretString>,
    /// The keys that they stand at.
    keys: Vec<String>,
    /// Where an access token stands.
    carrier: Carrier,
    required: usize,
    service: Option<String>,
    /// The header or query parameter that carries the token.
    name: String,
    /// What stands before the token there.
    prefix: String,
    /// What the access token is asked for.
    scope: String,
    /// The key that signs, where the scheme has one.
    signer: Signer,
}

/// A private key, read once.
#[derive(Debug)]
enum Signer {
    None,
    Key(RsaKey),
    Account(ServiceAccount),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

/// Why credentials cannot be used. Names the key, never the value.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum CredentialError {
    /// The Secret does not hold the key.
    #[error("the Secret has no key `{0}`")]
    Missing(String),
    /// The value is empty.
    #[error("the Secret's key `{0}` is empty")]
    Empty(String),
    /// The value has characters that no credential has.
    #[error(
        "the Secret's key `{0}` has control or non-ASCII characters inside: it was pasted wrong"
    )]
    Characters(String),
    /// A user whose end nobody could tell.
    #[error("the Secret's key `{0}` has a colon inside, and no user of this scheme has one")]
    Colon(String),
    /// A private key that cannot be used.
    #[error("the Secret's key `{key}` {source}")]
    Key { key: String, source: KeyError },
    /// Not the key file of a service account.
    #[error(
        "the Secret's key `{0}` is no key file of a service account: JSON with client_email and private_key"
    )]
    KeyFile(String),
    /// The definition names fewer keys than its scheme takes.
    #[error("the definition names {given} Secret keys and its scheme takes {taken}")]
    Keys { given: usize, taken: usize },
}

/// Why a request cannot be authenticated.
#[derive(Debug, Error)]
pub(crate) enum SignError {
    /// The signature cannot be made.
    #[error("sign the request")]
    Signature(#[source] SignatureError),
    /// The private key did not sign.
    #[error("sign the request")]
    Key(#[source] SigningError),
    /// A template of the definition's authentication has no value.
    #[error("write `spec.auth.{place}`")]
    Template { place: String, source: Option<EvaluationError> },
    /// The Secret has not what a field of the body is.
    #[error("the Secret has nothing for the field `{field}` of the request")]
    Field { field: String, source: Option<EvaluationError> },
    /// The token does not fit into a header.
    #[error("put the token into a header")]
    Header(#[source] http::header::InvalidHeaderValue),
    /// The definition's header has no name that a header can have.
    #[error("use `{name}` as a header")]
    Name { name: String, source: http::header::InvalidHeaderName },
}

impl Credentials {
    /// Takes the values that the definition asks for. White space around a value (a newline that
    /// an editor put at the end) is cut off once, here.
    pub(crate) fn open(
        auth: &Auth,
        secrets: &BTreeMap<String, SecretString>,
    ) -> Result<Self, CredentialError> {
        let taken = match auth.scheme {
            Scheme::None => 0,
            Scheme::AwsSigv4 | Scheme::Oauth2 | Scheme::Oauth2Refresh => 2,
            Scheme::Ovh => 3,
            Scheme::Oci => 4,
            _ => 1,
        };
        if auth.secret.len() < taken {
            return Err(CredentialError::Keys { given: auth.secret.len(), taken });
        }
        let mut values = Vec::new();
        let mut signer = Signer::None;
        for (place, key) in auth.secret.iter().enumerate() {
            let secret = secrets.get(key.as_str());
            let secret = secret.ok_or_else(|| CredentialError::Missing(key.0.clone()))?;
            match (auth.scheme, place) {
                (Scheme::JwtBearer, 0) => {
                    let file = key_file(key.as_str(), secret)?;
                    signer = Signer::Account(usable(key, ServiceAccount::new(&file))?);
                    values.push(file.private_key.into());
                }
                (Scheme::Oci, 3) => {
                    let pem = secret.expose_secret();
                    signer = Signer::Key(usable(key, RsaKey::parse(pem))?);
                    values.push(secret.clone());
                }
                _ => values.push(checked(key.as_str(), secret)?),
            }
        }
        let user = values.first().filter(|_| auth.scheme == Scheme::Basic);
        if user.is_some_and(|user| user.expose_secret().contains(':')) {
            return Err(CredentialError::Colon(auth.secret[0].0.clone()));
        }
        let mut keys: Vec<String> = auth.secret.iter().map(|key| key.0.clone()).collect();
        for key in &auth.optional_secret {
            if let Some(secret) = secrets.get(key.as_str()) {
                values.push(checked(key.as_str(), secret)?);
                keys.push(key.0.clone());
            }
        }
        let service = auth.service.as_ref().map(|name| name.0.clone());
        let name = auth.name.as_ref().map(|name| name.0.clone()).unwrap_or_default();
        let prefix = auth.prefix.as_ref().map(|prefix| prefix.0.clone()).unwrap_or_default();
        let scope = auth.scope.as_ref().map(|scope| scope.0.clone()).unwrap_or_default();
        let required = auth.secret.len();
        let carrier = match auth.scheme {
            Scheme::Header => Carrier::Header,
            Scheme::Query => Carrier::Query,
            Scheme::Path => Carrier::Path,
            _ => auth.carrier.unwrap_or_default(),
        };
        let scheme = auth.scheme;
        Ok(Self { scheme, values, keys, carrier, required, service, name, prefix, scope, signer })
    }

    /// Whether the scheme needs the provider's time.
    pub(crate) fn signs_time(&self) -> bool {
        use Scheme::{AwsSigv4, Hmac, JwtBearer, Oci, Ovh};
        matches!(self.scheme, AwsSigv4 | Hmac | JwtBearer | Oci | Ovh)
    }

    /// Whether requests carry an access token that must be fetched.
    pub(crate) fn needs_token(&self) -> bool {
        self.scheme.fetches_token()
    }

    /// What the request for an access token is written from, besides the account's own: a login sends
    /// what the Secret holds.
    pub(crate) fn login(&self) -> Vec<(&'static str, Json)> {
        if self.scheme == Scheme::Exchange { vec![("secret", self.secret())] } else { Vec::new() }
    }

    /// Completes the request for an access token (RFC 6749, 4.4 and 6; RFC 7523, 2.1) and gives what
    /// an answer could repeat of it besides the secrets themselves. `refresh` is the newest refresh
    /// token, where the provider gave another one than the Secret's.
    pub(crate) fn ask_for_token(
        &self,
        rendered: &Request,
        request: &mut reqwest::Request,
        now: DateTime<Utc>,
        refresh: Option<&str>,
    ) -> Result<Option<String>, SignError> {
        if self.scheme == Scheme::Exchange {
            return Ok(None);
        }
        let mut form = String::from_utf8_lossy(&rendered.body).into_owned();
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        let mut repeatable = None;
        if let Signer::Account(account) = &self.signer {
            // The provider knows itself by its published address.
            let assertion =
                account.assertion(&rendered.published, &self.scope, now).map_err(SignError::Key)?;
            pairs.append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
            pairs.append_pair("assertion", &assertion);
            repeatable = Some(assertion);
        } else if self.scheme == Scheme::Oauth2Refresh {
            pairs.append_pair("grant_type", "refresh_token");
            pairs.append_pair("refresh_token", refresh.unwrap_or(self.value(0)));
            pairs.append_pair("client_id", self.value(1));
            if self.required > 2 {
                pairs.append_pair("client_secret", self.value(2));
            }
            repeatable = refresh.map(ToOwned::to_owned);
        } else {
            pairs.append_pair("grant_type", "client_credentials");
            pairs.append_pair("client_id", self.value(0));
            pairs.append_pair("client_secret", self.value(1));
        }
        if !form.is_empty() {
            form.push('&');
        }
        form.push_str(&pairs.finish());
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, kind);
        *request.body_mut() = Some(form.into());
        Ok(repeatable)
    }

    /// Adds the authentication to a request that is about to leave; `token` where one is needed.
    pub(crate) fn apply(
        &self,
        definition: &Compiled,
        rendered: &Request,
        request: &mut reqwest::Request,
        now: DateTime<Utc>,
        token: Option<&Token>,
    ) -> Result<(), SignError> {
        match self.scheme {
            // A socket is let in once, before its first request.
            Scheme::None | Scheme::Obs => Ok(()),
            Scheme::Oauth2 | Scheme::Oauth2Refresh | Scheme::JwtBearer | Scheme::Exchange => {
                let token = token.map_or("", |token| token.value.expose_secret());
                self.carry_token(rendered, request, token)
            }
            Scheme::Bearer | Scheme::Header | Scheme::Query | Scheme::Path => {
                self.carry_token(rendered, request, self.value(0))
            }
            Scheme::Basic => {
                let pair = STANDARD.encode(format!("{}:{}", self.value(0), self.value(1)));
                carry(request, AUTHORIZATION, &format!("Basic {pair}"))
            }
            Scheme::Headers => {
                let mut vars = Vars::default();
                vars.set("secret", &self.secret());
                write_headers(request, &definition.auth.headers, &vars, "headers")?;
                for (name, template) in &definition.auth.query {
                    let value = written(template, &vars, &format!("query.{name}"))?;
                    query::put(request.url_mut(), name, &value);
                }
                Ok(())
            }
            Scheme::Hmac => {
                let secret =
                    hmac::Secret { all: &self.secret(), key: self.signing_key(definition) };
                hmac::sign(definition, &secret, rendered, request, now)
            }
            Scheme::Oci => {
                let Signer::Key(key) = &self.signer else { return Ok(()) };
                let key = oci::Key {
                    tenancy: self.value(0),
                    user: self.value(1),
                    fingerprint: self.value(2),
                    private: key,
                };
                oci::sign(&key, &rendered.body, request, now)
            }
            Scheme::Ovh => {
                let key = ovh::Key {
                    application: self.value(0),
                    secret: self.value(1),
                    consumer: self.value(2),
                };
                ovh::sign(&key, rendered, request, now).map_err(SignError::Header)
            }
            Scheme::AwsSigv4 => {
                let key = sigv4::Key {
                    id: self.value(0),
                    secret: self.value(1),
                    session: self.values.get(self.required).map(ExposeSecret::expose_secret),
                };
                let service = rendered.service.as_deref().or(self.service.as_deref());
                let scope = sigv4::Scope { region: &rendered.region, service, time: now };
                sigv4::sign(&key, &scope, request).map_err(SignError::Signature)
            }
        }
    }

    /// What hides these credentials in any text.
    pub(crate) fn redactor(&self) -> Redactor {
        self.redactor_with([])
    }

    /// The same, and an access token.
    pub(crate) fn redactor_with<'a>(
        &'a self,
        tokens: impl IntoIterator<Item = &'a str>,
    ) -> Redactor {
        // Whoever writes two of them together may encode both at once.
        let paired = matches!(self.scheme, Scheme::Basic | Scheme::Headers | Scheme::Exchange);
        let pairs = (0..self.values.len().max(1)).filter(|_| paired);
        let pairs: Vec<String> =
            pairs.map(|i| format!("{}:{}", self.value(i), self.value(i + 1))).collect();
        let pairs = pairs.iter().map(String::as_str);
        let values = self.values.iter().map(ExposeSecret::expose_secret);
        // A key of many lines comes back in pieces.
        let keys = values.clone().filter(|value| value.contains("PRIVATE KEY"));
        let lines = keys.flat_map(rsa::secret_lines);
        let values = values.filter(|value| !value.contains("PRIVATE KEY"));
        Redactor::new(
            values
                .chain(lines)
                .chain(pairs)
                .chain(tokens.into_iter().map(|token| -> &str { token })),
        )
    }

    /// Puts a token where the definition wants it.
    fn carry_token(
        &self,
        rendered: &Request,
        request: &mut reqwest::Request,
        token: &str,
    ) -> Result<(), SignError> {
        match self.carrier {
            Carrier::Bearer => carry(request, AUTHORIZATION, &format!("Bearer {token}")),
            Carrier::Header => {
                let name = HeaderName::from_bytes(self.name.as_bytes())
                    .map_err(|source| SignError::Name { name: self.name.clone(), source })?;
                carry(request, name, &format!("{}{token}", self.prefix))
            }
            Carrier::Query => {
                query::put(request.url_mut(), &self.name, token);
                Ok(())
            }
            Carrier::Path => {
                path::put(request.url_mut(), &rendered.base_path, &self.prefix, token);
                Ok(())
            }
        }
    }

    /// The secrets by their key, for the templates of authentication alone.
    fn secret(&self) -> Json {
        let pairs = self.keys.iter().zip(&self.values);
        let all: Map<String, Json> =
            pairs.map(|(key, value)| (key.clone(), Json::from(value.expose_secret()))).collect();
        Json::Object(all)
    }

    /// The value that signs.
    fn signing_key(&self, definition: &Compiled) -> &str {
        let wanted = definition.spec().auth.sign.as_ref().map_or("", |sign| sign.key.as_str());
        self.keys.iter().position(|key| key == wanted).map_or("", |at| self.value(at))
    }

    /// The one value of a scheme that has one.
    pub(super) fn password(&self) -> Option<&SecretString> {
        self.values.first()
    }

    fn value(&self, i: usize) -> &str {
        // Optional ones are for what names them.
        self.values.iter().take(self.required).nth(i).map_or("", |value| value.expose_secret())
    }
}

/// Writes headers from their templates.
fn write_headers(
    request: &mut reqwest::Request,
    headers: &[(String, Template)],
    vars: &Vars,
    place: &str,
) -> Result<(), SignError> {
    for (name, template) in headers {
        let text = written(template, vars, &format!("{place}.{name}"))?;
        let name = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes())
            .map_err(|source| SignError::Name { name: name.clone(), source })?;
        carry(request, name, &text)?;
    }
    Ok(())
}

/// The text of a template of authentication, which must have one.
fn written(template: &Template, vars: &Vars, place: &str) -> Result<String, SignError> {
    let missing = |source| SignError::Template { place: place.to_owned(), source };
    let text = template.render_text(vars, ToOwned::to_owned);
    text.map_err(|error| missing(Some(error)))?.ok_or_else(|| missing(None))
}

/// Puts a secret into a header, marked so that nothing prints it.
fn carry(request: &mut reqwest::Request, name: HeaderName, text: &str) -> Result<(), SignError> {
    let mut value = HeaderValue::from_str(text).map_err(SignError::Header)?;
    value.set_sensitive(true);
    request.headers_mut().insert(name, value);
    Ok(())
}

/// A key, or whose fault it is that there is none.
fn usable<T>(key: &Name, read: Result<T, KeyError>) -> Result<T, CredentialError> {
    read.map_err(|source| CredentialError::Key { key: key.0.clone(), source })
}

/// The JSON key file of a service account.
fn key_file(key: &str, secret: &SecretString) -> Result<KeyFile, CredentialError> {
    serde_json::from_str(secret.expose_secret())
        // The parser's own words may repeat the text.
        .map_err(|_| CredentialError::KeyFile(key.to_owned()))
}

fn checked(key: &str, secret: &SecretString) -> Result<SecretString, CredentialError> {
    let value = secret.expose_secret().trim();
    if value.is_empty() {
        return Err(CredentialError::Empty(key.to_owned()));
    }
    if !value.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return Err(CredentialError::Characters(key.to_owned()));
    }
    Ok(SecretString::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(secret: Option<&str>) -> Result<Credentials, CredentialError> {
        let auth = Auth { scheme: Scheme::Bearer, secret: vec!["token".into()], ..Auth::default() };
        let secrets = secret.map(|value| ("token".to_owned(), SecretString::from(value)));
        Credentials::open(&auth, &secrets.into_iter().collect())
    }

    #[test]
    fn a_newline_at_the_end_is_cut_off() {
        assert_eq!(open(Some("abc\n")).expect("opens").value(0), "abc");
        assert_eq!(open(Some(" abc\r\n")).expect("opens").value(0), "abc");
    }

    #[test]
    fn what_cannot_be_sent_is_refused_by_its_key() {
        let refusal = |secret| open(secret).expect_err("refused");
        assert_eq!(refusal(None), CredentialError::Missing("token".to_owned()));
        assert_eq!(refusal(Some(" \n")), CredentialError::Empty("token".to_owned()));
        for text in ["ab\ncd", "ab\0", "pässword"] {
            let error = refusal(Some(text));
            assert_eq!(error, CredentialError::Characters("token".to_owned()));
            assert!(!error.to_string().contains(text));
        }
    }

    #[test]
    fn a_user_has_no_colon_and_a_password_may() {
        let auth = Auth {
            scheme: Scheme::Basic,
            secret: vec!["user".into(), "password".into()],
            ..Auth::default()
        };
        let open = |user: &str, password: &str| {
            let secrets = [("user", user), ("password", password)];
            let secrets = secrets.map(|(key, value)| (key.to_owned(), SecretString::from(value)));
            Credentials::open(&auth, &secrets.into_iter().collect())
        };
        assert!(open("ada", "a:b").is_ok());
        let error = open("ada:b", "x").expect_err("refused");
        assert_eq!(error, CredentialError::Colon("user".to_owned()));
        assert!(!error.to_string().contains("ada"));
    }

    #[test]
    fn no_secret_in_debug() {
        assert!(!format!("{:?}", open(Some("s3cr3t-value")).expect("opens")).contains("s3cr3t"));
    }
}
