//! Verification of Oracle's request signature, written from the vendor's description and sharing no
//! code with the signer:
//! <https://docs.oracle.com/en-us/iaas/Content/API/Concepts/signingrequests.htm>.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};

use crate::provider::{Account, Provider};
use crate::received::Received;
use crate::rsa;

/// How far a request's time may be from ours.
const SKEW: TimeDelta = TimeDelta::minutes(5);

/// What every request signs, and what one with a body signs too.
const ALWAYS: [&str; 3] = ["date", "(request-target)", "host"];
const WITH_BODY: [&str; 3] = ["content-length", "content-type", "x-content-sha256"];

/// The account whose key signed the request, or what is wrong.
pub(crate) fn authenticate(
    provider: &Provider,
    received: &Received,
    now: DateTime<Utc>,
) -> Result<Arc<Account>, String> {
    const REFUSED: &str =
        "The required information to complete authentication was not provided or was incorrect.";
    let refused = || REFUSED.to_owned();
    let header = received.header("authorization").and_then(|text| text.strip_prefix("Signature "));
    let header = header.ok_or_else(refused)?;
    let part = |name: &str| {
        header.split(',').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            (key.trim() == name).then(|| value.trim().trim_matches('"'))
        })
    };
    if part("version") != Some("1") || part("algorithm") != Some("rsa-sha256") {
        return Err(refused());
    }
    let mut id = part("keyId").unwrap_or_default().split('/');
    let account = provider.account(id.next().unwrap_or_default()).ok_or_else(refused)?;
    let known = |place: usize| {
        let name = provider.compiled.spec().auth.secret.get(place);
        name.and_then(|name| account.secrets.get(name.as_str())).map(String::as_str)
    };
    if [id.next(), id.next()] != [known(1), known(2)] {
        return Err(refused());
    }
    let date = received.header("date").unwrap_or_default();
    let at = DateTime::parse_from_rfc2822(date).ok();
    if at.is_none_or(|at| (at.to_utc() - now).abs() > SKEW) {
        return Err("Date in request is outside of the allowed clock skew".to_owned());
    }
    let names: Vec<&str> = part("headers").unwrap_or_default().split(' ').collect();
    let mut needed = ALWAYS.to_vec();
    if ["POST", "PUT", "PATCH"].contains(&received.verb.as_str()) {
        needed.extend(WITH_BODY);
        let digest = STANDARD.encode(Sha256::digest(&received.body));
        let length = received.body.len().to_string();
        let says = |name, value: &str| received.header(name) == Some(value);
        if !says("x-content-sha256", &digest) || !says("content-length", &length) {
            return Err("The digest of the body is not the one that was signed".to_owned());
        }
    }
    if !needed.iter().all(|name| names.contains(name)) {
        return Err(format!("Signed must be: {}", needed.join(" ")));
    }
    let query = match received.wire_query.as_str() {
        "" => String::new(),
        query => format!("?{query}"),
    };
    let method = received.verb.as_str().to_ascii_lowercase();
    let lines: Vec<String> = names
        .iter()
        .map(|name| match *name {
            "(request-target)" => {
                format!("(request-target): {method} {}{query}", received.wire_path)
            }
            name => format!("{name}: {}", received.header(name).unwrap_or_default()),
        })
        .collect();
    let signature = STANDARD.decode(part("signature").unwrap_or_default()).unwrap_or_default();
    let good = rsa::signed(known(3).unwrap_or_default(), lines.join("\n").as_bytes(), &signature);
    if good { Ok(account) } else { Err(refused()) }
}
