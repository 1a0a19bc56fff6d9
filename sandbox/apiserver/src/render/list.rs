//! The bodies of lists and single objects in the asked form.

use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value, json};

use super::{table, view};
use crate::http::negotiate::Form;
use crate::resource::Resource;
use crate::store::Stored;
use crate::verbs::read::Listing;

fn list_metadata(resource: &Resource, listing: &Listing, form: &Form) -> Value {
    let mut metadata = Map::new();
    metadata.insert("resourceVersion".to_owned(), json!(listing.revision.to_string()));
    match &listing.token {
        Some(token) => _ = metadata.insert("continue".to_owned(), json!(token)),
        // Custom lists are untyped there, and leave nothing out.
        None if resource.is_custom() && *form == Form::Object => {
            metadata.insert("continue".to_owned(), json!(""));
        }
        None => {}
    }
    if let Some(remaining) = listing.remaining {
        metadata.insert("remainingItemCount".to_owned(), json!(remaining));
    }
    Value::Object(metadata)
}

/// A list in the asked form; stored texts are joined without being parsed where possible.
pub(crate) fn list(resource: &Resource, listing: &Listing, form: &Form) -> Bytes {
    let metadata = list_metadata(resource, listing, form);
    let objects =
        || listing.items.iter().map(|stored| view::of(resource, stored)).collect::<Vec<_>>();
    match form {
        Form::Object => {
            let head = format!(
                "{{\"kind\":{},\"apiVersion\":{},\"metadata\":{metadata},\"items\":[",
                json!(resource.list_kind),
                json!(resource.api_version())
            );
            let size = listing.items.iter().map(|stored| stored.bytes.len() + 1).sum::<usize>();
            let mut body = BytesMut::with_capacity(head.len() + size + 2);
            body.extend_from_slice(head.as_bytes());
            for (index, stored) in listing.items.iter().enumerate() {
                if index > 0 {
                    body.extend_from_slice(b",");
                }
                body.extend_from_slice(&view::item(resource, stored));
            }
            body.extend_from_slice(b"]}");
            body.freeze()
        }
        Form::Partial { .. } => {
            let items: Vec<Value> = objects().iter().map(view::partial).collect();
            let list = json!({"kind": "PartialObjectMetadataList",
                "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "items": items});
            Bytes::from(list.to_string())
        }
        Form::Table { version, include } => {
            let table = table::table(resource, version, &objects(), *include, true, &metadata);
            Bytes::from(table.to_string())
        }
    }
}

/// One stored object in the asked form.
pub(crate) fn one(resource: &Resource, stored: &Stored, form: &Form) -> Bytes {
    match form {
        Form::Object => view::text(resource, stored),
        _ => Bytes::from(rendered(resource, view::of(resource, stored), form, true).to_string()),
    }
}

/// One object in the asked form.
pub(crate) fn rendered(
    resource: &Resource,
    object: Value,
    form: &Form,
    with_columns: bool,
) -> Value {
    match form {
        Form::Object => object,
        Form::Partial { .. } => view::partial(&object),
        Form::Table { version, include } => {
            let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
            table::table(resource, version, &[object], *include, with_columns, &metadata)
        }
    }
}
