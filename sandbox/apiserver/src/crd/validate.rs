//! What a CustomResourceDefinition must be.

use serde_json::{Value, json};

use crate::meta::{self, names};
use crate::render::jsonpath::JsonPath;
use crate::schema::Schema;
use crate::status::FieldError;

/// Every mistake in a definition.
pub(crate) fn definition(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let spec = &object["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (group, plural) = (text(&spec["group"]), text(&spec["names"]["plural"]));
    let expected = format!("{plural}.{group}");
    if meta::name(object) != expected {
        let detail = "must be spec.names.plural+\".\"+spec.group";
        errors.push(FieldError::invalid("metadata.name", &json!(meta::name(object)), detail));
    }
    if group.is_empty() {
        errors.push(FieldError::required("spec.group", ""));
    } else {
        errors.extend(names::check_subdomain("spec.group", &group));
        if !group.contains('.') {
            let detail = "should be a domain with at least one dot";
            errors.push(FieldError::invalid("spec.group", &json!(group), detail));
        }
    }
    if !matches!(spec["scope"].as_str(), Some("Namespaced" | "Cluster")) {
        let supported = ["Cluster", "Namespaced"].map(|scope| format!("{scope:?}"));
        errors.push(FieldError::not_supported("spec.scope", &spec["scope"], &supported));
    }
    if spec["conversion"]["strategy"] != "None" {
        let supported = ["None"].map(|scope| format!("{scope:?}"));
        let strategy = &spec["conversion"]["strategy"];
        errors.push(FieldError::not_supported("spec.conversion.strategy", strategy, &supported));
    }
    if spec["preserveUnknownFields"] == true {
        let detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in \
                      spec.versions[*].schema instead";
        errors.push(FieldError::invalid("spec.preserveUnknownFields", &json!(true), detail));
    }
    definition_names(&spec["names"], &mut errors);
    versions(&spec["versions"], &mut errors);
    if let Some(old) = old {
        immutable(spec, &old["spec"], &mut errors);
    }
    errors
}

fn definition_names(definition: &Value, errors: &mut Vec<FieldError>) {
    for key in ["plural", "singular"] {
        let name = definition[key].as_str().unwrap_or_default();
        let field = format!("spec.names.{key}");
        if name.is_empty() {
            errors.push(FieldError::required(field, ""));
        } else {
            errors.extend(names::check_label(&field, name));
        }
    }
    for key in ["kind", "listKind"] {
        let name = definition[key].as_str().unwrap_or_default();
        let field = format!("spec.names.{key}");
        if name.is_empty() {
            errors.push(FieldError::required(field, ""));
        } else {
            errors.extend(names::check_label(&field, &name.to_lowercase()));
        }
    }
    for key in ["shortNames", "categories"] {
        for (index, name) in definition[key].as_array().into_iter().flatten().enumerate() {
            let field = format!("spec.names.{key}[{index}]");
            errors.extend(names::check_label(&field, name.as_str().unwrap_or_default()));
        }
    }
}

fn versions(versions: &Value, errors: &mut Vec<FieldError>) {
    let list = versions.as_array().map(Vec::as_slice).unwrap_or_default();
    let stored = list.iter().filter(|version| version["storage"] == true).count();
    if stored != 1 {
        let detail = "must have exactly one version marked as storage version";
        errors.push(FieldError::invalid("spec.versions", versions, detail));
    }
    let mut seen = Vec::new();
    for (index, version) in list.iter().enumerate() {
        let field = format!("spec.versions[{index}]");
        let name = version["name"].as_str().unwrap_or_default();
        errors.extend(names::check_label(&format!("{field}.name"), name));
        if seen.contains(&name) {
            let detail = "must contain unique version names";
            errors.push(FieldError::invalid("spec.versions", versions, detail));
        }
        seen.push(name);
        // With one version the schema is told of as the definition's.
        let single = list.len() == 1;
        let place = if single { "spec" } else { field.as_str() };
        let validation =
            if single { "spec.validation".to_owned() } else { format!("{field}.schema") };
        let openapi = &version["schema"]["openAPIV3Schema"];
        if openapi.is_object() {
            schema(openapi, &validation, errors);
        } else {
            errors.push(FieldError::required(format!("{field}.schema.openAPIV3Schema"), ""));
        }
        columns(&version["additionalPrinterColumns"], place, errors);
        selectable(&version["selectableFields"], openapi, place, errors);
        scale(&version["subresources"]["scale"], place, errors);
    }
}

fn schema(schema: &Value, field: &str, errors: &mut Vec<FieldError>) {
    let field = format!("{field}.openAPIV3Schema");
    if schema["type"] != "object" {
        let detail = "must be object at the root";
        errors.push(FieldError::invalid(format!("{field}.type"), &schema["type"], detail));
    }
    if let Err(mistakes) = Schema::parse(schema, &field) {
        errors.extend(mistakes);
    }
}

fn columns(columns: &Value, field: &str, errors: &mut Vec<FieldError>) {
    for (index, column) in columns.as_array().into_iter().flatten().enumerate() {
        let at = format!("{field}.additionalPrinterColumns[{index}]");
        if column["name"].as_str().unwrap_or_default().is_empty() {
            errors.push(FieldError::required(format!("{at}.name"), ""));
        }
        let kinds = ["boolean", "date", "integer", "number", "string"];
        if !kinds.iter().any(|kind| column["type"] == *kind) {
            let detail = format!("must be one of {}", kinds.join(","));
            errors.push(FieldError::invalid(format!("{at}.type"), &column["type"], &detail));
        }
        let path = column["jsonPath"].as_str().unwrap_or_default();
        if !path.starts_with('.') || JsonPath::parse(path).is_none() {
            let detail = "must be a simple json path starting with .";
            errors.push(FieldError::invalid(format!("{at}.JSONPath"), &column["jsonPath"], detail));
        }
    }
}

fn selectable(fields: &Value, schema: &Value, field: &str, errors: &mut Vec<FieldError>) {
    for (index, selectable) in fields.as_array().into_iter().flatten().enumerate() {
        let at = format!("{field}.selectableFields[{index}].jsonPath");
        let path = selectable["jsonPath"].as_str().unwrap_or_default();
        let steps = path.trim_start_matches('.').split('.');
        let found = steps.fold(schema, |schema, step| &schema["properties"][step]);
        if !path.starts_with('.') || found.is_null() {
            let detail = "is an invalid path: does not refer to a valid field";
            errors.push(FieldError::invalid(at, &selectable["jsonPath"], detail));
        } else if !matches!(found["type"].as_str(), Some("string" | "boolean" | "integer")) {
            let detail = "must point to a field of type string, boolean or integer";
            errors.push(FieldError::invalid(at, &selectable["jsonPath"], detail));
        }
    }
}

fn scale(scale: &Value, field: &str, errors: &mut Vec<FieldError>) {
    if !scale.is_object() {
        return;
    }
    let at = format!("{field}.subresources.scale");
    for (key, root, required) in [
        ("specReplicasPath", ".spec.", true),
        ("statusReplicasPath", ".status.", true),
        ("labelSelectorPath", ".", false),
    ] {
        let path = scale[key].as_str().unwrap_or_default();
        let place = format!("{at}.{key}");
        if path.is_empty() && required {
            errors.push(FieldError::required(place, ""));
        } else if !path.is_empty() && !path.starts_with(root) {
            let detail = if path.starts_with('.') {
                format!("should be a json path under {}", root.trim_end_matches('.'))
            } else {
                "must be a simple json path starting with .".to_owned()
            };
            errors.push(FieldError::invalid(place, &scale[key], &detail));
        }
    }
}

/// Objects may already exist under these.
fn immutable(new: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    for (field, before, after) in [
        ("spec.group", &old["group"], &new["group"]),
        ("spec.scope", &old["scope"], &new["scope"]),
        ("spec.names.plural", &old["names"]["plural"], &new["names"]["plural"]),
        ("spec.names.kind", &old["names"]["kind"], &new["names"]["kind"]),
    ] {
        if before != after {
            errors.push(FieldError::invalid(field, after, "field is immutable"));
        }
    }
}
