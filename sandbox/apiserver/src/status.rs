//! Refusals, in the words and codes of a Kubernetes API server.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// Result of everything that answers a request.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// A refused request: becomes a `Status` object on the wire.
#[derive(Debug, Clone)]
pub(crate) struct Failure(Box<Body>);

#[derive(Debug, Clone)]
struct Body {
    code: u16,
    reason: &'static str,
    message: String,
    details: Option<Value>,
    metadata: Option<Value>,
}

/// What kind of mistake a field holds; the words follow the real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    Required,
    Invalid,
    Type,
    NotSupported,
    Duplicate,
    Forbidden,
    TooLong,
    TooMany,
}

impl Mistake {
    fn reason(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid => "FieldValueInvalid",
            Self::Type => "FieldValueTypeInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
        }
    }
}

/// One mistake in one field of an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FieldError {
    /// Dotted path, such as `spec.ports[0].name`.
    pub(crate) field: String,
    /// The class of the mistake, which decides the cause's reason.
    pub(crate) mistake: Mistake,
    /// Everything after `<field>: `.
    pub(crate) message: String,
}

impl FieldError {
    fn new(field: impl Into<String>, mistake: Mistake, message: String) -> Self {
        Self { field: field.into(), mistake, message }
    }

    pub(crate) fn required(field: impl Into<String>, detail: &str) -> Self {
        let message = if detail.is_empty() {
            "Required value".to_owned()
        } else {
            format!("Required value: {detail}")
        };
        Self::new(field, Mistake::Required, message)
    }

    pub(crate) fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self::new(field, Mistake::Invalid, format!("Invalid value: {}: {detail}", shown(value)))
    }

    /// Invalid, without repeating the value.
    pub(crate) fn invalid_bare(field: impl Into<String>, detail: &str) -> Self {
        Self::new(field, Mistake::Invalid, format!("Invalid value: {detail}"))
    }

    pub(crate) fn type_invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self::new(field, Mistake::Type, format!("Invalid value: {}: {detail}", shown(value)))
    }

    pub(crate) fn not_supported(
        field: impl Into<String>,
        value: &Value,
        supported: &[String],
    ) -> Self {
        let list = supported.join(", ");
        Self::new(
            field,
            Mistake::NotSupported,
            format!("Unsupported value: {}: supported values: {list}", shown(value)),
        )
    }

    pub(crate) fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self::new(field, Mistake::Duplicate, format!("Duplicate value: {}", shown(value)))
    }

    pub(crate) fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self::new(field, Mistake::Forbidden, format!("Forbidden: {detail}"))
    }

    pub(crate) fn too_long(field: impl Into<String>, maximum: u64) -> Self {
        Self::new(
            field,
            Mistake::TooLong,
            format!("Too long: may not be more than {maximum} bytes"),
        )
    }

    pub(crate) fn too_many(field: impl Into<String>, actual: usize, maximum: u64) -> Self {
        Self::new(
            field,
            Mistake::TooMany,
            format!("Too many: {actual}: must have at most {maximum} items"),
        )
    }

    fn cause(&self) -> Value {
        json!({"reason": self.mistake.reason(), "message": self.message, "field": self.field})
    }
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// What sort of JSON value it is, in the words of Go's decoder.
pub(crate) fn json_sort(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A value as error messages print it: JSON, which quotes strings and leaves numbers bare.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

/// A text as Go quotes it.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            odd if odd.is_ascii_control() => _ = write!(out, "\\x{:02x}", u32::from(odd)),
            odd if is_unprintable(odd) => _ = write!(out, "\\u{:04x}", u32::from(odd)),
            plain => out.push(plain),
        }
    }
    out.push('"');
    out
}

fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{feff}')
}

/// Joins field errors as the real server does: one bare, several in brackets.
pub(crate) fn joined(errors: &[FieldError]) -> String {
    match errors {
        [one] => one.to_string(),
        many => {
            let mut all: Vec<String> = Vec::new();
            for text in many.iter().map(ToString::to_string) {
                if !all.contains(&text) {
                    all.push(text);
                }
            }
            match all.as_slice() {
                [one] => one.clone(),
                all => format!("[{}]", all.join(", ")),
            }
        }
    }
}

/// The group and plural that errors name; `group` is empty for core kinds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'a> {
    pub(crate) group: &'a str,
    /// The plural for most errors, the kind for validation errors.
    pub(crate) what: &'a str,
    pub(crate) name: &'a str,
}

impl Named<'_> {
    fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.what.to_owned()
        } else {
            format!("{}.{}", self.what, self.group)
        }
    }

    fn details(&self) -> Value {
        let mut details = json!({});
        for (key, text) in [("name", self.name), ("group", self.group), ("kind", self.what)] {
            if !text.is_empty() {
                details[key] = json!(text);
            }
        }
        details
    }
}

