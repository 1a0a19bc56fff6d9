//! Which request is for whom.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, IF_NONE_MATCH, USER_AGENT};
use http::{HeaderMap, Method, Request};
use hyper::body::Incoming;
use serde_json::json;

use super::path::{self, ResourcePath};
use super::{body, negotiate, respond, respond::Reply};
use crate::api::Api;
use crate::discovery;
use crate::kinds::Builtin;
use crate::render::list;
use crate::status::{Failure, Result};
use crate::verbs::{DeleteOptions, Deleted, ListOptions, Outcome, PatchKind, Verb, WriteOptions};

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

/// Answers one request; never fails.
pub(crate) async fn handle(api: Arc<Api>, request: Request<Incoming>) -> Reply {
    let (parts, incoming) = request.into_parts();
    let call = Call {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: path::query(parts.uri.query().unwrap_or_default()),
        headers: parts.headers,
        body: Bytes::new(),
    };
    if let Err(refused) = authorise(&api, &call) {
        return respond::failure(&refused);
    }
    let body = match body::read(incoming).await {
        Ok(body) => body,
        Err(refused) => return respond::failure(&refused),
    };
    let call = Call { body, ..call };
    answer(&api, &call).unwrap_or_else(|refused| respond::failure(&refused))
}

/// One token may do everything; nobody else may do more than ask for health and version.
fn authorise(api: &Api, call: &Call) -> Result<()> {
    let header = call.header(&AUTHORIZATION);
    if header.is_empty() {
        let open = ["/healthz", "/livez", "/readyz", "/version"];
        if open.iter().any(|path| call.path == *path || call.path.starts_with(&format!("{path}/")))
        {
            return Ok(());
        }
        let verb = if call.method == Method::GET { "get" } else { "access" };
        return Err(Failure::new(
            403,
            "Forbidden",
            format!("forbidden: User \"system:anonymous\" cannot {verb} path {:?}", call.path),
        ));
    }
    let token = header.strip_prefix("Bearer ").unwrap_or_default();
    if same(token.as_bytes(), api.token.as_bytes()) {
        Ok(())
    } else {
        Err(Failure::new(401, "Unauthorized", "Unauthorized"))
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
        _ if path.starts_with("/livez/") || path.starts_with("/readyz/") => {
            return Ok(respond::plain(200, "ok"));
        }
        _ if path.starts_with("/healthz/") => return Ok(respond::plain(200, "ok")),
        "/version" => return Ok(respond::json(200, &discovery::version())),
        _ => {}
    }
    if let Some(reply) = discover(api, call, path)? {
        return Ok(reply);
    }
    match path::resource(path) {
        Some(target) => resource(api, call, &target),
        None => Ok(respond::plain(404, "404 page not found\n")),
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
                    return Ok(None);
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

fn resource(api: &Arc<Api>, call: &Call, target: &ResourcePath) -> Result<Reply> {
    let registry = api.registry();
    let Some(resource) = registry.find(&target.group, &target.version, &target.plural) else {
        return Ok(respond::plain(404, "404 page not found\n"));
    };
    let status = match target.subresource.as_str() {
        "" => false,
        "status" if resource.status => true,
        // Emptying is this server's own work, and the object is the same.
        "finalize" if resource.is(Builtin::Namespace) => false,
        _ => return Err(Failure::no_such_resource()),
    };
    if !resource.namespaced && !target.namespace.is_empty() {
        return Err(Failure::no_such_resource());
    }
    let kind = match call.method {
        Method::POST => "CreateOptions",
        Method::PATCH => "PatchOptions",
        _ => "UpdateOptions",
    };
    let options = WriteOptions::parse(&call.query, call.header(&USER_AGENT), kind)?;
    let mut verb = Verb {
        api,
        resource: Arc::clone(resource),
        namespace: target.namespace.clone(),
        name: target.name.clone(),
        status,
        options,
        warnings: Vec::new(),
    };
    verb.warnings.extend(resource.deprecation.clone());
    let reply = dispatch(&mut verb, call, target)?;
    Ok(respond::warn(reply, &verb.warnings))
}

fn dispatch(verb: &mut Verb<'_>, call: &Call, target: &ResourcePath) -> Result<Reply> {
    let include = call.query.get("includeObject").map(String::as_str);
    let form = || negotiate::form(call.header(&ACCEPT), include);
    let content_type = call.header(&CONTENT_TYPE);
    let collection = target.name.is_empty();
    if verb.resource.is_review() && call.method != Method::POST {
        return Err(Failure::method_not_allowed());
    }
    match (&call.method, collection) {
        (&Method::GET | &Method::HEAD, false) if !target.watch => {
            let stored = verb.get()?;
            Ok(respond::text(200, list::one(&verb.resource, &stored, &form()?)))
        }
        (&Method::GET | &Method::HEAD, _) => collect(verb, call, target, &form()?),
        (&Method::POST, true) => {
            if verb.resource.namespaced && verb.namespace.is_empty() {
                return Err(Failure::method_not_allowed());
            }
            let outcome = verb.create(body::object(content_type, &call.body)?)?;
            Ok(written(verb, outcome, &form()?))
        }
        (&Method::PUT, false) => {
            let outcome = verb.update(body::object(content_type, &call.body)?)?;
            Ok(written(verb, outcome, &form()?))
        }
        (&Method::PATCH, false) => {
            let outcome = verb.patch(patch_kind(content_type)?, &call.body)?;
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
        (&Method::DELETE, true) => {
            let options = body::options(content_type, &call.body)?;
            let options = DeleteOptions::parse(&options, &call.query)?;
            let list = ListOptions::parse(&call.query, &verb.resource)?;
            Ok(respond::json(200, &verb.delete_collection(&options, &list)?))
        }
        _ => Err(Failure::method_not_allowed()),
    }
}

fn written(verb: &Verb<'_>, outcome: Outcome, form: &negotiate::Form) -> Reply {
    let object = list::rendered(&verb.resource, outcome.object, form, true);
    respond::json(outcome.code, &object)
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
    let listing = verb.list(&options)?;
    Ok(respond::text(200, list::list(&verb.resource, &listing, form)))
}

fn patch_kind(content_type: &str) -> Result<PatchKind> {
    match content_type.split(';').next().unwrap_or_default().trim() {
        "application/json-patch+json" => Ok(PatchKind::Json),
        "application/merge-patch+json" => Ok(PatchKind::Merge),
        "application/strategic-merge-patch+json" => Ok(PatchKind::Strategic),
        "application/apply-patch+yaml" => Ok(PatchKind::Apply),
        _ => Err(Failure::unsupported_media(
            "the body of the request was in an unknown format - accepted media types include: \
             application/json-patch+json, application/merge-patch+json, \
             application/strategic-merge-patch+json, application/apply-patch+yaml",
        )),
    }
}
