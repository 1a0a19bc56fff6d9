//! What a provider does for us in one exchange.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Free, Name, Operation, Text};

/// One exchange by the contract's name: send, charge, complete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ActionSpec {
    /// What can be known to be refused, and is therefore not asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub rules: Vec<ActionRule>,
    /// The request. `item` is the result, `items` where the contract has many.
    pub call: Operation,
    /// The provider answers a repetition with the first result, by the `token` that it carries.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub key: bool,
    /// The read that says what became of a call whose answer was lost, over the call's variables. Its
    /// `item` is the result, absent when nothing is known of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolve: Option<Operation>,
    /// The piece of text that one `event` of a stream brings; absent in the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<Text>,
    /// The contract's outputs, as expressions over `item`. `state` is a map, as an object's.
    #[serde(rename = "as")]
    #[schemars(extend("maxProperties" = 32))]
    pub outputs: BTreeMap<Name, Free>,
}

/// What must be true of a wish.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ActionRule {
    /// Must be true: an expression over `want`, `id`, `region` and `parameters`.
    pub must: Text,
    /// What is wrong otherwise, and what would be right.
    pub message: Text,
}
