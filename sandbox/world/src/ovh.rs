//! Verification of OVHcloud's signature, written from the vendor's description and sharing no code
//! with the signer: <https://docs.ovhcloud.com/en/guides/manage-and-operate/api/first-steps>.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use sha1::{Digest as _, Sha1};

use infrafabric_adapters::compile::Template;

use crate::provider::{Account, Provider};
use crate::received::Received;
use crate::sigv4::hex;

/// The headers that carry keys and signature.
pub(crate) const HEADERS: [&str; 4] =
    ["x-ovh-application", "x-ovh-consumer", "x-ovh-timestamp", "x-ovh-signature"];

/// How far a request's time may be from ours. The vendor says no figure.
const SKEW: TimeDelta = TimeDelta::seconds(30);

/// The account whose keys signed the request, or the vendor's words for what is wrong.
pub(crate) fn authenticate(
    provider: &Provider,
    received: &Received,
    now: DateTime<Utc>,
) -> Result<Arc<Account>, String> {
    let header = |name| received.header(name).unwrap_or_default();
    let account = provider
        .account(header("x-ovh-application"))
        .ok_or_else(|| "This application key is invalid".to_owned())?;
    let key = |place: usize| {
        let name = provider.compiled.spec().auth.secret.get(place)?;
        account.secrets.get(name.as_str()).cloned()
    };
    let (secret, consumer) = (key(1).unwrap_or_default(), key(2).unwrap_or_default());
    if header("x-ovh-consumer") != consumer {
        return Err("This credential is not valid".to_owned());
    }
    let time = header("x-ovh-timestamp");
    let at = time.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    if at.is_none_or(|at| (at - now).abs() > SKEW) {
        return Err("Invalid timestamp".to_owned());
    }
    let query = match received.wire_query.as_str() {
        "" => String::new(),
        query => format!("?{query}"),
    };
    let signed = |base: &str| {
        let url = format!("{base}{}{query}", received.path);
        let mut text = [&secret, &consumer, received.verb.as_str(), &url].join("+").into_bytes();
        text.push(b'+');
        text.extend_from_slice(&received.body);
        text.extend_from_slice(format!("+{time}").as_bytes());
        format!("$1${}", hex(&Sha1::digest(&text))) == header("x-ovh-signature")
    };
    // A provider knows itself by its published addresses.
    let compiled = &provider.compiled;
    let further = compiled.endpoints.values().map(|further| &further.url);
    let mut addresses = std::iter::once(&compiled.endpoint).chain(further);
    if addresses.any(|template| address(template).is_some_and(|base| signed(&base))) {
        Ok(account)
    } else {
        Err("Invalid signature".to_owned())
    }
}

/// A base URL without variables.
fn address(template: &Template) -> Option<String> {
    template.pattern().collect::<Option<Vec<&str>>>().map(|parts| parts.concat())
}
