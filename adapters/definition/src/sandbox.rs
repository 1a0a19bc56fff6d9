//! How the simulated provider answers. The simulator matches requests against the definition's own
//! operations, so only answers and rules stand here.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Class, Document, Free, Name, SandboxWebhook, Text};

/// The simulated provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sandbox {
    /// Secret values that the simulated account accepts, by key.
    #[schemars(extend("maxProperties" = 8))]
    pub accepts: BTreeMap<Name, Document>,
    /// What the simulated account has for the definition's parameters without a default; `sandbox` where
    /// it says nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub parameters: BTreeMap<Name, Text>,
    /// The answer to who asks for an access token, over `token` and `refresh` (a new refresh token; the
    /// last one is good no more when the answer gives it); as RFC 6749 has it when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SandboxAnswer>,
    /// The body of every error answer, over `error.status`, `error.code`, `error.message`.
    pub error: SandboxAnswer,
    /// The answer of `verify`.
    #[serde(default)]
    pub verify: SandboxAnswer,
    /// How its things behave.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub objects: BTreeMap<Name, SandboxObject>,
    /// What its actions make and change, by the contract's word for it (`message`, `payment`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub things: BTreeMap<Name, SandboxThing>,
    /// How it answers actions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub actions: BTreeMap<Name, SandboxAction>,
    /// The answers of its catalogs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub catalogs: BTreeMap<Name, SandboxAnswer>,
    /// What it delivers to who listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<SandboxWebhook>,
    /// How failures look on the wire where the shared status table has no single status, by class.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub failures: BTreeMap<Class, SandboxFailure>,
}

/// How one class of failure looks on the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SandboxFailure {
    /// HTTP status.
    #[schemars(range(min = 100, max = 599))]
    pub status: u16,
    /// The vendor's code.
    pub code: Text,
    /// The vendor's message.
    pub message: Text,
}

/// One kind of simulated thing. Templates may use `req` (the body of its creation), `query`,
/// `headers`, `region` (where it was made), `id`, `seq`, `created` (RFC 3339), `deleted` (bool), `phase(a, b, …)` (the state by
/// age), `gone(a, b, …)` (the state by time since its deletion) and `powered(on, off)` (by the last `start` or `stop`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SandboxObject {
    /// The identity of a new thing, over `seq` and what the request says (`want.name`).
    pub id: Text,
    /// The thing as reads show it.
    pub item: Free,
    /// The request's value that must be unique in the account, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique: Option<Text>,
    /// Whether a deleted thing stays visible, in its `gone` states.
    #[serde(default)]
    pub lingers: bool,
    /// What a creation must fulfil; the first rule that does not hold is answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub rules: Vec<SandboxRule>,
    /// The answer of a creation, over `item`.
    pub create: SandboxAnswer,
    /// The answer of a read, over `item`.
    #[serde(default)]
    pub read: SandboxAnswer,
    /// The answer of a list.
    pub list: SandboxList,
    /// The answer of a deletion.
    pub delete: SandboxAnswer,
    /// The answers of its verbs, over `item` as it is then. `stop` and `start` decide what
    /// `powered(on, off)` gives, `resize` and `update` change what `req` says.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8))]
    pub verbs: BTreeMap<Name, SandboxAnswer>,
    /// The answers of the steps of its operations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8))]
    pub steps: BTreeMap<Name, SandboxRead>,
    /// What answers who waits for the end of its creation or deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<SandboxRead>,
    /// What it holds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8))]
    pub children: BTreeMap<Name, SandboxChild>,
    /// The answers for its parts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8))]
    pub parts: BTreeMap<Name, SandboxPart>,
}

/// What an action made. Its `item` may use what a simulated object's may, and `now`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SandboxThing {
    /// The identity of a new thing, over `seq`, `req` and what the request says (`want.target`).
    pub id: Text,
    /// What it is now, by names of the definition's own: the first values, over `req`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub starts: BTreeMap<Name, Free>,
    /// The thing as answers show it.
    pub item: Free,
}

/// A simulated action. Its templates may use `req`, `query`, `headers`, `want` (what the request says) and
/// `region`; `now`, `id` and `item` of the thing that it is aimed at or made; `seq`, a number of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SandboxAction {
    /// What differs from the contract's own example of a wish where this provider has other names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<Free>,
    /// What must hold; the first rule that does not is answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub rules: Vec<SandboxRule>,
    /// The kind of things that it finds: they are `items`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Name>,
    /// Which of them: an expression over `item`, `query`, `req` and `headers`.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Text>,
    /// What the thing is from now on, by its names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub sets: BTreeMap<Name, Free>,
    /// The answer.
    #[serde(default)]
    pub answer: SandboxAnswer,
    /// What the device pushes when that changed it: `{type, data}` or a list of them, over what `answer` sees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Free>,
    /// The answers of the steps before its call, each a list of its things.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 4))]
    pub steps: BTreeMap<Name, SandboxList>,
    /// The answer to who asks what became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolve: Option<SandboxList>,
}

/// The answer of a read beside the thing's own, over the thing's variables and `item` where there
/// is a thing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SandboxRead {
    /// The path that is asked (`wait` at an address that an answer gave), with `${id}` in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Text>,
    /// The identity of the thing that is asked for, over `path` (the segments of the path); the
    /// request's own `id` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Text>,
    /// Answer headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub headers: BTreeMap<Name, Text>,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Free>,
}

/// A simulated part. The answers see `want` (what the request says), `id` and `seq`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SandboxPart {
    /// The answer of its creation.
    #[serde(default)]
    pub create: SandboxAnswer,
    /// The answer of its deletion.
    #[serde(default)]
    pub delete: SandboxAnswer,
}

/// A kind of simulated things that another one holds. Templates see what a simulated thing's see, and
/// `parent`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SandboxChild {
    /// The identity of a new one, over `seq`.
    pub id: Text,
    /// One as lists show it.
    pub item: Free,
    /// The answer of a creation, over `item`.
    #[serde(default)]
    pub create: SandboxAnswer,
    /// The answer of a list, over `items` and `total`.
    pub list: SandboxAnswer,
    /// The answer of a deletion.
    #[serde(default)]
    pub delete: SandboxAnswer,
}

/// A condition on a creation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SandboxRule {
    /// Must be true.
    pub must: Text,
    /// The class of the refusal.
    pub class: Class,
    /// The vendor's message.
    pub message: Text,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SandboxAnswer {
    /// HTTP status; 200 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 599))]
    pub status: Option<u16>,
    /// Answer headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub headers: BTreeMap<Name, Text>,
    /// The body, written in the operation's answer format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Free>,
}

/// The answer of a list, over `items`, `total`, `page` (from 1), `pages` and `next` (the number of
/// the next page, absent on the last).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SandboxList {
    /// Which things are listed: an expression over `item`, `query`, `req` and `headers`.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Text>,
    /// How many to a page: a number over `query` and `req`; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Text>,
    /// The page asked for (from 1): a number over `query` and `req`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<Text>,
    /// Answer headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub headers: BTreeMap<Name, Text>,
    /// The body.
    pub body: Free,
}
