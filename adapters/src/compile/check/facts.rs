//! The facts of a definition: URLs, dates, rates, and what authentication needs.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use infrafabric_definition::{
    AnswerFormat, Auth, Carrier, Definition, Free, Name, Operation, Scheme,
};
use serde_json::Value as Json;

use super::scope::{Place, Root, check_template};
use super::{operations, paths, problem};
use crate::compile::definition::{Compiled, Problem};
use crate::compile::template::Template;

/// Checks everything that stands above the operations.
pub(super) fn check(compiled: &Compiled, problems: &mut Vec<Problem>) {
    let spec = compiled.spec();
    if NaiveDate::parse_from_str(spec.checked.as_str(), "%Y-%m-%d").is_err() {
        let reason = format!("`{}` is no day such as 2026-11-22", spec.checked);
        problems.push(problem("spec.checked", reason));
    }
    if !spec.docs.0.starts_with("https://") {
        problems.push(problem("spec.docs", "expected an https:// address".to_owned()));
    }
    if let Some(rate) = spec.limits.as_ref().and_then(|limits| limits.requests.as_ref())
        && rate.parts().is_none()
    {
        let reason = format!("`{}` is no rate such as 250/m, 5/s or 5000/h", rate.0);
        problems.push(problem("spec.limits.requests", reason));
    }
    let parameters: Vec<&str> = spec.parameters.keys().map(Name::as_str).collect();
    check_endpoint(&compiled.endpoint, "spec.endpoint", &parameters, problems);
    for (name, further) in &compiled.endpoints {
        if further.region.is_some() && spec.auth.scheme != Scheme::AwsSigv4 {
            let reason = "has no meaning: only aws-sigv4 signs a region".to_owned();
            problems.push(problem(&format!("spec.endpoints.{name}.region"), reason));
        }
        check_endpoint(&further.url, &format!("spec.endpoints.{name}.url"), &parameters, problems);
    }
    let reason = match (&spec.verify, &spec.unproven) {
        (None, None) => Some(
            "missing: an authenticated read that changes nothing, such as {get: /account}; or `unproven`, \
             which says why there is none",
        ),
        (Some(_), Some(_)) => Some("beside `unproven`: one of them"),
        _ => None,
    };
    problems.extend(reason.map(|reason| problem("spec.verify", reason.to_owned())));
    check_auth(compiled, problems);
    check_names(spec, problems);
    check_roots(spec, problems);
}

/// Whether a host's name is one of a network of one's own: no such name is anybody's on the internet.
fn is_within(url: &url::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let suffix = host.rsplit('.').next().unwrap_or_default();
    let named = host.parse::<std::net::IpAddr>().is_err() && host != "localhost";
    named && (!host.contains('.') || matches!(suffix, "local" | "internal" | "svc"))
}

fn check_endpoint(url: &Template, path: &str, parameters: &[&str], problems: &mut Vec<Problem>) {
    let place = Place::default()
        .with("region", Root::Value)
        .with("parameters", Root::Keys(parameters.to_vec()));
    check_template(url, path, &place, problems);
    // A stand-in shows where the values stand, whatever they will be.
    let text: String = url.pattern().map(|literal| literal.unwrap_or("x1")).collect();
    let reason = match url::Url::parse(&text) {
        Err(error) => format!("is no URL: {error}"),
        Ok(url) if url.scheme() != "https" && !(url.scheme() == "http" && is_within(&url)) => {
            "expected an https:// address".to_owned()
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "has a user in it: credentials come from the Secret".to_owned()
        }
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            "has a query: it belongs into the operation's path".to_owned()
        }
        Ok(_) if text.ends_with('/') => "ends with /: paths begin with it".to_owned(),
        Ok(_) => return,
    };
    problems.push(problem(path, reason));
}

/// Whether a key of the Secret is put into the body of an operation.
fn fills(compiled: &Compiled, key: &str) -> bool {
    let all = operations::operations(compiled).into_values();
    let mut templates = all.flat_map(|operation| &operation.secret_fields);
    templates.any(|(_, template)| paths(template).iter().any(|path| path[1..] == [key]))
}

