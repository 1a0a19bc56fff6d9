//! Things a provider keeps for us, and what it offers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Free, Name, Operation, Span, Text};

/// How one kind of thing is created, read, listed and deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectSpec {
    /// How a lost create is found again.
    pub identity: Identity,
    /// Where one list call looks.
    #[serde(default)]
    pub scope: ListScope,
    /// What must be there before it: made in this order, removed in reverse after it. What has parts
    /// is addressed by its name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub parts: Vec<Part>,
    /// What it holds, kind after kind: what there is of each is read, and made and removed until it is
    /// what is wanted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub children: Vec<Child>,
    /// The collection that it is kept in; operations that are said themselves are not taken from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<Rest>,
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
    /// What else can be done with one, by the contract's verbs (`machine`: start, stop, reboot,
    /// resize, update).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8))]
    pub verbs: BTreeMap<Name, Operation>,
    /// Which of the verbs are refused of one that runs, so that they are asked only when it is stopped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub when_stopped: Vec<Name>,
    /// The contract's outputs, as expressions over `item`. `state` is a map: `of` is the vendor's
    /// state, the other keys map its values to the contract's.
    #[serde(rename = "as")]
    #[schemars(extend("maxProperties" = 32))]
    pub outputs: BTreeMap<Name, Free>,
}

/// A collection as most APIs have them: one is made by a POST at its path, and read and deleted
/// beneath it by its `id`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rest {
    /// Its path.
    pub at: Text,
    /// The query of the list, without `?`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<Text>,
    /// Where one stands in an answer; the body when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one: Option<Text>,
    /// Where all stand in the list; the body when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub many: Option<Text>,
    /// The URL of the next page, as an operation's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Text>,
    /// The value of `cursor` for the next page, as an operation's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Text>,
}

impl ObjectSpec {
    /// The same with every operation said that its collection stands for.
    #[must_use]
    pub fn expanded(&self) -> Self {
        let mut object = self.clone();
        let Some(rest) = &self.rest else { return object };
        let at = rest.at.as_str();
        let body = || Text("${body}".to_owned());
        let one = rest.one.clone().unwrap_or_else(body);
        if let Some(create) = object.create.as_mut().filter(|create| create.request().is_err()) {
            create.post = Some(rest.at.clone());
            create.item.get_or_insert_with(|| one.clone());
        }
        let single = || Some(Text(format!("{at}/${{id}}")));
        let read = || Operation { get: single(), item: Some(one.clone()), ..Operation::default() };
        object.read.get_or_insert_with(read);
        let query = rest.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        object.list.get_or_insert_with(|| Operation {
            get: Some(Text(format!("{at}{query}"))),
            items: Some(rest.many.clone().unwrap_or_else(body)),
            next: rest.next.clone(),
            cursor: rest.cursor.clone(),
            ..Operation::default()
        });
        object.delete.get_or_insert_with(|| Operation { delete: single(), ..Operation::default() });
        object
    }
}

/// A thing that another one needs and that nobody else uses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Part {
    /// Its name; what its creation gives (`item`) is `parts.<name>` to the requests after it.
    pub name: Name,
    /// Makes it, by a name made from `want.name`: a repetition must be the same effect.
    pub create: Operation,
    /// Removes it; absent where it goes with what it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<Operation>,
}

/// A kind of things that another one holds. Requests see the holder's `id`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Child {
    /// Its name.
    pub name: Name,
    /// All that are wanted: an expression over `want` that gives a list.
    pub of: Text,
    /// What tells one that is wanted from another, over `child`: all that matters of it.
    pub key: Text,
    /// What tells one that is there from another, over `item`: the same text for the same thing.
    pub same: Text,
    /// Reads all that are there.
    pub list: Operation,
    /// Makes one, over `child`.
    pub create: Operation,
    /// Removes one, over `item`.
    pub delete: Operation,
    /// Whether it would stay when its holder goes, so that it is removed before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outlives: bool,
}

/// How a lost create is found again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    /// By what.
    pub find: Find,
    /// How late the provider's own list may show a new thing.
    pub lag: Span,
    /// The provider answers a repetition of the create with the first result: by the `token` that it
    /// carries, or because it is a PUT at `want.name`.
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
    /// By nothing: the provider's list does not tell whose a thing is. Where the create has a `key`, it is
    /// asked again with the same token; else a lost answer waits for a person.
    None,
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
