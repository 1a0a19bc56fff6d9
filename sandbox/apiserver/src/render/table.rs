//! `meta.k8s.io/v1` tables.

use serde_json::{Value, json};

use super::view;
use crate::resource::Resource;

/// What a row carries of its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Include {
    #[default]
    Metadata,
    Object,
    Nothing,
}

/// A table of objects, with or without column definitions.
pub(crate) fn table(
    resource: &Resource,
    version: &str,
    objects: &[Value],
    include: Include,
    with_columns: bool,
    metadata: &Value,
) -> Value {
    let columns = &resource.columns;
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let cells: Vec<Value> = columns.iter().map(|column| column.cell(object)).collect();
            let mut row = json!({"cells": cells});
            match include {
                Include::Metadata => {
                    row["object"] = view::partial(object);
                    row["object"]["apiVersion"] = json!(format!("meta.k8s.io/{version}"));
                }
                Include::Object => row["object"] = object.clone(),
                Include::Nothing => row["object"] = Value::Null,
            }
            row
        })
        .collect();
    let definitions: Value = if with_columns {
        columns.iter().map(super::columns::Column::definition).collect()
    } else {
        Value::Null
    };
    json!({"kind": "Table", "apiVersion": format!("meta.k8s.io/{version}"),
        "metadata": metadata, "columnDefinitions": definitions, "rows": rows})
}
