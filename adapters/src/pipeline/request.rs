//! Renders a request, once for each call; retries send the same bytes.

use std::fmt;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use infrafabric_definition::{AnswerFormat, Class};
use serde_json::{Value as Json, json};
use thiserror::Error;
use url::Url;

use super::endpoint::{self, Base, EndpointError};
use super::multipart::{self, MultipartError};
use super::{form, xml};
use crate::compile::{BodyTemplate, Compiled, CompiledOperation, EvaluationError, Template, Vars};

/// What a request is rendered from: the variables of its templates.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inputs {
    /// `want`.
    pub(crate) want: Json,
    /// `id`.
    pub(crate) id: Option<String>,
    /// `region`; empty when the account has none.
    pub(crate) region: String,
    /// `scope.mark`.
    pub(crate) mark: Option<String>,
    /// `cursor`.
    pub(crate) cursor: Option<Json>,
    /// `token`.
    pub(crate) token: Option<String>,
    /// The page to read instead of the operation's own path, and the page that named it.
    pub(crate) page: Option<(Url, String)>,
    /// What came before: `steps`, `parts`, and the first answer's `body` and `headers`.
    pub(crate) before: Vec<(&'static str, Json)>,
}

/// A request before authentication.
#[derive(Clone)]
pub(crate) struct Request {
    /// The method.
    pub(crate) method: http::Method,
    /// Where it goes.
    pub(crate) url: Url,
    /// The path of its base URL.
    pub(crate) base_path: String,
    /// Its address as published, for the digest: the same on every endpoint.
    pub(crate) published: String,
    /// Its headers, without authentication.
    pub(crate) headers: HeaderMap,
    /// Its body.
    pub(crate) body: Bytes,
    /// Service name for signatures, when the endpoint has its own.
    pub(crate) service: Option<String>,
    /// Region for signatures.
    pub(crate) region: String,
}

/// A login has secrets in address and body.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("method", &self.method).finish_non_exhaustive()
    }
}

/// Why a request cannot be rendered.
#[derive(Debug, Error)]
pub(crate) enum RenderError {
    /// There is no URL.
    #[error(transparent)]
    Endpoint(EndpointError),
    /// An expression fails.
    #[error("render {part}")]
    Evaluate { part: String, source: EvaluationError },
    /// A value in the path is absent.
    #[error("a value in the path `{0}` is absent")]
    Path(String),
    /// The fields and files of the body cannot be written.
    #[error("write the body")]
    Multipart(#[source] MultipartError),
    /// The XML of the body cannot be written.
    #[error("write the body")]
    Xml(#[source] std::io::Error),
    /// A header cannot be sent.
    #[error(
        "header `{0}` cannot be sent: it is the pipeline's own or has characters that no header has"
    )]
    Header(String),
}

impl RenderError {
    pub(crate) fn class(&self) -> Class {
        match self {
            Self::Endpoint(error) => error.class(),
            _ => Class::Invalid,
        }
    }
}

/// Headers that only the pipeline sets.
const OWN: [&str; 7] =
    ["authorization", "host", "content-length", "transfer-encoding", "connection", "cookie", "te"];

impl Request {
    /// Renders an operation.
    pub(crate) fn render(
        definition: &Compiled,
        operation: &CompiledOperation,
        parameters: &Json,
        replacement: Option<&str>,
        inputs: &Inputs,
    ) -> Result<Self, RenderError> {
        let vars = inputs.vars(parameters);
        let base = endpoint::base(definition, operation.endpoint.as_deref(), replacement, &vars)
            .map_err(RenderError::Endpoint)?;
        let (url, published) = address(operation, &base, &vars, inputs)?;
        let (headers, body) = headers_and_body(definition, operation, &vars)?;
        let base_path = Url::parse(&base.effective).map(|url| url.path().to_owned());
        Ok(Self {
            method: method(operation),
            url,
            base_path: base_path.unwrap_or_default(),
            published,
            headers,
            body,
            service: base.service,
            region: base.region.unwrap_or_else(|| inputs.region.clone()),
        })
    }