fn check_auth(compiled: &Compiled, problems: &mut Vec<Problem>) {
    let spec = compiled.spec();
    let auth = &spec.auth;
    let (wanted, words) = match auth.scheme {
        Scheme::Bearer => (1..=1, "bearer takes one key: the token"),
        Scheme::Header => (1..=1, "header takes one key: the token"),
        Scheme::Query => (1..=1, "query takes one key: the token"),
        Scheme::Path => (1..=1, "path takes one key: the token"),
        Scheme::Basic => (1..=2, "basic takes the keys of user and password, or of the user alone"),
        Scheme::AwsSigv4 => (2..=2, "aws-sigv4 takes two keys: the access key id and the secret"),
        Scheme::Oauth2 => (2..=2, "oauth2 takes two keys: the client id and the client secret"),
        Scheme::Oauth2Refresh => (
            2..=3,
            "oauth2-refresh takes the refresh token, the client id, and the client secret if there is one",
        ),
        Scheme::JwtBearer => (1..=1, "jwt-bearer takes one key: the JSON key file"),
        Scheme::Oci => {
            (4..=4, "oci takes four keys: tenancy, user, fingerprint and the private key in PEM")
        }
        Scheme::Ovh => (
            3..=3,
            "ovh takes three keys: the application key, the application secret and the consumer key",
        ),
        Scheme::Headers | Scheme::Hmac | Scheme::Exchange => {
            (1..=8, "expected the keys that the templates of spec.auth use")
        }
        Scheme::Obs => (1..=1, "obs takes one key: the password"),
        Scheme::None => (0..=0, "none takes no keys"),
    };
    if !wanted.contains(&auth.secret.len()) {
        problems.push(problem("spec.auth.secret", words.to_owned()));
    }
    let optional = usize::from(auth.scheme == Scheme::AwsSigv4);
    let own = auth.optional_secret.iter().filter(|key| !fills(compiled, key.as_str()));
    if own.count() > optional {
        let reason = format!(
            "the scheme takes {optional} optional keys; others are what a `secretFields` uses"
        );
        problems.push(problem("spec.auth.optionalSecret", reason));
    }
    if auth.scheme == Scheme::AwsSigv4 && auth.service.is_none() {
        let reason = "missing: aws-sigv4 signs for a service, such as ec2".to_owned();
        problems.push(problem("spec.auth.service", reason));
    }
    check_token(auth, problems);
    check_templates(compiled, problems);
    if auth.scope.is_some() && auth.scheme != Scheme::JwtBearer {
        let reason = "only jwt-bearer signs a scope; elsewhere it stands in auth.token.form";
        problems.push(problem("spec.auth.scope", reason.to_owned()));
    }
    check_carrier(auth, problems);
    check_overlap(spec, problems);
    let mut seen = BTreeSet::new();
    for key in auth.secret.iter().chain(&auth.optional_secret) {
        if !seen.insert(key.as_str()) {
            let reason = format!("`{key}` twice: every key has its own name");
            problems.push(problem("spec.auth.secret", reason));
        }
    }
    let Some(sandbox) = &spec.sandbox else { return };
    for key in &auth.secret {
        if !sandbox.accepts.contains_key(key) {
            let reason = "missing: a value that the simulated account accepts".to_owned();
            problems.push(problem(&format!("spec.sandbox.accepts.{key}"), reason));
        }
    }
    let verifies = spec.webhook.iter().flat_map(|webhook| {
        let greets = webhook.handshake.as_ref().and_then(|handshake| handshake.secret.as_ref());
        webhook.secret.iter().chain(greets)
    });
    seen.extend(verifies.map(Name::as_str));
    for key in sandbox.accepts.keys().filter(|key| !seen.contains(key.as_str())) {
        let reason = "is no key of spec.auth".to_owned();
        problems.push(problem(&format!("spec.sandbox.accepts.{key}"), reason));
    }
}

/// Headers that say what the request is; a token in one of them would break it.
const TAKEN: [&str; 14] = [
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "upgrade",
    "expect",
    "trailer",
    "cookie",
    "te",
    "accept",
    "accept-encoding",
    "user-agent",
];

