//! Access tokens: fetched once for all who wait, renewed before they end, never written anywhere.

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value as Json;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::auth::Redactor;
use crate::error::AdapterError;

/// How long before its end a token is renewed.
const MARGIN: Duration = Duration::from_mins(1);
/// How long a token lives whose answer does not say.
const UNSAID: Duration = Duration::from_mins(5);
/// Nobody is believed to give one for longer.
const LONGEST: Duration = Duration::from_hours(24);

/// A token, and what hides it in texts.
pub(crate) struct Token {
    pub(crate) value: SecretString,
    pub(crate) redactor: Redactor,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Held {
    token: Arc<Token>,
    until: Instant,
}

/// The token of one account.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    held: Mutex<Option<Held>>,
    /// The refresh token that the provider gave in place of the Secret's.
    refresh: std::sync::Mutex<Option<SecretString>>,
}

impl Tokens {
    /// The token in use, and whether it was fetched just now. Who comes while it is being fetched
    /// waits for the one request.
    pub(crate) async fn get<F>(
        &self,
        fetch: impl FnOnce() -> F,
    ) -> Result<(Arc<Token>, bool), AdapterError>
    where
        F: Future<Output = Result<(Token, Duration), AdapterError>>,
    {
        let mut held = self.held.lock().await;
        if let Some(held) = held.as_ref().filter(|held| Instant::now() < held.until) {
            return Ok((Arc::clone(&held.token), false));
        }
        let (token, lives) = fetch().await?;
        let token = Arc::new(token);
        let until = Instant::now() + lives.saturating_sub(MARGIN).max(lives / 2);
        *held = Some(Held { token: Arc::clone(&token), until });
        Ok((token, true))
    }

    /// The newest refresh token, where it is not the Secret's.
    pub(crate) fn refresh(&self) -> Option<SecretString> {
        self.refresh.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps a refresh token that takes the place of the last one; whether it is another.
    pub(crate) fn replace_refresh(&self, token: &str) -> bool {
        let mut known = self.refresh.lock().unwrap_or_else(PoisonError::into_inner);
        let another = known.as_ref().is_none_or(|known| known.expose_secret() != token);
        if another {
            *known = Some(token.into());
        }
        another
    }

    /// The token in use, good or not: what it is must not be shown.
    pub(crate) async fn newest(&self) -> Option<Arc<Token>> {
        self.held.lock().await.as_ref().map(|held| Arc::clone(&held.token))
    }

    /// Uses a token no more, unless another one is in use already.
    pub(crate) async fn forget(&self, token: &Arc<Token>) {
        let mut held = self.held.lock().await;
        if held.as_ref().is_some_and(|held| Arc::ptr_eq(&held.token, token)) {
            *held = None;
        }
    }
}

/// A token, if one can be sent.
pub(crate) fn printable(token: &Json) -> Option<&str> {
    let token = token.as_str()?;
    (!token.is_empty() && token.bytes().all(|b| (0x21..0x7f).contains(&b))).then_some(token)
}

/// How long the token of an answer lives (RFC 6749, 5.1); `unsaid` where it does not say.
pub(crate) fn lives(body: &Json, unsaid: Option<Duration>) -> Duration {
    let seconds = match &body["expires_in"] {
        Json::Number(number) => number.as_u64(),
        // Some write a number as text.
        Json::String(text) => text.parse().ok(),
        _ => None,
    };
    seconds.map_or(unsaid.unwrap_or(UNSAID), Duration::from_secs).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_is_read_with_its_life() {
        let hour = Duration::from_hours(1);
        assert_eq!(lives(&json!({"expires_in": 3600}), None), hour);
        assert_eq!(lives(&json!({"expires_in": "3600"}), None), hour);
        assert_eq!(lives(&json!({}), None), UNSAID);
        assert_eq!(lives(&json!("a token alone"), Some(hour)), hour);
        assert_eq!(lives(&json!({"expires_in": u64::MAX}), None), LONGEST);
        assert_eq!(printable(&json!("a")), Some("a"));
        for token in [json!(null), json!(""), json!("a\r\nb"), json!(7)] {
            assert_eq!(printable(&token), None);
        }
    }
}
