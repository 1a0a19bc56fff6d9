//! Reading one object, and lists with pages and selectors.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::{ListOptions, Verb};
use crate::render::view;
use crate::status::{Failure, Result};
use crate::store::{OutOfRange, Page, Stored};

/// Objects under their keys.
pub(super) type Keyed = Vec<(String, Arc<Stored>)>;

/// A page of objects that the selectors chose.
pub(crate) struct Listing {
    pub(crate) items: Vec<Arc<Stored>>,
    pub(crate) revision: u64,
    /// Where the next page begins.
    pub(crate) token: Option<String>,
    pub(crate) remaining: Option<usize>,
}

impl Verb<'_> {
    /// The object itself.
    pub(crate) fn get(&self) -> Result<Arc<Stored>> {
        self.api
            .stored(&self.resource, &self.namespace, &self.name)
            .ok_or_else(|| Failure::not_found(self.resource.named(&self.name)))
    }

    /// One page of the collection.
    pub(crate) fn list(&self, options: &ListOptions) -> Result<Listing> {
        let (mut chosen, revision) = self.choose(options)?;
        // The watch cache of the real server ignores limits at resourceVersion 0.
        let limit =
            if options.revision == Some(0) && options.token.is_none() { 0 } else { options.limit };
        let (mut token, mut remaining) = (None, None);
        if limit > 0 && chosen.len() > limit {
            let left = chosen.len() - limit;
            chosen.truncate(limit);
            token = chosen.last().map(|(key, _)| encode_token(Some(revision), key));
            let whole = options.labels.is_everything() && options.fields.is_everything();
            remaining = whole.then_some(left);
        }
        let items = chosen.into_iter().map(|(_, stored)| stored).collect();
        Ok(Listing { items, revision, token, remaining })
    }

    /// Everything that the selectors choose, from the continue token on, and its revision.
    pub(super) fn choose(&self, options: &ListOptions) -> Result<(Keyed, u64)> {
        let space = (!self.namespace.is_empty()).then_some(self.namespace.as_str());
        let prefix = self.resource.prefix(space);
        let table = &self.resource.table;
        let store = &self.api.store;
        let page = if let Some(token) = &options.token {
            let (revision, after) = decode_token(token)?;
            // The token of an expired answer goes on in the present.
            let revision = revision.unwrap_or_else(|| store.revision());
            store.snapshot_at(table, &prefix, Some(&after), revision).map_err(|_| {
                Failure::expired(
                    "The provided continue parameter is too old to display a consistent list \
                     result. You can start a new list without the continue parameter, or use the \
                     continue token in this response to retrieve the remainder of the results.",
                )
                .with_metadata(json!({"continue": encode_token(None, &after)}))
            })?
        } else if options.exact
            && let Some(revision) = options.revision
        {
            store.snapshot_at(table, &prefix, None, revision).map_err(|error| match error {
                OutOfRange::TooOld => Failure::expired(format!(
                    "The resourceVersion for the provided list is too old: {revision}"
                )),
                OutOfRange::Future(current) => Failure::too_large_version(revision, current),
            })?
        } else {
            if let Some(revision) = options.revision.filter(|asked| *asked > store.revision()) {
                return Err(Failure::too_large_version(revision, store.revision()));
            }
            self.page(options, &prefix)
        };
        let Page { mut items, revision } = page;
        items.retain(|(_, stored)| view::selected(&self.resource, options, stored));
        Ok((items, revision))
    }

    /// The newest page; a selector that pins a name needs no scan.
    fn page(&self, options: &ListOptions, prefix: &str) -> Page {
        let store = &self.api.store;
        match options.fields.name() {
            Some(name) if !self.resource.namespaced || !prefix.is_empty() => {
                let revision = store.revision();
                let key = format!("{prefix}{name}");
                let found = store.get(&self.resource.table, &key);
                Page { items: found.map(|stored| (key, stored)).into_iter().collect(), revision }
            }
            _ => store.snapshot(&self.resource.table, prefix, None),
        }
    }
}

fn encode_token(revision: Option<u64>, key: &str) -> String {
    let revision = revision.map_or_else(|| json!(-1), |revision| json!(revision));
    URL_SAFE_NO_PAD.encode(json!({"v": "meta.k8s.io/v1", "rv": revision, "start": key}).to_string())
}

/// The revision, `None` for the present, and the key after which the next page begins.
fn decode_token(token: &str) -> Result<(Option<u64>, String)> {
    let refuse = || Failure::bad_request("continue key is not valid");
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| refuse())?;
    let json: serde_json::Value = serde_json::from_slice(&bytes).map_err(|_| refuse())?;
    let revision = match json["rv"].as_i64().ok_or_else(refuse)? {
        -1 => None,
        revision => Some(u64::try_from(revision).map_err(|_| refuse())?),
    };
    let start = json["start"].as_str().ok_or_else(refuse)?;
    Ok((revision, start.to_owned()))
}
