//! Verification of AWS Signature Version 4, written from the vendor's description and sharing no
//! code with the signer: <https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html>.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use hmac::{Hmac, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::received::Received;

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// How far a request's time may be from ours.
const SKEW: TimeDelta = TimeDelta::minutes(15);

/// What an `Authorization` header says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Signed<'a> {
    pub(crate) access_key: &'a str,
    date: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    headers: Vec<&'a str>,
    signature: &'a str,
}

/// Why a signature is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum Refused {
    #[error("the Authorization header is absent or is no AWS4-HMAC-SHA256 header")]
    Header,
    #[error("the header {0} must be sent and signed")]
    Unsigned(&'static str),
    #[error("the request's time is not within 15 minutes of the server's")]
    Skewed,
    #[error("the request is signed for the service {0}")]
    Service(String),
    #[error("the signature does not match")]
    Signature,
}

impl<'a> Signed<'a> {
    /// Reads the header.
    pub(crate) fn parse(header: Option<&'a str>) -> Result<Self, Refused> {
        let fields =
            header.and_then(|h| h.strip_prefix("AWS4-HMAC-SHA256")).ok_or(Refused::Header)?;
        let fields: BTreeMap<&str, &str> =
            fields.split(',').filter_map(|field| field.trim().split_once('=')).collect();
        let field = |name| fields.get(name).copied().ok_or(Refused::Header);
        let scope: Vec<&str> = field("Credential")?.split('/').collect();
        let [access_key, date, region, service, "aws4_request"] = scope.as_slice() else {
            return Err(Refused::Header);
        };
        Ok(Self {
            access_key,
            date,
            region,
            service,
            headers: field("SignedHeaders")?.split(';').collect(),
            signature: field("Signature")?,
        })
    }

    /// Signs the request once more and compares.
    pub(crate) fn verify(
        &self,
        received: &Received,
        secret: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Refused> {
        for required in ["host", "x-amz-date"] {
            if !self.headers.contains(&required) {
                return Err(Refused::Unsigned(required));
            }
        }
        let time = received.header("x-amz-date").unwrap_or_default();
        let at =
            NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%SZ").map_err(|_| Refused::Skewed)?;
        if (at.and_utc() - now).abs() > SKEW || !time.starts_with(self.date) {
            return Err(Refused::Skewed);
        }
        let canonical = self.canonical(received);
        let scope = format!("{}/{}/{}/aws4_request", self.date, self.region, self.service);
        let digest = hex(&Sha256::digest(canonical.as_bytes()));
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}");
        let first = format!("AWS4{secret}").into_bytes();
        let key = [self.date, self.region, self.service, "aws4_request"]
            .iter()
            .fold(first, |key, step| hmac(&key, step.as_bytes()));
        if hex(&hmac(&key, to_sign.as_bytes())) == self.signature {
            Ok(())
        } else {
            Err(Refused::Signature)
        }
    }

    fn canonical(&self, received: &Received) -> String {
        let mut text = format!("{}\n", received.verb);
        let path: Vec<String> = received
            .wire_path
            .split('/')
            .map(|segment| utf8_percent_encode(segment, UNRESERVED).to_string())
            .collect();
        let _ = writeln!(text, "{}", path.join("/"));
        let encode = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
        let mut query: Vec<(String, String)> = received
            .wire_query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(k, v)| {
                (encode(&crate::received::decode(k)), encode(&crate::received::decode(v)))
            })
            .collect();
        query.sort();
        let query: Vec<String> = query.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let _ = writeln!(text, "{}", query.join("&"));
        for name in &self.headers {
            let values: Vec<String> = received
                .header_map
                .get_all(*name)
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
                .map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "))
                .collect();
            let _ = writeln!(text, "{name}:{}", values.join(","));
        }
        let _ =
            write!(text, "\n{}\n{}", self.headers.join(";"), hex(&Sha256::digest(&received.body)));
        text
    }
}

fn hmac(key: &[u8], data: &[u8]) -> Vec<u8> {
    // HMAC takes a key of any length, so the error cannot happen; an empty tag would match nothing.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Request;

    use super::*;

    /// A vendor example: `get-vanilla-query-order-key-case` and `post-x-www-form-urlencoded` of the
    /// AWS Signature Version 4 test suite (access key AKIDEXAMPLE).
    fn received(method: &str, uri: &str, headers: &[(&str, &str)], body: &'static str) -> Received {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).expect("request").into_parts();
        let path = parts.uri.path().to_owned();
        Received::new(parts, path, Bytes::from_static(body.as_bytes()))
    }

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    const SCOPE: &str =
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request";

    fn noon() -> DateTime<Utc> {
        "2015-08-30T12:36:00Z".parse().expect("time")
    }

    fn verdict(
        received: &Received,
        rest: &str,
        secret: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Refused> {
        let header = format!("{SCOPE}, {rest}");
        Signed::parse(Some(&header))?.verify(received, secret, now)
    }

    #[test]
    fn the_vendors_examples_verify_and_any_change_does_not() {
        let base = [("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")];
        let query = received("GET", "/?Param2=value2&Param1=value1", &base, "");
        let good = "SignedHeaders=host;x-amz-date, \
                    Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500";
        assert_eq!(verdict(&query, good, SECRET, noon()), Ok(()));
        assert_eq!(verdict(&query, good, "other", noon()), Err(Refused::Signature));
        let late = noon() + TimeDelta::minutes(16);
        assert_eq!(verdict(&query, good, SECRET, late), Err(Refused::Skewed));
        let changed = received("GET", "/?Param2=value2&Param1=value2", &base, "");
        assert_eq!(verdict(&changed, good, SECRET, noon()), Err(Refused::Signature));

        let form = [base[0], base[1], ("content-type", "application/x-www-form-urlencoded")];
        let post = received("POST", "/", &form, "Param1=value1");
        let good = "SignedHeaders=content-type;host;x-amz-date, \
                    Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a";
        assert_eq!(verdict(&post, good, SECRET, noon()), Ok(()));
        let other = received("POST", "/", &form, "Param1=value2");
        assert_eq!(verdict(&other, good, SECRET, noon()), Err(Refused::Signature));
        let unsigned = "SignedHeaders=host, Signature=00";
        assert_eq!(verdict(&post, unsigned, SECRET, noon()), Err(Refused::Unsigned("x-amz-date")));
        assert_eq!(Signed::parse(Some("Bearer x")), Err(Refused::Header));
    }
}
