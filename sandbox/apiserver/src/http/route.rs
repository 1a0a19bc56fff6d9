//! Which request is for whom.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, IF_NONE_MATCH, USER_AGENT};
use http::{HeaderMap, Method, Request};
use hyper::body::Incoming;
use serde_json::json;

use super::path::{self, ResourcePath};
use super::{admin, body, negotiate, respond, respond::Reply};
use crate::api::Api;
use crate::discovery;
use crate::faults::{End, Fate, Target};
use crate::kinds::Builtin;
use crate::render::list;
use crate::resource::Resource;
use crate::status::{Failure, Named, Result};
use crate::verbs::options::{is_set, version_problem};
use crate::verbs::{
    Answer, Apart, DeleteOptions, Deleted, ListOptions, Outcome, PatchKind, Verb, WriteOptions,
};

/// The parts of a request that the verbs read.
struct Call {
    method: Method,
    path: String,
    query: HashMap<String, String>,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    fn header(&self, name: &HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// A fault broke the connection.
#[derive(Debug, thiserror::Error)]
#[error("a fault broke the connection")]
pub(crate) struct Reset;

/// Answers one request; only a fault leaves it without an answer.
pub(crate) async fn handle(
    api: Arc<Api>,
    request: Request<Incoming>,
) -> std::result::Result<Reply, Reset> {
    let (parts, incoming) = request.into_parts();
    let call = Call {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: path::query(parts.uri.query().unwrap_or_default()),
        headers: parts.headers,
        body: Bytes::new(),
    };
    if let Err(refused) = authorise(&api, &call) {
        return Ok(respond::failure(&refused));
    }
    let body = match body::read(incoming).await {
        Ok(body) => body,
        Err(refused) => return Ok(respond::failure(&refused)),
    };
    let call = Call { body, ..call };
    let fate = fate(&api, &call);
    if !fate.wait.is_zero() {
        tokio::time::sleep(fate.wait).await;
    }
    if let Some(end) = fate.before {
        return ended(end);
    }
    let reply = answer(&api, &call).unwrap_or_else(|refused| respond::failure(&refused));
    fate.after.map_or(Ok(reply), ended)
}

fn ended(end: End) -> std::result::Result<Reply, Reset> {
    match end {
        End::Refusal(failure) => Ok(respond::failure(&failure)),
        End::Reset => Err(Reset),
    }
}

/// What faults do to a request about a resource.
fn fate(api: &Api, call: &Call) -> Fate {
    let Some(path) = path::resource(call.path.trim_end_matches('/')) else {
        return Fate::default();
    };
    let verb = verb_of(call, &path);
    api.faults.strike(&Target {
        verb,
        group: &path.group,
        plural: &path.plural,
        subresource: &path.subresource,
        namespace: &path.namespace,
        name: &path.name,
    })
}

/// One token may do everything; nobody else may do more than ask for health and version.
fn authorise(api: &Api, call: &Call) -> Result<()> {
    let header = call.header(&AUTHORIZATION);
    let token = header.strip_prefix("Bearer ").unwrap_or_default().trim();
    if token.is_empty() {
        let open = ["/healthz", "/livez", "/readyz", "/version"];
        if open.iter().any(|path| call.path == *path || call.path.starts_with(&format!("{path}/")))
        {
            return Ok(());
        }
        return Err(anonymous(call));
    }
    if same(token.as_bytes(), api.token.as_bytes()) {
        Ok(())
    } else {
        Err(Failure::new(401, "Unauthorized", "Unauthorized"))
    }
}

/// What somebody unknown is told.
fn anonymous(call: &Call) -> Failure {
    let Some(path) = path::resource(call.path.trim_end_matches('/')) else {
        let verb = call.method.as_str().to_lowercase();
        let path = &call.path;
        return Failure::new(
            403,
            "Forbidden",
            format!("forbidden: User \"system:anonymous\" cannot {verb} path {path:?}"),
        )
        .with_empty_details();
    };
    let named = Named { group: &path.group, what: &path.plural, name: &path.name };
    let place = match path.namespace.as_str() {
        "" => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace {namespace:?}"),
    };
    Failure::forbidden(
        named,
        &format!(
            "User \"system:anonymous\" cannot {} resource {:?} in API group {:?} {place}",
            verb_of(call, &path),
            path.plural,
            path.group
        ),
    )
}

/// The verb of a request about resources.
fn verb_of(call: &Call, path: &ResourcePath) -> &'static str {
    match (&call.method, path.name.is_empty()) {
        (&Method::GET | &Method::HEAD, _) if path.watch => "watch",
        (&Method::GET | &Method::HEAD, true) if wants_watch(call) => "watch",
        (&Method::GET | &Method::HEAD, true) => "list",
        (&Method::POST, _) => "create",
        (&Method::PUT, _) => "update",
        (&Method::PATCH, _) => "patch",
        (&Method::DELETE, true) => "deletecollection",
        (&Method::DELETE, false) => "delete",
        _ => "get",
    }
}

/// Compares without telling by its duration where the difference is.
fn same(given: &[u8], expected: &[u8]) -> bool {
    given.len() == expected.len()
        && given.iter().zip(expected).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

fn answer(api: &Arc<Api>, call: &Call) -> Result<Reply> {
    let path = call.path.trim_end_matches('/');
    match path {
        "/healthz" | "/livez" | "/readyz" => return Ok(respond::plain(200, "ok")),
        "/livez/ping" | "/readyz/ping" | "/healthz/ping" => return Ok(respond::plain(200, "ok")),
        "/version" => return Ok(respond::json(200, &discovery::version())),
        _ => {}
    }
    if let Some(rest) = path.strip_prefix("/debug/faults") {
        return admin::faults(api, &call.method, rest, &call.body);
    }
    if let Some(reply) = discover(api, call, path)? {
        return Ok(reply);
    }
    match path::resource(path) {
        Some(target) => resource(api, call, &target),
        None if path.starts_with("/api/") => Err(Failure::no_such_resource()),
        None => Ok(not_found()),
    }
}

/// Discovery and OpenAPI documents.
fn discover(api: &Arc<Api>, call: &Call, path: &str) -> Result<Option<Reply>> {
    let registry = api.registry();
    let accept = call.header(&ACCEPT);
    let document = match path {
        "" => Some(json!({"paths": discovery::paths(&registry)})),
        "/api" | "/apis" => {
            let form = negotiate::discovery(accept)?;
            let (content_type, value) = discovery::root(&registry, path == "/api", form);
            let body = Bytes::from(value.to_string());
            return Ok(Some(cached(call, content_type, body)));
        }
        "/openapi/v3" => Some(discovery::openapi::index(&registry)),
        // Protobuf only on the real server; clients that cannot have it fall back to v3.
        "/openapi/v2" => {
            return Err(Failure::new(406, "NotAcceptable", "OpenAPI v2 is not served; use v3"));
        }
        _ => match path.strip_prefix("/openapi/v3/") {
            Some(group_version) => {
                let found = discovery::openapi::document(&registry, group_version);
                let Some((tag, body)) = found else {
                    return Ok(Some(respond::nothing(404)));
                };
                return Ok(Some(respond::tagged("application/json", &format!("\"{tag}\""), body)));
            }
            None => discovery::group_or_version(&registry, path),
        },
    };
    Ok(document.map(|document| respond::json(200, &document)))
}

fn cached(call: &Call, content_type: &str, body: Bytes) -> Reply {
    let tag = format!("\"{}\"", discovery::openapi::hash(&body));
    if call.header(&IF_NONE_MATCH) == tag {
        return respond::not_modified(content_type, &tag);
    }
    respond::tagged(content_type, &tag, body)
}

fn not_found() -> Reply {
    respond::plain(404, "404 page not found\n")
}

fn resource(api: &Arc<Api>, call: &Call, target: &ResourcePath) -> Result<Reply> {
    let registry = api.registry();
    let Some(resource) = registry.find(&target.group, &target.version, &target.plural) else {
        let mut all = registry.all();
        let known = all.any(|resource| resource.group == target.group && !resource.is_custom());
        // Groups of built-in kinds answer as an API does, others as a web server.
        return if known { Err(Failure::no_such_resource()) } else { Ok(not_found()) };
    };
    if !resource.namespaced && !target.namespace.is_empty() {
        let custom = resource.is_custom();
        return if custom { Ok(not_found()) } else { Err(Failure::no_such_resource()) };
    }
    if target.name.contains('/') {
        return Err(Failure::no_such_resource());
    }
    let reads = matches!(call.method, Method::GET | Method::HEAD);
    if resource.namespaced && target.namespace.is_empty() && !(reads && target.name.is_empty()) {
        return if resource.is_custom() {
            Ok(not_found())
        } else {
            Err(Failure::method_not_allowed())
        };
    }
    let scale = target.subresource == "scale" && resource.scale.is_some();
    let status = match target.subresource.as_str() {
        "" => false,
        "scale" if scale => false,
        "status" if resource.status => true,
        // Emptying is this server's own work, and the object is the same.
        "finalize" if resource.is(Builtin::Namespace) => false,
        _ if resource.is_custom() => return Err(Failure::not_found(resource.named(&target.name))),
        _ => return Err(Failure::no_such_resource()),
    };
    if resource.is_custom() {
        check_verb(call, target, resource)?;
    }
    let kind = match call.method {
        Method::POST => "CreateOptions",
        Method::PATCH => "PatchOptions",
        Method::DELETE => "DeleteOptions",
        _ => "UpdateOptions",
    };
    let apply = call.header(&CONTENT_TYPE).starts_with("application/apply-patch+yaml");
    let options = WriteOptions::parse(&call.query, call.header(&USER_AGENT), kind, apply)?;
    let mut verb = Verb {
        api,
        resource: Arc::clone(resource),
        namespace: target.namespace.clone(),
        name: target.name.clone(),
        status,
        apart: match target.subresource.as_str() {
            "scale" => Apart::Scale,
            "finalize" => Apart::Finalize,
            _ => Apart::Nothing,
        },
        patching: false,
        fresh: false,
        options,
        warnings: Vec::new(),
    };
    verb.warnings.extend(resource.deprecation.clone());
    let reply = if scale { scaled(&mut verb, call)? } else { dispatch(&mut verb, call, target)? };
    Ok(respond::warn(reply, &verb.warnings))
}

/// What custom resources refuse before they look at a body.
fn check_verb(call: &Call, target: &ResourcePath, resource: &Resource) -> Result<()> {
    let named = resource.named(&target.name);
    let verb = match call.method {
        Method::GET | Method::HEAD => return Ok(()),
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => return Err(Failure::verb_not_supported("", named)),
    };
    if !target.subresource.is_empty() && matches!(verb, "create" | "delete") {
        return Err(Failure::verb_not_supported(verb, named));
    }
    if target.name.is_empty() && matches!(verb, "update" | "patch") {
        return Err(Failure::bad_request("name must be provided"));
    }
    Ok(())
}

/// The scale of a custom object.
fn scaled(verb: &mut Verb<'_>, call: &Call) -> Result<Reply> {
    let content_type = call.header(&CONTENT_TYPE);
    let scale = match call.method {
        Method::GET | Method::HEAD => verb.scale_of()?,
        Method::PUT => {
            let body = body::object(content_type, &call.body, &verb.resource)?;
            verb.rescale(&body.value)?
        }
        _ => verb.patch_scale(patch_kind(content_type, &verb.resource)?, &call.body)?,
    };
    Ok(respond::json(200, &scale))
}

fn dispatch(verb: &mut Verb<'_>, call: &Call, target: &ResourcePath) -> Result<Reply> {
    let include = call.query.get("includeObject").map(String::as_str);
    let collection = target.name.is_empty();
    let custom = verb.resource.is_custom();
    let form = || negotiate::form(call.header(&ACCEPT), include, custom);
    let content_type = call.header(&CONTENT_TYPE);
    if verb.resource.is_review() && call.method != Method::POST {
        return Err(Failure::method_not_allowed());
    }
    match (&call.method, collection) {
        (&Method::HEAD, _) if !custom => Err(Failure::method_not_allowed()),
        (&Method::GET | &Method::HEAD, false) if !target.watch => {
            if let Some(version) = call.query.get("resourceVersion")
                && !version.is_empty()
                && version.parse::<u64>().is_err()
            {
                return Err(Failure::new(500, "", version_problem(version)));
            }
            let stored = verb.get()?;
            Ok(respond::text(200, list::one(&verb.resource, &stored, &form()?)))
        }
        (&Method::GET | &Method::HEAD, _) => collect(verb, call, target, &form()?),
        (&Method::POST, true) => {
            let body = body::object(content_type, &call.body, &verb.resource)?;
            let outcome = verb.create(body)?;
            Ok(written(verb, outcome, &form()?))
        }
        (&Method::POST, false) if custom => {
            // A name in the path is no place to create; the body is looked at all the same.
            body::object(content_type, &call.body, &verb.resource)?;
            Err(Failure::verb_not_supported("create", verb.resource.named(&target.name)))
        }
        (&Method::PUT, false) => {
            let outcome = verb.update(body::object(content_type, &call.body, &verb.resource)?)?;
            Ok(written(verb, outcome, &form()?))
        }
        (&Method::PATCH, false) => {
            let outcome = verb.patch(patch_kind(content_type, &verb.resource)?, &call.body)?;
            Ok(written(verb, outcome, &form()?))
        }
        (&Method::DELETE, false) => {
            let options = body::options(content_type, &call.body)?;
            let options = DeleteOptions::parse(&options, &call.query)?;
            Ok(match verb.delete(&options)? {
                Deleted::Gone(status) => respond::json(200, &status),
                Deleted::Marked(object) => respond::json(200, &object),
            })
        }
        (&Method::DELETE, true) if verb.resource.is(Builtin::Namespace) => {
            Err(Failure::method_not_allowed())
        }
        (&Method::DELETE, true) => {
            let options = body::options(content_type, &call.body)?;
            let options = DeleteOptions::parse(&options, &call.query)?;
            let list = ListOptions::parse(&call.query, &verb.resource)?;
            Ok(respond::json(200, &verb.delete_collection(&options, &list)?))
        }
        _ => Err(Failure::method_not_allowed()),
    }
}

fn wants_watch(call: &Call) -> bool {
    call.query.get("watch").is_some_and(|watch| is_set(watch))
}

fn written(verb: &Verb<'_>, outcome: Outcome, form: &negotiate::Form) -> Reply {
    let resource = &verb.resource;
    let body = match outcome.object {
        Answer::Stored(stored) => list::one(resource, &stored, form),
        Answer::Shown(object) => {
            Bytes::from(list::rendered(resource, object, form, true).to_string())
        }
    };
    respond::text(outcome.code, body)
}

fn collect(
    verb: &Verb<'_>,
    call: &Call,
    target: &ResourcePath,
    form: &negotiate::Form,
) -> Result<Reply> {
    let mut options = ListOptions::parse(&call.query, &verb.resource)?;
    if !target.name.is_empty() {
        let only = format!("metadata.name={}", target.name);
        options.fields = crate::meta::fields::FieldSelector::parse(&only, &[])?;
    }
    if options.watch || target.watch {
        return Ok(respond::stream(verb.watch(options, form.clone())?));
    }
    if *form == (negotiate::Form::Partial { list: false }) {
        let what = if verb.resource.is_custom() { "*unstructured.Unstructured" } else { "*core." };
        let kind = if verb.resource.is_custom() { "List" } else { &verb.resource.list_kind };
        return Err(Failure::new(
            406,
            "NotAcceptable",
            format!(
                "you requested PartialObjectMetadata, but the requested object is a list \
                 ({what}{kind})"
            ),
        ));
    }
    let listing = verb.list(&options)?;
    Ok(respond::text(200, list::list(&verb.resource, &listing, form)))
}

fn patch_kind(content_type: &str, resource: &Resource) -> Result<PatchKind> {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    Ok(match media {
        "application/json" if !resource.is_custom() => {
            let failure = Failure::unsupported_media("415: Unsupported Media Type");
            return Err(failure.with_empty_details());
        }
        "application/json-patch+json" => PatchKind::Json,
        "application/merge-patch+json" => PatchKind::Merge,
        "application/strategic-merge-patch+json" if !resource.is_custom() => PatchKind::Strategic,
        "application/apply-patch+yaml" => PatchKind::Apply,
        _ => {
            let strategic =
                if resource.is_custom() { "" } else { " application/strategic-merge-patch+json," };
            return Err(Failure::unsupported_media(format!(
                "the body of the request was in an unknown format - accepted media types \
                 include: application/json-patch+json, application/merge-patch+json,{strategic} \
                 application/apply-patch+yaml"
            )));
        }
    })
}
