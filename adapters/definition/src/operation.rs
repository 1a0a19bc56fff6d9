//! One exchange with the provider.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Free, Name, Span, Text};

/// One request and where its result stands in the answer. Exactly one of the five methods is
/// given, with the path (and query) as a template: each expression is percent-encoded, and a query
/// parameter whose value is absent is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Operation {
    /// Path of a GET.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub get: Option<Text>,
    /// Path of a POST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post: Option<Text>,
    /// Path of a PUT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub put: Option<Text>,
    /// Path of a PATCH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<Text>,
    /// Path of a DELETE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<Text>,
    /// The type of a request on the account's socket (scheme `obs`); its data is `json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpc: Option<Text>,
    /// One of the definition's `endpoints`; the main `endpoint` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Name>,
    /// It takes no credentials, and none are sent along (public price lists).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anonymous: bool,
    /// Request headers; one whose value is absent is left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub headers: BTreeMap<Name, Text>,
    /// A JSON body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Free>,
    /// A form body; the definition's `formStyle` says how lists and maps are flattened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Free>,
    /// A `multipart/form-data` body: fields by name, and files as `{filename, type, content}` (text)
    /// or `{filename, type, base64}`; a list repeats its field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multipart: Option<Free>,
    /// An XML body with one root element: a list repeats its element, a key that begins with `@` is
    /// an attribute, `#text` the text beside attributes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xml: Option<Free>,
    /// A body of plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
    /// Fields of the body (`json` or `form`) that come from the Secret, over `secret`: they are put in when
    /// the request leaves, and nothing else ever sees them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 4))]
    pub secret_fields: BTreeMap<Name, Text>,
    /// The format of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerFormat>,
    /// The thing itself in the answer: an expression over `body`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<Text>,
    /// The things in the answer of a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Text>,
    /// The URL of the next page; absent or empty on the last. `link(headers.link, "next")` reads a
    /// Link header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Text>,
    /// The value of `cursor` for the next page; absent, empty or null on the last. Beside the answer
    /// it sees `page` (pages read) and `count` (things read), for APIs that take a number or an offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Text>,
    /// Reads that come before the request, in this order; what each gives is `steps.<name>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub steps: Vec<Step>,
    /// How long its answer may take, where that is longer than a call may usually take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
    /// What is waited for after the answer, where the answer says only that the work began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
}

/// A read whose result a request or an output needs. One whose path lacks a value, or that finds
/// nothing, gives nothing. Before the call of an action it may also send something that nobody sees
/// until the call names it, such as the content of a file: when that fails, nothing happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// Its name beneath `steps`.
    pub name: Name,
    /// Path of a GET.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub get: Option<Text>,
    /// The type of a request on the account's socket, in place of a path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpc: Option<Text>,
    /// Path of a POST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post: Option<Text>,
    /// One of the definition's `endpoints`; the main `endpoint` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Name>,
    /// It takes no credentials, and none are sent along.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anonymous: bool,
    /// A JSON body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Free>,
    /// A form body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Free>,
    /// A `multipart/form-data` body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multipart: Option<Free>,
    /// The format of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerFormat>,
    /// What it gives: an expression over `body`.
    pub item: Text,
}

/// A long-running operation: asked after, at the pace that the provider asks for (`Retry-After`),
/// until it ends. One that ends in failure is a failure, whatever the first answer said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wait {
    /// Path of a GET, over the request's variables and the first answer's `body` and `headers`; or
    /// one expression that gives a whole address of the same host. Nothing is waited for when it is
    /// absent.
    pub get: Text,
    /// True at the end: an expression over `body`, `headers` and `status`.
    pub done: Text,
    /// True when it ended badly. The error rules give the class; Unavailable when none matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Text>,
    /// The longest pause between two questions where the provider asks for none; `2s` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// After this the outcome is unknown; `10m` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
}

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
}

impl Method {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// Why an operation says no single request.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum OperationError {
    /// None of the five methods is given.
    #[error("no method: give one of get, post, put, patch, delete")]
    NoMethod,
    /// More than one is given.
    #[error("several methods: give one of get, post, put, patch, delete")]
    SeveralMethods,
}

impl Operation {
    /// The method and the path template.
    pub fn request(&self) -> Result<(Method, &Text), OperationError> {
        let given = [
            (Method::Get, &self.get),
            (Method::Post, &self.post),
            (Method::Put, &self.put),
            (Method::Patch, &self.patch),
            (Method::Delete, &self.delete),
            (Method::Post, &self.rpc),
        ];
        let mut given =
            given.into_iter().filter_map(|(method, path)| Some((method, path.as_ref()?)));
        let first = given.next().ok_or(OperationError::NoMethod)?;
        match given.next() {
            None => Ok(first),
            Some(_) => Err(OperationError::SeveralMethods),
        }
    }
}

/// How an answer's body is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AnswerFormat {
    /// JSON.
    #[default]
    Json,
    /// XML, mapped to JSON: an element with children is a map, a repeated element a list, an
    /// element with text a string, attributes are dropped, the root element is `body`'s only key.
    Xml,
    /// XML whose attributes say something: `@name` beside the children, `#text` for the text beside them.
    XmlAttributes,
    /// A form: names with their values, a repeated name a list.
    Form,
    /// Text: `body` is a string.
    Text,
    /// Server-sent events: `body` is the list of them, each `{event, data, id}`; `data` that is JSON is
    /// read as such.
    Sse,
    /// A JSON value to a line: `body` is the list of them.
    Ndjson,
}

/// How a form writes lists and maps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FormStyle {
    /// `Tag.1.Key=a`: dots, and indices from 1.
    #[default]
    Dots,
    /// `tag[0][key]=a`: brackets, and indices from 0.
    Brackets,
    /// `tag=a&tag=b`: a list repeats its name; maps as with brackets.
    Repeated,
}