    /// The request as one text of bytes, the same wherever it is sent: what callers digest.
    pub(crate) fn canonical(&self) -> Vec<u8> {
        let mut bytes = format!("{} {}\n", self.method, self.published).into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

impl Inputs {
    pub(crate) fn vars(&self, parameters: &Json) -> Vars {
        let mut vars = endpoint::vars(&self.region, parameters);
        vars.set("want", &self.want);
        let texts = [("id", &self.id), ("token", &self.token)];
        for (name, value) in texts {
            if let Some(value) = value {
                vars.set(name, &json!(value));
            }
        }
        if let Some(mark) = &self.mark {
            vars.set("scope", &json!({ "mark": mark }));
        }
        if let Some(cursor) = &self.cursor {
            vars.set("cursor", cursor);
        }
        for (name, value) in &self.before {
            vars.set(name, value);
        }
        vars
    }
}

fn method(operation: &CompiledOperation) -> http::Method {
    use infrafabric_definition::Method;
    match operation.method {
        Method::Get => http::Method::GET,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
        Method::Patch => http::Method::PATCH,
        Method::Delete => http::Method::DELETE,
    }
}

fn address(
    operation: &CompiledOperation,
    base: &Base,
    vars: &Vars,
    inputs: &Inputs,
) -> Result<(Url, String), RenderError> {
    if let Some((current, next)) = &inputs.page {
        let url = endpoint::next_page(base, current, next).map_err(RenderError::Endpoint)?;
        let published = endpoint::published(base, &url);
        return Ok((url, published));
    }
    let path = operation
        .path
        .render(vars)
        .map_err(|source| RenderError::Evaluate { part: "the path".to_owned(), source })?
        .ok_or_else(|| RenderError::Path(operation.path.text.clone()))?;
    let url = endpoint::join(&base.effective, &path).map_err(RenderError::Endpoint)?;
    Ok((url, format!("{}{path}", base.official)))
}

fn headers_and_body(
    definition: &Compiled,
    operation: &CompiledOperation,
    vars: &Vars,
) -> Result<(HeaderMap, Bytes), RenderError> {
    let mut headers = HeaderMap::new();
    let accept = match operation.answer {
        AnswerFormat::Json => "application/json",
        AnswerFormat::Xml | AnswerFormat::XmlAttributes => "application/xml, text/xml",
        AnswerFormat::Form => "application/x-www-form-urlencoded",
        AnswerFormat::Text => "text/plain, */*;q=0.5",
        AnswerFormat::Sse => "text/event-stream",
        AnswerFormat::Ndjson => "application/x-ndjson, application/json;q=0.5",
    };
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    let body = match operation.body.parts() {
        None => Bytes::new(),
        Some((_, tree)) => {
            let evaluate = |source| RenderError::Evaluate { part: "the body".to_owned(), source };
            let value = tree.render(vars).map_err(evaluate)?.unwrap_or(Json::Null);
            let (kind, body) = written(definition, &operation.body, &value)?;
            let kind = HeaderValue::from_str(&kind);
            let wrong = |_| RenderError::Header(CONTENT_TYPE.to_string());
            headers.insert(CONTENT_TYPE, kind.map_err(wrong)?);
            body.into()
        }
    };
    for (name, template) in &operation.headers {
        if let Some((name, value)) = header(operation, name, template, vars)? {
            headers.insert(name, value);
        }
    }
    Ok((headers, body))
}

/// The `Content-Type` of a body and its bytes.
fn written(
    definition: &Compiled,
    body: &BodyTemplate,
    value: &Json,
) -> Result<(String, Vec<u8>), RenderError> {
    Ok(match body {
        BodyTemplate::Form(_) => {
            let kind = "application/x-www-form-urlencoded; charset=utf-8";
            (kind.to_owned(), form::encode(value, definition.spec().form_style).into_bytes())
        }
        BodyTemplate::Multipart(_) => multipart::encode(value).map_err(RenderError::Multipart)?,
        BodyTemplate::Xml(_) => {
            let kind = "application/xml; charset=utf-8";
            (kind.to_owned(), xml::from_json(value).map_err(RenderError::Xml)?)
        }
        BodyTemplate::Text(_) => {
            ("text/plain; charset=utf-8".to_owned(), crate::compile::plain(value).into_bytes())
        }
        BodyTemplate::Json(_) | BodyTemplate::Empty => {
            ("application/json".to_owned(), value.to_string().into_bytes())
        }
    })
}

fn header(
    operation: &CompiledOperation,
    name: &str,
    template: &Template,
    vars: &Vars,
) -> Result<Option<(HeaderName, HeaderValue)>, RenderError> {
    let wrong = || RenderError::Header(name.to_owned());
    let text = template
        .render_text(vars, ToOwned::to_owned)
        .map_err(|source| RenderError::Evaluate { part: format!("header `{name}`"), source })?;
    let Some(text) = text else { return Ok(None) };
    let lower = name.to_ascii_lowercase();
    // Whoever logs in may have to say who it is; the checker allows it there alone.
    let login = operation.name == "auth.token" && lower == "authorization";
    if OWN.contains(&lower.as_str()) && !login {
        return Err(wrong());
    }
    let name = HeaderName::from_bytes(lower.as_bytes()).map_err(|_| wrong())?;
    let mut value = HeaderValue::from_str(&text).map_err(|_| wrong())?;
    value.set_sensitive(login);
    Ok(Some((name, value)))
}
