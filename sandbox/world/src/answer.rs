//! Answers, in the format that the operation is answered in.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{BoxStream, Stream};
use http::{Response, StatusCode, header};
use http_body_util::{Either, Full, StreamBody};
use hyper::body::Frame;
use infrafabric_adapters::compile::{CompiledAnswer, EvaluationError, Vars, plain};
use infrafabric_definition::{AnswerFormat, Class};
use serde_json::{Value as Json, json};

use crate::provider::Provider;
use crate::{form, xml};

/// An answer as it goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    /// How long each byte of the body takes.
    pub(crate) drip: Option<Duration>,
}

/// A body as it goes out: at once, or byte by byte.
pub(crate) type Outgoing = Either<Full<Bytes>, StreamBody<BoxStream<'static, Drop>>>;

type Drop = Result<Frame<Bytes>, Infallible>;

/// A failure to be answered in the provider's own form.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Of a class; how it looks on the wire is the definition's business.
    Class(Class, String),
    /// A fault: of a class, with that very status.
    Status(u16, Class),
    /// The definition's own template does not evaluate.
    Template(EvaluationError),
}

impl From<EvaluationError> for Failure {
    fn from(error: EvaluationError) -> Self {
        Self::Template(error)
    }
}

impl Answer {
    /// An answer without a body.
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new(), drip: None }
    }

    /// JSON.
    pub(crate) fn json(status: u16, body: &Json) -> Self {
        Self::text(status, "application/json", body.to_string())
    }

    /// Text of some type.
    pub(crate) fn text(status: u16, kind: &str, text: impl Into<Bytes>) -> Self {
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        Self { status, headers, body: text.into(), drip: None }
    }

    /// A definition's answer.
    pub(crate) fn render(
        answer: &CompiledAnswer,
        vars: &Vars,
        format: AnswerFormat,
    ) -> Result<Self, EvaluationError> {
        let body = match &answer.body {
            Some(tree) => tree.render(vars)?,
            None => None,
        };
        let mut rendered = match body {
            Some(body) => Self::written(answer.status, &body, format),
            None => Self::empty(answer.status),
        };
        for (name, template) in &answer.headers {
            if let Some(value) = template.render(vars)? {
                rendered.headers.push((name.clone(), plain(&value)));
            }
        }
        Ok(rendered)
    }

    fn written(status: u16, body: &Json, format: AnswerFormat) -> Self {
        match format {
            AnswerFormat::Json => Self::json(status, body),
            AnswerFormat::Xml | AnswerFormat::XmlAttributes => {
                Self::text(status, "text/xml;charset=UTF-8", xml::document(body))
            }
            AnswerFormat::Text => Self::text(status, "text/plain; charset=utf-8", plain(body)),
            AnswerFormat::Form => {
                Self::text(status, "application/x-www-form-urlencoded", form::write(body))
            }
            AnswerFormat::Sse => Self::text(status, "text/event-stream", events(body)),
            AnswerFormat::Ndjson => Self::text(status, "application/x-ndjson", lines(body)),
        }
    }

    /// A failure in the provider's own form.
    pub(crate) fn failure(provider: &Provider, format: AnswerFormat, failure: Failure) -> Self {
        let (status, code, message) = match failure {
            Failure::Class(class, message) => on_the_wire(provider, class, message),
            Failure::Status(status, class) => {
                let (_, code, message) = on_the_wire(provider, class, String::new());
                (status, code, message)
            }
            Failure::Template(error) => {
                tracing::warn!(definition = provider.name(), %error, "sandbox template");
                (500, "SandboxTemplate".to_owned(), error.to_string())
            }
        };
        let mut vars = Vars::default();
        vars.set("error", &json!({"status": status, "code": code, "message": message}));
        // A stream that does not begin is answered as everything else.
        let format = match format {
            AnswerFormat::Sse | AnswerFormat::Ndjson => AnswerFormat::Json,
            format => format,
        };
        let rendered =
            provider.sandbox().map(|sandbox| Self::render(&sandbox.error, &vars, format));
        match rendered {
            Some(Ok(answer)) => Self { status, ..answer },
            _ => Self::json(status, &json!({"message": message})),
        }
    }

    /// Bytes for the connection.
    pub(crate) fn into_response(self) -> Response<Outgoing> {
        let body = match self.drip {
            None => Either::Left(Full::new(self.body)),
            Some(each) => Either::Right(StreamBody::new(drops(self.body, each).boxed())),
        };
        let mut response = Response::new(body);
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers {
            let name = header::HeaderName::try_from(name);
            if let (Ok(name), Ok(value)) = (name, header::HeaderValue::try_from(value)) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// Each byte by itself, after a pause.
fn drops(body: Bytes, each: Duration) -> impl Stream<Item = Drop> + Send {
    futures::stream::unfold((body, 0), move |(body, at)| async move {
        if at == body.len() {
            return None;
        }
        tokio::time::sleep(each).await;
        let next = body.slice(at..=at);
        Some((Ok(Frame::data(next)), (body, at + 1)))
    })
}

/// One event for each of a list, as `{event, id, data}`.
fn events(body: &Json) -> String {
    let mut text = String::new();
    for event in body.as_array().into_iter().flatten() {
        for key in ["event", "id", "data"] {
            if let Some(value) = event.get(key).filter(|value| !value.is_null()) {
                // Writing into a String cannot fail.
                let _ = writeln!(text, "{key}: {}", plain(value));
            }
        }
        text.push('\n');
    }
    text
}

/// One line for each of a list.
fn lines(body: &Json) -> String {
    body.as_array().into_iter().flatten().fold(String::new(), |mut text, value| {
        let _ = writeln!(text, "{value}");
        text
    })
}

/// Status, code and message of a class: what the definition says, else the shared status table.
fn on_the_wire(provider: &Provider, class: Class, message: String) -> (u16, String, String) {
    if let Some(own) = provider.sandbox().and_then(|sandbox| sandbox.failures.get(&class)) {
        let message = if message.is_empty() { own.message.0.clone() } else { message };
        return (own.status, own.code.0.clone(), message);
    }
    let (status, code) = shared(class);
    (status, code.to_owned(), if message.is_empty() { code.replace('_', " ") } else { message })
}

/// One status and code per class, the reverse of how the shared table classifies answers.
fn shared(class: Class) -> (u16, &'static str) {
    match class {
        Class::Auth => (401, "unauthorized"),
        Class::Disabled => (403, "forbidden"),
        Class::OutOfCredit => (402, "payment_required"),
        Class::Quota => (403, "limit_exceeded"),
        Class::Capacity => (503, "out_of_capacity"),
        Class::RateLimited => (429, "too_many_requests"),
        Class::Unavailable => (503, "service_unavailable"),
        Class::Unknown => (500, "internal_error"),
        Class::Invalid => (422, "unprocessable_entity"),
        Class::Unsupported => (501, "not_implemented"),
        Class::Policy => (403, "policy_violation"),
        Class::NotFound => (404, "not_found"),
        Class::Conflict => (409, "conflict"),
    }
}