/// What the pipeline writes into the request for a token.
const GRANT: [&str; 6] = [
    "grant_type",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "assertion",
];

/// The call that gives an access token.
fn check_token(auth: &Auth, problems: &mut Vec<Problem>) {
    let mut add = |path: &str, reason: &str| problems.push(problem(path, reason.to_owned()));
    let wanted = auth.scheme.fetches_token();
    if !wanted && auth.token.is_some() {
        let reason = "only the schemes oauth2, oauth2-refresh, jwt-bearer and exchange fetch an access token";
        add("spec.auth.token", reason);
    }
    if !wanted && auth.carrier.is_some() {
        add("spec.auth.carrier", "only an access token has a carrier");
    }
    if !wanted && auth.lives.is_some() {
        add("spec.auth.lives", "only an access token has a life");
    }
    if auth.lives.as_ref().is_some_and(|lives| lives.duration().is_none()) {
        add("spec.auth.lives", "is no span such as 30m");
    }
    let Some(token) = auth.token.as_deref() else {
        if wanted {
            add("spec.auth.token", "missing: the call that gives an access token");
        }
        return;
    };
    // One request gives a token, at once; what it needs stands in the Secret.
    for (key, given) in [("steps", !token.steps.is_empty()), ("wait", token.wait.is_some())] {
        if given {
            add(&format!("spec.auth.token.{key}"), "has no meaning: one request gives a token");
        }
    }
    if auth.scheme == Scheme::Exchange {
        return;
    }
    if token.post.is_none() {
        add("spec.auth.token", "expected a post");
    }
    let others = [
        ("json", token.json.is_some()),
        ("multipart", token.multipart.is_some()),
        ("xml", token.xml.is_some()),
        ("text", token.text.is_some()),
    ];
    for (key, _) in others.iter().filter(|(_, given)| *given) {
        add(&format!("spec.auth.token.{key}"), "expected a form: RFC 6749 has no other body");
    }
    let form = token.form.as_ref().and_then(|form| form.0.as_object());
    for key in form.into_iter().flat_map(|form| form.keys()) {
        if GRANT.contains(&key.as_str()) {
            let reason = "written by the pipeline alone: leave it out";
            add(&format!("spec.auth.token.form.{key}"), reason);
        }
    }
}

/// What the templates of authentication may use; only they see secrets.
fn check_templates(compiled: &Compiled, problems: &mut Vec<Problem>) {
    let auth = &compiled.spec().auth;
    let keys =
        || Root::Keys(auth.secret.iter().chain(&auth.optional_secret).map(Name::as_str).collect());
    let names = compiled.auth.headers.iter().map(|(name, _)| ("headers", name));
    let signed = compiled.auth.signed_headers.iter().map(|(name, _)| ("sign.headers", name));
    for (place, name) in names.chain(signed) {
        let lower = name.to_ascii_lowercase();
        let path = format!("spec.auth.{place}.{name}");
        if TAKEN.contains(&lower.as_str()) {
            let reason = format!("`{name}` says what the request is and carries no credentials");
            problems.push(problem(&path, reason));
        } else if http::HeaderName::try_from(&lower).is_err() {
            problems.push(problem(&path, "is no header name".to_owned()));
        }
    }
    for (name, template) in &compiled.auth.headers {
        let place = Place::default().with("secret", keys());
        check_template(template, &format!("spec.auth.headers.{name}"), &place, problems);
    }
    for (name, template) in &compiled.auth.query {
        let place = Place::default().with("secret", keys());
        check_template(template, &format!("spec.auth.query.{name}"), &place, problems);
    }
    let either = !auth.headers.is_empty() || !auth.query.is_empty();
    let given = [
        ("headers", auth.scheme == Scheme::Headers, either),
        ("sign", auth.scheme == Scheme::Hmac, auth.sign.is_some()),
    ];
    for (key, wanted, given) in given {
        let path = format!("spec.auth.{key}");
        match (wanted, given) {
            (true, false) => {
                problems.push(problem(&path, "missing: the scheme writes it".to_owned()));
            }
            (false, true) => {
                let scheme = auth.scheme.as_str();
                problems.push(problem(&path, format!("has no meaning in the scheme {scheme}")));
            }
            _ => {}
        }
    }
    let Some(sign) = &auth.sign else { return };
    if !auth.secret.contains(&sign.key) {
        let reason = format!("`{}` is no key of spec.auth.secret", sign.key);
        problems.push(problem("spec.auth.sign.key", reason));
    }
    if sign.headers.is_empty() && sign.query.is_empty() {
        let reason = "carries no signature: give headers or query".to_owned();
        problems.push(problem("spec.auth.sign", reason));
    }
    let place = |signature: bool| {
        let mut place = Place::default().with("secret", keys());
        for name in SIGNED {
            place = place.with(name, Root::Value);
        }
        if signature { place.with("signature", Root::Value) } else { place }
    };
    if let Some(text) = &compiled.auth.text {
        check_template(text, "spec.auth.sign.text", &place(false), problems);
    }
    let headers = compiled.auth.signed_headers.iter().map(|one| ("headers", one));
    let query = compiled.auth.signed_query.iter().map(|one| ("query", one));
    for (key, (name, template)) in headers.chain(query) {
        check_template(template, &format!("spec.auth.sign.{key}.{name}"), &place(true), problems);
    }
}