impl Failure {
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Body {
            code,
            reason,
            message: message.into(),
            details: None,
            metadata: None,
        }))
    }

    fn with_details(mut self, details: Value) -> Self {
        self.0.details = Some(details);
        self
    }

    pub(crate) fn with_empty_details(self) -> Self {
        self.with_details(json!({}))
    }

    pub(crate) fn with_metadata(mut self, metadata: Value) -> Self {
        self.0.metadata = Some(metadata);
        self
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalError", format!("Internal error occurred: {}", message.into()))
    }

    pub(crate) fn not_found(named: Named<'_>) -> Self {
        Self::new(404, "NotFound", format!("{} \"{}\" not found", named.qualified(), named.name))
            .with_details(named.details())
    }

    pub(crate) fn no_such_resource() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
            .with_details(json!({}))
    }

    pub(crate) fn already_exists(named: Named<'_>) -> Self {
        Self::new(
            409,
            "AlreadyExists",
            format!("{} \"{}\" already exists", named.qualified(), named.name),
        )
        .with_details(named.details())
    }

    /// The name is taken by an object whose deletion has begun.
    pub(crate) fn still_exists(named: Named<'_>) -> Self {
        let exists = Self::already_exists(named);
        let message = format!("object is being deleted: {}", exists.message());
        Self::new(409, "AlreadyExists", message).with_details(named.details())
    }

    pub(crate) fn conflict(named: Named<'_>, why: &str) -> Self {
        Self::new(
            409,
            "Conflict",
            format!(
                "Operation cannot be fulfilled on {} \"{}\": {why}",
                named.qualified(),
                named.name
            ),
        )
        .with_details(named.details())
    }

    pub(crate) fn modified(named: Named<'_>) -> Self {
        Self::conflict(
            named,
            "the object has been modified; please apply your changes to the latest version and \
             try again",
        )
    }

    pub(crate) fn forbidden(named: Named<'_>, why: &str) -> Self {
        let subject = if named.name.is_empty() {
            named.qualified()
        } else {
            format!("{} \"{}\"", named.qualified(), named.name)
        };
        Self::new(403, "Forbidden", format!("{subject} is forbidden: {why}"))
            .with_details(named.details())
    }

    /// A create refused because its namespace is being emptied.
    pub(crate) fn namespace_terminating(named: Named<'_>, namespace: &str) -> Self {
        let message = format!(
            "unable to create new content in namespace {namespace} because it is being terminated"
        );
        let mut failure = Self::forbidden(named, &message);
        let mut details = named.details();
        details["causes"] = json!([{
            "reason": "NamespaceTerminating",
            "message": format!("namespace {namespace} is being terminated"),
            "field": "metadata.namespace",
        }]);
        failure.0.details = Some(details);
        failure
    }

    /// An object that fails validation; `named.what` is the kind here.
    pub(crate) fn invalid(named: Named<'_>, errors: &[FieldError]) -> Self {
        let mut details = named.details();
        details["causes"] = errors.iter().map(FieldError::cause).collect();
        Self::new(
            422,
            "Invalid",
            format!("{} \"{}\" is invalid: {}", named.qualified(), named.name, joined(errors)),
        )
        .with_details(details)
    }

    /// A server-side apply that other managers' ownership refuses.
    pub(crate) fn apply_conflict(message: String, causes: &[Value]) -> Self {
        Self::new(409, "Conflict", message).with_details(json!({"causes": causes}))
    }

    /// A verb that a custom resource does not have at this place.
    pub(crate) fn verb_not_supported(verb: &str, named: Named<'_>) -> Self {
        let what = Named { name: "", ..named };
        let message =
            format!("{verb} is not supported on resources of kind \"{}\"", what.qualified());
        Self::new(405, "MethodNotAllowed", message).with_details(what.details())
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )
        .with_details(json!({}))
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    pub(crate) fn unsupported_media(message: impl Into<String>) -> Self {
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// Overload; the client is told when to come back.
    pub(crate) fn too_many_requests(seconds: u32) -> Self {
        let message =
            "the server has received too many requests and has asked us to try again later";
        Self::new(429, "TooManyRequests", message)
            .with_details(json!({"retryAfterSeconds": seconds}))
    }

    /// A refusal of which only the code is known.
    pub(crate) fn by_code(code: u16) -> Self {
        let reason = match code {
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "NotFound",
            409 => "Conflict",
            410 => "Gone",
            500 => "InternalError",
            503 => "ServiceUnavailable",
            504 => "Timeout",
            _ => "",
        };
        Self::new(code, reason, format!("a fault was set that answers with {code}"))
    }

    /// Seconds that the client is asked to wait.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        self.0.details.as_ref()?.get("retryAfterSeconds")?.as_u64()
    }

    pub(crate) fn too_large_version(asked: u64, current: u64) -> Self {
        Self::new(
            504,
            "Timeout",
            format!("Too large resource version: {asked}, current: {current}"),
        )
        .with_details(json!({
            "causes": [{"reason": "ResourceVersionTooLarge",
                        "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        }))
    }

    pub(crate) fn code(&self) -> u16 {
        self.0.code
    }

    pub(crate) fn reason(&self) -> &'static str {
        self.0.reason
    }

    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// The `Status` object that tells the client.
    pub(crate) fn to_json(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.0.metadata.clone().unwrap_or_else(|| json!({})),
            "status": "Failure",
            "message": self.0.message,
        });
        if !self.0.reason.is_empty() {
            status["reason"] = json!(self.0.reason);
        }
        if let Some(details) = &self.0.details {
            status["details"] = details.clone();
        }
        status["code"] = json!(self.0.code);
        status
    }
}
