//! OVHcloud's request signature: SHA-1 over secrets, method, address, body and the server's time.
//! <https://docs.ovhcloud.com/en/guides/manage-and-operate/api/first-steps>

use chrono::{DateTime, Utc};
use http::HeaderValue;
use http::header::InvalidHeaderValue;
use sha1::{Digest as _, Sha1};
use url::Url;

use crate::pipeline::request::Request;

/// The three keys of an application and its user.
pub(super) struct Key<'a> {
    pub(super) application: &'a str,
    pub(super) secret: &'a str,
    pub(super) consumer: &'a str,
}

/// Signs a request by its published address, query included: that is the one the provider sees
/// itself under, whatever stands in between.
pub(super) fn sign(
    key: &Key<'_>,
    rendered: &Request,
    request: &mut reqwest::Request,
    now: DateTime<Utc>,
) -> Result<(), InvalidHeaderValue> {
    let time = now.timestamp().to_string();
    // Spelled as a client sends it.
    let address = Url::parse(&rendered.published);
    let address = address.as_ref().map_or(rendered.published.as_str(), Url::as_str);
    let signature = signature(key, request.method().as_str(), address, &rendered.body, &time);
    let headers = [
        ("x-ovh-application", key.application),
        ("x-ovh-consumer", key.consumer),
        ("x-ovh-timestamp", &time),
        ("x-ovh-signature", &signature),
    ];
    for (name, text) in headers {
        let mut value = HeaderValue::from_str(text)?;
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
    }
    Ok(())
}

fn signature(key: &Key<'_>, method: &str, url: &str, body: &[u8], time: &str) -> String {
    use std::fmt::Write as _;
    let mut digest = Sha1::new();
    digest.update(format!("{}+{}+{method}+{url}+", key.secret, key.consumer));
    digest.update(body);
    digest.update(format!("+{time}"));
    digest.finalize().iter().fold("$1$".to_owned(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first is the vendor's own example. The others are hand-made: `$1$` and what `sha1sum`
    /// prints of the text `secret+consumer+METHOD+URL+body+time`.
    #[test]
    fn signatures_are_as_the_vendor_makes_them() {
        let key = Key {
            application: "app",
            secret: "EXEgWIz07P0HYwtQDs7cNIqCiQaWSuHF",
            consumer: "MtSwSrPpNjqfVSmJhLbPyr2i45lSwPU1",
        };
        let base = "https://eu.api.ovh.com/1.0";
        for (method, path, body, wanted) in [
            ("GET", "/domains/", "", "$1$d3705e8afb27a0d2970a322b96550abfc67bb798"),
            (
                "POST",
                "/cloud/project/a/instance?x=%C3%A9%20b&a=1&a=2",
                "{\"name\":\"é b\"}",
                "$1$b539a038492659afae450bdeb61d725bcdb2f92c",
            ),
            (
                "DELETE",
                "/cloud/project/a/instance/1",
                "",
                "$1$771617d7ba5644e736f7d16466089acd32eab8f6",
            ),
        ] {
            let url = format!("{base}{path}");
            assert_eq!(
                signature(&key, method, &url, body.as_bytes(), "1366560945"),
                wanted,
                "{path}"
            );
        }
    }
}
