//! Things a provider keeps for us, and what it offers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Free, Name, Operation, Span};

/// How one kind of thing is created, read, listed and deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectSpec {
    /// How a lost create is found again.
    pub identity: Identity,
    /// Where one list call looks.
    #[serde(default)]
    pub scope: ListScope,
    /// Makes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create: Option<Operation>,
    /// Reads one by `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<Operation>,
    /// Lists all that carry `scope.mark`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<Operation>,
    /// Deletes one by `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<Operation>,
    /// The contract's outputs, as expressions over `item`. `state` is a map: `of` is the vendor's
    /// state, the other keys map its values to the contract's.
    #[serde(rename = "as")]
    #[schemars(extend("maxProperties" = 32))]
    pub outputs: BTreeMap<Name, Free>,
}

/// How a lost create is found again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    /// By what.
    pub find: Find,
    /// How late the provider's own list may show a new thing.
    pub lag: Span,
    /// The create request carries `token` and the provider answers a repetition with the first
    /// result.
    #[serde(default)]
    pub key: bool,
}

/// By what a thing of ours is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Find {
    /// By the marks we put on it.
    Tag,
    /// By its name.
    Name,
}

/// Where one list call looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ListScope {
    /// Everywhere in the account.
    #[default]
    Account,
    /// In one region.
    Region,
}

/// Something the provider offers: sizes, images, regions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Catalog {
    /// The request that lists it.
    pub list: Operation,
    /// The contract's columns, as expressions over `item`.
    #[serde(rename = "as")]
    #[schemars(extend("maxProperties" = 32))]
    pub columns: BTreeMap<Name, Free>,
}
