//! Where requests go: the definition's base URLs, the account's replacement for them, and the
//! pages that answers point to.

use std::cell::Cell;

use infrafabric_definition::Class;
use serde_json::Value as Json;
use thiserror::Error;
use url::Url;

use crate::compile::{Compiled, EvaluationError, Vars};

/// A base URL as published and as used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    /// As the definition says.
    pub(crate) official: String,
    /// Where requests really go.
    pub(crate) effective: String,
    /// The endpoint's own service name.
    pub(crate) service: Option<String>,
    /// The endpoint's own region.
    pub(crate) region: Option<String>,
}

/// Why there is no URL to send to.
#[derive(Debug, Error)]
pub(crate) enum EndpointError {
    /// The account's endpoint is no base URL.
    #[error("endpoint `{url}` is no base URL: {reason}")]
    Replacement { url: String, reason: &'static str },
    /// The operation names an endpoint that the definition does not have.
    #[error("the definition has no endpoint `{0}`")]
    Missing(String),
    /// The template needs something that is not given.
    #[error("endpoint of `{0}` needs a region or a parameter that is not given")]
    Absent(String),
    /// A region or parameter would change the host.
    #[error("`{0}` cannot stand in a host name: letters, digits, `-`, `_` and `.` can")]
    Value(String),
    /// The expression fails.
    #[error("render the endpoint")]
    Render(#[source] EvaluationError),
    /// Base and path together are no URL.
    #[error("`{0}` is no URL")]
    Url(String),
    /// A path segment that would climb.
    #[error("`.` and `..` cannot stand as a segment of a path")]
    Dots,
    /// The next page is elsewhere.
    #[error("the next page is at another host: `{0}`")]
    Foreign(String),
}

impl EndpointError {
    pub(crate) fn class(&self) -> Class {
        match self {
            Self::Foreign(_) => Class::Policy,
            _ => Class::Invalid,
        }
    }
}

/// Checks the account's own endpoint and takes its trailing slashes off.
pub(crate) fn replacement(text: &str) -> Result<String, EndpointError> {
    let problem = |reason| EndpointError::Replacement { url: printable(text), reason };
    let url = Url::parse(text).map_err(|_| problem("it must begin with https:// or http://"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(problem("it must begin with https:// or http://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(problem("credentials belong into the Secret"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(problem("it must end with the host or a path"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// The base URL of an operation's endpoint.
pub(crate) fn base(
    definition: &Compiled,
    endpoint: Option<&str>,
    replacement: Option<&str>,
    vars: &Vars,
) -> Result<Base, EndpointError> {
    let (template, service, region) = match endpoint {
        None => (&definition.endpoint, None, None),
        Some(name) => {
            let further = definition
                .endpoints
                .get(name)
                .ok_or_else(|| EndpointError::Missing(name.to_owned()))?;
            (&further.url, further.service.clone(), further.region.clone())
        }
    };
    let wrong = Cell::new(None);
    let official = template
        .render_text(vars, |value| {
            if !value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
                wrong.set(Some(printable(value)));
            }
            value.to_owned()
        })
        .map_err(EndpointError::Render)?
        .ok_or_else(|| EndpointError::Absent(endpoint.unwrap_or("endpoint").to_owned()))?;
    if let Some(value) = wrong.take() {
        return Err(EndpointError::Value(value));
    }
    let official = official.trim_end_matches('/').to_owned();
    let effective = replacement.map_or_else(|| official.clone(), ToOwned::to_owned);
    Ok(Base { official, effective, service, region })
}

/// A base URL and a rendered path.
pub(crate) fn join(base: &str, path: &str) -> Result<Url, EndpointError> {
    let text = format!("{base}{path}");
    let head = path.split('?').next().unwrap_or_default();
    // A URL parser takes `%2e%2e` for `..` and would climb out of the path.
    if head
        .split('/')
        .any(|s| matches!(s.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | ".."))
    {
        return Err(EndpointError::Dots);
    }
    Url::parse(&text).map_err(|_| EndpointError::Url(printable(&text)))
}

/// Where the next page is, given the page that named it: below the official base it moves to the
/// effective one, at the effective origin it stays, anywhere else it is refused.
pub(crate) fn next_page(base: &Base, current: &Url, next: &str) -> Result<Url, EndpointError> {
    let foreign = |url: &Url| EndpointError::Foreign(url.host_str().unwrap_or("?").to_owned());
    // A relative address is relative to the page as the vendor published it.
    let here = Url::parse(&published(base, current)).unwrap_or_else(|_| current.clone());
    let mut url = here.join(next).map_err(|_| EndpointError::Url(printable(next)))?;
    url.set_fragment(None);
    if !url.username().is_empty() || url.password().is_some() {
        return Err(foreign(&url));
    }
    if let Some(text) = rebase(url.as_str(), &base.official, &base.effective) {
        return Url::parse(&text).map_err(|_| EndpointError::Url(printable(&text)));
    }
    let effective =
        Url::parse(&base.effective).map_err(|_| EndpointError::Url(printable(&base.effective)))?;
    if url.origin() == effective.origin() { Ok(url) } else { Err(foreign(&url)) }
}

/// The address of a page as the vendor publishes it.
pub(crate) fn published(base: &Base, url: &Url) -> String {
    rebase(url.as_str(), &base.effective, &base.official).unwrap_or_else(|| url.to_string())
}

/// The URL with one base replaced by another, if it stands below the first.
fn rebase(url: &str, from: &str, to: &str) -> Option<String> {
    let from = Url::parse(from).ok()?;
    let rest = url.strip_prefix(from.as_str().trim_end_matches('/'))?;
    (rest.is_empty() || rest.starts_with(['/', '?'])).then(|| format!("{to}{rest}"))
}

/// At most 100 printable characters of a text from outside.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

/// The variables that endpoints may use.
pub(crate) fn vars(region: &str, parameters: &Json) -> Vars {
    let mut vars = Vars::default();
    vars.set("parameters", parameters);
    if !region.is_empty() {
        vars.set("region", &Json::from(region));
    }
    vars
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved() -> Base {
        Base {
            official: "https://api.example.com/v4".to_owned(),
            effective: "http://127.0.0.1:9/x".to_owned(),
            service: None,
            region: None,
        }
    }

    #[test]
    fn a_next_page_moves_with_the_endpoint() {
        let current = Url::parse("http://127.0.0.1:9/x/things?page=1").expect("a URL");
        let next = |text: &str| next_page(&moved(), &current, text).map(|url| url.to_string());
        for text in ["https://api.example.com/v4/things?page=2", "/v4/things?page=2", "?page=2"] {
            assert_eq!(next(text).expect("followed"), "http://127.0.0.1:9/x/things?page=2");
        }
        let own = "http://127.0.0.1:9/x/things?page=2";
        assert_eq!(next(own).expect("followed"), own);
    }

    #[test]
    fn a_next_page_at_another_host_is_refused() {
        let current = Url::parse("http://127.0.0.1:9/x/things").expect("a URL");
        for text in [
            "https://evil.example/v4/things",
            "https://api.example.com.evil.example/v4/things",
            "https://api.example.com@evil.example/v4",
            "https://u:p@api.example.com/v4/things",
            "https://api.example.com/v44/things",
            "//evil.example/v4",
            "http://127.0.0.1:10/x/things",
            "file:///etc/passwd",
        ] {
            let error = next_page(&moved(), &current, text).expect_err(text);
            assert_eq!(error.class(), Class::Policy, "{text}");
        }
    }

    #[test]
    fn dots_do_not_climb() {
        for path in ["/v2/things/%2E%2E", "/v2/../x", "/v2/%2e/x"] {
            assert!(matches!(join("https://a.example", path), Err(EndpointError::Dots)), "{path}");
        }
        assert!(join("https://a.example", "/v2/a..b?x=..").is_ok());
    }

    #[test]
    fn an_endpoint_of_the_account_is_a_bare_base_url() {
        assert_eq!(replacement("http://127.0.0.1:8/a/").expect("fine"), "http://127.0.0.1:8/a");
        for text in ["ftp://a", "a.example", "https://u:p@a", "https://a?x", "https://a#x", ""] {
            assert!(replacement(text).is_err(), "{text}");
        }
    }
}
