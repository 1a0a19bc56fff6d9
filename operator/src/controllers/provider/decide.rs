//! What to do, from what was seen. Pure and total.

use chrono::{DateTime, TimeDelta, Utc};
use infrafabric_adapters::alike::alike;
use infrafabric_crds::provider::reason;
use infrafabric_crds::{DETACH_ANNOTATION, Provider};
use infrafabric_definition::{Class, Name};

use super::observe::{Observed, SecretSeen};

/// How often verified credentials are proven again.
const VERIFY_AGAIN: TimeDelta = TimeDelta::minutes(10);
/// How long a Secret that was read is trusted.
pub const SECRET_TIME_TO_LIVE: TimeDelta = TimeDelta::seconds(30);

/// What to do with a Provider.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Say how it stands; nothing is called.
    Stand(Stand),
    /// Prove the credentials.
    Verify,
    /// What was proven still holds.
    Keep,
    /// Let go of the object.
    Release,
}

/// How it stands while it may not be called.
#[derive(Clone, Debug, PartialEq)]
pub struct Stand {
    /// The reason of `Ready`.
    pub reason: &'static str,
    /// What is wrong and what to do next.
    pub message: String,
    /// Whether a person must act.
    pub stalled: bool,
    /// The class for those who would use it; `None` when it may go on being used.
    pub class: Option<Class>,
}

/// What the last verification used and gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Verification {
    /// The inputs: generation, Secret version, definition digest, endpoint, request annotation.
    pub inputs: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The class of its failure.
    pub failed: Option<(Class, String)>,
    /// Not again before, after a failure.
    pub retry_at: DateTime<Utc>,
    /// How many failures in a row.
    pub failures: u32,
}

/// Decides.
pub fn decide(provider: &Provider, observed: &Observed, last: Option<&Verification>) -> Decision {
    if provider.metadata.deletion_timestamp.is_some() {
        return deletion(provider, observed);
    }
    if provider.spec.suspend {
        return stand(reason::SUSPENDED, "suspended by spec.suspend", true, Some(Class::Disabled));
    }
    if let Some(stand) = misfit(provider, observed) {
        return stand;
    }
    let SecretSeen::Here { .. } = &observed.secret else { return Decision::Keep };
    let inputs = inputs(provider, observed);
    match last {
        Some(last) if last.inputs == inputs => again(last, observed),
        _ => Decision::Verify,
    }
}

fn stand(
    reason: &'static str,
    message: impl Into<String>,
    stalled: bool,
    class: Option<Class>,
) -> Decision {
    Decision::Stand(Stand { reason, message: message.into(), stalled, class })
}

fn deletion(provider: &Provider, observed: &Observed) -> Decision {
    let annotations = provider.metadata.annotations.as_ref();
    let detached = annotations.and_then(|all| all.get(DETACH_ANNOTATION));
    if observed.users.is_empty() || detached.is_some_and(|value| value == "true") {
        return Decision::Release;
    }
    let first: Vec<&str> = observed.users.iter().take(3).map(String::as_str).collect();
    let message = format!(
        "{} objects still need it: {}; delete them first",
        observed.users.len(),
        first.join(", ")
    );
    stand(reason::IN_USE, message, false, None)
}

/// There are too many to name all.
fn unknown_type(name: &str, known: &[String]) -> String {
    let near = alike(name, known.iter());
    let hint = if near.is_empty() {
        format!("none of the {} there are is like it: `ifctl provider list`", known.len())
    } else {
        format!("did you mean {}?", near.join(", "))
    };
    format!("no definition {name} is built in or applied; {hint}")
}