/// What a signature may be made over.
const SIGNED: [&str; 10] = [
    "method",
    "path",
    "query",
    "host",
    "body",
    "contentType",
    "timestamp",
    "millis",
    "date",
    "nonce",
];

/// How requests carry the token.
fn carrier(auth: &Auth) -> Option<Carrier> {
    match auth.scheme {
        Scheme::Header => Some(Carrier::Header),
        Scheme::Query => Some(Carrier::Query),
        Scheme::Path => Some(Carrier::Path),
        scheme if scheme.fetches_token() => Some(auth.carrier.unwrap_or_default()),
        _ => None,
    }
}

/// The header or query parameter that carries the token.
fn check_carrier(auth: &Auth, problems: &mut Vec<Problem>) {
    let carrier = carrier(auth);
    let named = matches!(carrier, Some(Carrier::Header | Carrier::Query));
    match &auth.name {
        None if named => {
            let reason = "missing: the header or query parameter that carries the token";
            problems.push(problem("spec.auth.name", reason.to_owned()));
        }
        Some(_) if !named => {
            let reason = "only a token in a header or query has a name".to_owned();
            problems.push(problem("spec.auth.name", reason));
        }
        Some(name)
            if carrier == Some(Carrier::Header)
                && TAKEN.contains(&name.as_str().to_ascii_lowercase().as_str()) =>
        {
            let reason = format!("`{name}` says what the request is and cannot carry a token");
            problems.push(problem("spec.auth.name", reason));
        }
        _ => {}
    }
    let Some(prefix) = &auth.prefix else {
        if carrier == Some(Carrier::Path) {
            let reason = "missing: what stands before the token in the path, such as /bot";
            problems.push(problem("spec.auth.prefix", reason.to_owned()));
        }
        return;
    };
    if !matches!(carrier, Some(Carrier::Header | Carrier::Path)) {
        let reason = "only a token in a header or path has a prefix".to_owned();
        problems.push(problem("spec.auth.prefix", reason));
    }
    if carrier == Some(Carrier::Path) && !prefix.as_str().starts_with('/') {
        problems.push(problem("spec.auth.prefix", "must begin with /".to_owned()));
    }
    if !prefix.as_str().bytes().all(|b| (0x20..0x7f).contains(&b)) {
        let reason = "has characters that no header has".to_owned();
        problems.push(problem("spec.auth.prefix", reason));
    }
}

