//! Access tokens: fetched once for all who wait, renewed before they end, never written anywhere.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
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

/// The token of an answer (RFC 6749, 5.1) and how long it lives.
pub(crate) fn read(body: &Json) -> Option<(&str, Duration)> {
    let token = body["access_token"].as_str()?;
    let printable = !token.is_empty() && token.bytes().all(|b| (0x21..0x7f).contains(&b));
    let seconds = match &body["expires_in"] {
        Json::Number(number) => number.as_u64(),
        // Some write a number as text.
        Json::String(text) => text.parse().ok(),
        _ => None,
    };
    let lives = seconds.map_or(UNSAID, Duration::from_secs).min(LONGEST);
    printable.then_some((token, lives))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_is_read_with_its_life() {
        let read = |body: Json| read(&body).map(|(token, lives)| (token.to_owned(), lives));
        let hour = Some(("a".to_owned(), Duration::from_hours(1)));
        assert_eq!(read(json!({"access_token": "a", "expires_in": 3600})), hour);
        assert_eq!(read(json!({"access_token": "a", "expires_in": "3600"})), hour);
        assert_eq!(read(json!({"access_token": "a"})), Some(("a".to_owned(), UNSAID)));
        let long = read(json!({"access_token": "a", "expires_in": u64::MAX}));
        assert_eq!(long, Some(("a".to_owned(), LONGEST)));
        for body in [json!({}), json!({"access_token": ""}), json!({"access_token": "a\r\nb"})] {
            assert_eq!(read(body), None);
        }
    }
}