/// What keeps the Provider from being called at all.
fn misfit(provider: &Provider, observed: &Observed) -> Option<Decision> {
    let auth = Some(Class::Auth);
    let Some((definition, _)) = &observed.definition else {
        let message = unknown_type(&provider.spec.type_, &observed.known_types);
        return Some(stand(reason::UNKNOWN_TYPE, message, true, Some(Class::Unsupported)));
    };
    if let Err(why) = &observed.endpoint {
        return Some(stand(reason::INVALID, why.clone(), true, Some(Class::Policy)));
    }
    for (name, parameter) in &definition.spec().parameters {
        let given = provider.spec.parameters.contains_key(name.as_str());
        if parameter.default.is_none() && !given {
            let message = format!("spec.parameters.{name} is missing: {}", parameter.description);
            return Some(stand(reason::INVALID, message, true, Some(Class::Invalid)));
        }
    }
    let secret = &provider.spec.credentials.secret_ref.name;
    match &observed.secret {
        SecretSeen::Missing => {
            let keys = keys(definition);
            let message = format!("Secret {secret} does not exist; create it with keys {keys}");
            Some(stand(reason::SECRET_MISSING, message, true, auth))
        }
        SecretSeen::Unreadable(why) => {
            let message = format!("Secret {secret} cannot be read: {why}");
            Some(stand(reason::UNAVAILABLE, message, false, Some(Class::Unavailable)))
        }
        SecretSeen::Here { values, .. } => {
            let wanted = &definition.spec().auth.secret;
            let missing = wanted.iter().find(|key| !values.contains_key(key.as_str()))?;
            let keys = keys(definition);
            let message =
                format!("Secret {secret} has no key {missing} with text; it needs {keys}");
            Some(stand(reason::SECRET_INVALID, message, true, auth))
        }
    }
}

fn keys(definition: &infrafabric_adapters::compile::Compiled) -> String {
    let keys: Vec<&str> = definition.spec().auth.secret.iter().map(Name::as_str).collect();
    keys.join(", ")
}

fn again(last: &Verification, observed: &Observed) -> Decision {
    let now = observed.now;
    match &last.failed {
        None if observed.refused => Decision::Verify,
        None if now < last.at + VERIFY_AGAIN => Decision::Keep,
        None => Decision::Verify,
        // Refused credentials are not tried again until something about them changes.
        Some((Class::Auth, _)) => Decision::Keep,
        Some(_) if now < last.retry_at => Decision::Keep,
        Some(_) => Decision::Verify,
    }
}

/// What a verification depends on: while it is the same, the result holds.
pub fn inputs(provider: &Provider, observed: &Observed) -> String {
    // Our own finalizer changes a Secret's version, so its values are what counts.
    let values = match &observed.secret {
        SecretSeen::Here { object, .. } => values_digest(object),
        _ => String::new(),
    };
    let digest = observed.definition.as_ref().map_or("", |(definition, _)| definition.digest());
    let endpoint = observed.endpoint.as_ref().ok().and_then(Option::as_deref).unwrap_or_default();
    let asked = provider
        .metadata
        .annotations
        .as_ref()
        .and_then(|all| all.get(infrafabric_crds::RECONCILE_ANNOTATION))
        .map_or("", String::as_str);
    let generation = provider.metadata.generation.unwrap_or_default();
    format!("{generation} {values} {digest} {endpoint} {asked}")
}

/// A digest of a Secret's values.
fn values_digest(secret: &k8s_openapi::api::core::v1::Secret) -> String {
    use sha2::{Digest as _, Sha256};
    let mut digest = Sha256::new();
    for (key, value) in secret.data.iter().flatten() {
        digest.update(key.as_bytes());
        digest.update([0]);
        digest.update(Sha256::digest(&value.0));
    }
    let first: [u8; 8] = std::array::from_fn({
        let digest = digest.finalize();
        move |i| digest[i]
    });
    format!("{:016x}", u64::from_be_bytes(first))
}

/// When a failed verification is tried again: a growing time, or what the provider said.
pub fn retry_after(failures: u32, said: Option<TimeDelta>) -> TimeDelta {
    let growing = TimeDelta::seconds(5) * 2_i32.pow(failures.saturating_sub(1).min(6));
    said.unwrap_or_default().max(growing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_is_not_there_has_names_like_it() {
        let known = ["linode", "digitalocean", "obs-studio"].map(str::to_owned);
        let said = unknown_type("digital-ocean", &known);
        assert_eq!(
            said,
            "no definition digital-ocean is built in or applied; did you mean digitalocean?"
        );
        let said = unknown_type("hetzner", &known);
        assert!(
            said.ends_with("none of the 3 there are is like it: `ifctl provider list`"),
            "{said}"
        );
    }
}