/// What carries the token is set by no operation.
fn check_overlap(spec: &Definition, problems: &mut Vec<Problem>) {
    let Some(name) = spec.auth.name.as_ref().map(Name::as_str) else { return };
    let carrier = carrier(&spec.auth);
    let sets = |operation: &Operation| match carrier {
        Some(Carrier::Header) => {
            operation.headers.keys().any(|key| key.0.eq_ignore_ascii_case(name))
        }
        Some(Carrier::Query) => {
            let path = operation.request().map_or("", |(_, path)| path.as_str());
            let query = path.split_once('?').map_or("", |(_, query)| query);
            query.split('&').any(|pair| pair.split('=').next() == Some(name))
        }
        _ => false,
    };
    let mut all = vec![("verify".to_owned(), spec.verify.as_ref())];
    let expanded: Vec<_> =
        spec.objects.iter().map(|(kind, object)| (kind, object.expanded())).collect();
    for (kind, object) in &expanded {
        let at = |operation: &str| format!("objects.{kind}.{operation}");
        all.push((at("create"), object.create.as_ref()));
        all.push((at("read"), object.read.as_ref()));
        all.push((at("list"), object.list.as_ref()));
        all.push((at("delete"), object.delete.as_ref()));
        for (verb, operation) in &object.verbs {
            all.push((at(&format!("verbs.{verb}")), Some(operation)));
        }
        for (i, part) in object.parts.iter().enumerate() {
            all.push((at(&format!("parts[{i}].create")), Some(&part.create)));
            all.push((at(&format!("parts[{i}].delete")), part.delete.as_ref()));
        }
    }
    for (kind, catalog) in &spec.catalogs {
        all.push((format!("catalogs.{kind}.list"), Some(&catalog.list)));
    }
    for (path, operation) in all {
        if operation.is_some_and(&sets) {
            let reason = format!("sets `{name}`, which carries the token (spec.auth.name)");
            problems.push(problem(&format!("spec.{path}"), reason));
        }
    }
}

/// Names that people choose are of the form that the API takes.
fn check_names(spec: &Definition, problems: &mut Vec<Problem>) {
    let endpoints = spec.endpoints.keys().map(|name| ("spec.endpoints", name));
    let parameters = spec.parameters.keys().map(|name| ("spec.parameters", name));
    let secrets = spec.auth.secret.iter().chain(&spec.auth.optional_secret);
    let secrets = secrets.map(|name| ("spec.auth.secret", name));
    let carrier = spec.auth.name.iter().map(|name| ("spec.auth.name", name));
    for (path, name) in endpoints.chain(parameters).chain(secrets).chain(carrier) {
        let text = name.as_str();
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let fits = (1..=63).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.chars().all(inner);
        if !fits {
            let reason =
                format!("`{name}` is no name: a letter, then letters, digits, - and _, at most 63");
            problems.push(problem(path, reason));
        }
    }
}

/// An XML document has one root element.
fn check_roots(spec: &Definition, problems: &mut Vec<Problem>) {
    let Some(sandbox) = spec.sandbox.as_ref().filter(|_| spec.answer == AnswerFormat::Xml) else {
        return;
    };
    let mut bodies: Vec<(String, Option<&Free>)> = vec![
        ("error".to_owned(), sandbox.error.body.as_ref()),
        ("verify".to_owned(), sandbox.verify.body.as_ref()),
    ];
    for (name, object) in &sandbox.objects {
        let at = |key: &str| format!("objects.{name}.{key}");
        bodies.push((at("create"), object.create.body.as_ref()));
        bodies.push((at("read"), object.read.body.as_ref()));
        bodies.push((at("list"), Some(&object.list.body)));
        bodies.push((at("delete"), object.delete.body.as_ref()));
    }
    // Not all that a provider says needs be XML.
    let own = |name: &Name| spec.catalogs.get(name).and_then(|catalog| catalog.list.answer);
    let like = |name: &Name| own(name).is_none_or(|answer| answer == AnswerFormat::Xml);
    for (name, answer) in sandbox.catalogs.iter().filter(|(name, _)| like(name)) {
        bodies.push((format!("catalogs.{name}"), answer.body.as_ref()));
    }
    for (place, body) in bodies {
        let rooted = match body {
            None => true,
            Some(Free(Json::Object(entries))) => entries.len() == 1,
            Some(_) => false,
        };
        if !rooted {
            let reason = "expected a map with one key: XML has one root element".to_owned();
            problems.push(problem(&format!("spec.sandbox.{place}.body"), reason));
        }
    }
}
