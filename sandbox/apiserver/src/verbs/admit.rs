//! The steps between a body and the store: kind, unknown fields, defaults, validation.

use serde_json::{Value, json};

use super::{Validation, Verb};
use crate::crd;
use crate::kinds::{Builtin, rules};
use crate::meta;
use crate::resource::{Flavour, Resource};
use crate::schema::{self, cel};
use crate::status::{Failure, FieldError, Mistake, Named, Result, json_sort};

/// Where a body came from, which decides how unknown fields are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin<'a> {
    /// Create or update: 400.
    Body,
    /// A patch: 422, quoting it.
    Patch(&'a str),
    /// Server-side apply checked the types before.
    Apply,
}

/// Null in a map of texts is the empty text.
fn empty_texts(map: &mut Value) {
    for value in map.as_object_mut().into_iter().flat_map(|map| map.values_mut()) {
        if value.is_null() {
            *value = json!("");
        }
    }
}

/// How mistakes in what a patch makes are named: not at all.
const NAMELESS: Named<'_> = Named { group: "", what: "", name: "" };

impl Verb<'_> {
    /// Checks that the body is of this resource's kind; built-ins may leave it out.
    pub(super) fn check_kind(&self, object: &mut Value) -> Result<()> {
        let resource = &self.resource;
        if !object.is_object() {
            return Err(Failure::bad_request("the object provided is no object"));
        }
        let expected = resource.api_version();
        let given = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
        let (version, kind) = (given("apiVersion"), given("kind"));
        let named_wrongly = !kind.is_empty() && kind != resource.kind;
        if resource.is_custom() {
            if version != expected {
                return Err(Failure::bad_request(format!(
                    "the API version in the data ({version}) does not match the expected API \
                     version ({expected})"
                )));
            }
            if kind != resource.kind {
                let detail = format!("must be {}", resource.kind);
                let error = FieldError::invalid("kind", &json!(kind), &detail);
                let named = Named { group: &resource.group, what: &kind, name: meta::name(object) };
                return Err(Failure::invalid(named, &[error]));
            }
        } else if named_wrongly {
            return Err(Failure::bad_request(self.wrong_kind(&kind, &version)));
        } else if !version.is_empty() && version != expected {
            return Err(Failure::bad_request(format!(
                "the API version in the data ({version}) does not match the expected API version \
                 ({expected})"
            )));
        } else {
            object["apiVersion"] = json!(expected);
            object["kind"] = json!(resource.kind);
        }
        self.check_metadata(object)
    }

    /// Metadata is typed for every kind; a wrong type there is a decoding error.
    fn check_metadata(&self, object: &mut Value) -> Result<()> {
        let Some(schema) = self.resource.schema.properties.get("metadata") else {
            return Ok(());
        };
        if object["metadata"].is_null() {
            object["metadata"] = json!({});
        }
        if !object["metadata"].is_object() {
            let (kind, sort) = (&self.resource.kind, json_sort(&object["metadata"]));
            let into = if self.resource.is_custom() {
                "value".to_owned()
            } else {
                format!("struct field {kind}.metadata")
            };
            return Err(Failure::bad_request(format!(
                "{kind} in version {:?} cannot be handled as a {kind}: json: cannot unmarshal \
                 {sort} into Go {into} of type v1.ObjectMeta",
                self.resource.version
            )));
        }
        if let Some(owners) = object["metadata"]["ownerReferences"].as_array_mut() {
            let all = std::mem::take(owners);
            for owner in all {
                if !owners.contains(&owner) {
                    owners.push(owner);
                }
            }
        }
        if object["metadata"]["ownerReferences"].is_null() {
            meta::remove(&mut object["metadata"], "ownerReferences");
        }
        empty_texts(&mut object["metadata"]["labels"]);
        empty_texts(&mut object["metadata"]["annotations"]);
        for field in ["labels", "annotations"] {
            if object["metadata"][field].is_null() {
                meta::remove(&mut object["metadata"], field);
            }
        }
        schema::apply_defaults(schema, &mut object["metadata"]);
        let mistakes = schema::validate(schema, &object["metadata"], None, "metadata");
        // Types only: an owner that is named twice is somebody's habit.
        let Some(first) = mistakes.iter().find(|error| error.mistake != Mistake::Duplicate) else {
            return Ok(());
        };
        Err(self.undecodable(object, first))
    }

    /// A value that Go could not decode into the kind's type.
    fn undecodable(&self, object: &Value, mistake: &FieldError) -> Failure {
        let (kind, custom) = (&self.resource.kind, self.resource.is_custom());
        let mut steps: Vec<&str> = mistake.field.split('.').collect();
        let mut value = object;
        for step in &steps {
            value = &value[step.split('[').next().unwrap_or_default()];
        }
        let sort = json_sort(value);
        let wanted = mistake.message.split("must be of type ").nth(1).unwrap_or("another");
        let wanted = wanted.split(':').next().unwrap_or_default();
        let text = value.as_str().unwrap_or_default();
        let unreadable = match wanted {
            "date-time" => Some("2006-01-02T15:04:05Z07:00"),
            "micro-time" => Some("2006-01-02T15:04:05.000000Z07:00"),
            _ => None,
        };
        if let (Some(layout), true) = (unreadable, value.is_string()) {
            let (rest, part) = match chrono::DateTime::parse_from_rfc3339(text) {
                Ok(_) => (text.get(19..).unwrap_or_default(), ".000000"),
                Err(_) => (text, "2006"),
            };
            let what =
                format!("parsing time {text:?} as {layout:?}: cannot parse {rest:?} as {part:?}");
            return self.undecoded(object, &what);
        }
        if wanted == "byte" {
            let bad = text.bytes().position(|b| !b.is_ascii_alphanumeric() && !b"+/=".contains(&b));
            let at = bad.unwrap_or(text.len());
            return self.undecoded(object, &format!("illegal base64 data at input byte {at}"));
        }
        let wanted = match wanted {
            "object" if steps.last().is_some_and(|last| *last == "binaryData") => {
                "map[string][]uint8"
            }
            "object" => "map[string]string",
            "array" => "[]string",
            "boolean" => "bool",
            "integer" => "int64",
            "number" => "float64",
            other => other,
        };
        let holder = match steps.as_slice() {
            ["metadata", _, ..] => "ObjectMeta".to_owned(),
            ["spec", _, ..] => format!("{kind}Spec"),
            ["status", _, ..] => format!("{kind}Status"),
            _ => kind.clone(),
        };
        // Values of maps are named by the map.
        if steps.len() > 2 && steps[0] == "metadata" || steps.len() > 1 && holder == *kind {
            steps.pop();
        }
        if custom && steps.first() == Some(&"metadata") {
            steps.remove(0);
        }
        let field = steps.join(".");
        let what = format!(
            "json: cannot unmarshal {sort} into Go struct field {holder}.{field} of type {wanted}"
        );
        self.undecoded(object, &what)
    }

    pub(super) fn undecoded(&self, object: &Value, what: &str) -> Failure {
        if self.patching {
            let error = FieldError::invalid("patch", &Value::from(object.to_string()), what);
            return Failure::invalid(NAMELESS, &[error]);
        }
        let kind = &self.resource.kind;
        Failure::bad_request(format!(
            "{kind} in version {:?} cannot be handled as a {kind}: {what}",
            self.resource.version
        ))
    }

    /// Another kind than that of the endpoint, which built-in kinds notice while converting.
    fn wrong_kind(&self, given: &str, version: &str) -> String {
        let Resource { kind, version: own, .. } = &*self.resource;
        let core = |resource: &Resource| resource.group.is_empty() && !resource.is_custom();
        let known = self.api.registry().all().any(|other| core(other) && other.kind == given);
        if known && core(&self.resource) {
            return format!(
                "{given} in version {own:?} cannot be handled as a {kind}: converting \
                 (v1.{given}) to (core.{kind}): unknown conversion"
            );
        }
        format!(
            "{given} in version {own:?} cannot be handled as a {kind}: no kind {given:?} is \
             registered for version {version:?} in scheme \"pkg/api/legacyscheme/scheme.go:30\""
        )
    }

    /// Prunes, complains about what was pruned, and fills in defaults.
    pub(super) fn shape_up(
        &mut self,
        object: &mut Value,
        duplicates: &[String],
        origin: Origin<'_>,
    ) -> Result<()> {
        let root = true;
        let schema = std::sync::Arc::clone(&self.resource.schema);
        // Go leaves out of metadata what is empty.
        let metadata = meta::metadata_mut(object);
        for key in ["labels", "annotations", "finalizers", "ownerReferences"] {
            let empty = match metadata.get(key) {
                Some(Value::Object(map)) => map.is_empty(),
                Some(Value::Array(list)) => list.is_empty(),
                _ => false,
            };
            if empty {
                metadata.shift_remove(key);
            }
        }
        if !self.resource.is_custom() {
            for field in ["data", "stringData", "binaryData"] {
                empty_texts(&mut object[field]);
            }
            for field in ["data", "stringData", "binaryData"] {
                if object[field].is_null() {
                    meta::remove(object, field);
                }
            }
        }
        if self.options.validation == Validation::Ignore {
            schema::prune(&schema, object, root);
        } else {
            let twice: Vec<String> =
                duplicates.iter().map(|path| format!("duplicate field \"{path}\"")).collect();
            let mut unknown = schema::unknown_fields(&schema, object, root);
            if !unknown.is_empty() {
                schema::prune(&schema, object, root);
            }
            // Metadata is decoded before anything is pruned.
            let place =
                |path: &String| (!path.starts_with("metadata."), path.contains(".metadata."));
            unknown.sort_by_key(|path| (place(path), path.clone()));
            let unknown: Vec<String> =
                unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect();
            let mut complaints =
                if self.resource.is_custom() { [twice, unknown] } else { [unknown, twice] }
                    .concat();
            complaints.dedup();
            if !complaints.is_empty() {
                if self.options.validation == Validation::Strict {
                    return Err(self.strict_refusal(&complaints, origin));
                }
                self.warnings.extend(complaints);
            }
        }
        if !self.resource.is_custom() {
            self.check_types(object)?;
        }
        if self.resource.is_custom()
            && let Some(why) = schema::embedded_mistake(&schema, object)
        {
            let kind = &self.resource.kind;
            return Err(Failure::bad_request(format!(
                "{kind} in version {:?} cannot be handled as a {kind}: {why}",
                self.resource.version
            )));
        }
        if origin == Origin::Apply && self.resource.is_custom() {
            schema::apply_defaults_keeping_nulls(&schema, object);
        } else {
            schema::apply_defaults(&schema, object);
        }
        Ok(())
    }

    fn strict_refusal(&self, complaints: &[String], origin: Origin<'_>) -> Failure {
        let list = format!("strict decoding error: {}", complaints.join(", "));
        match origin {
            Origin::Patch(text) => {
                let error = FieldError::invalid("patch", &Value::from(text), &list);
                Failure::invalid(NAMELESS, &[error])
            }
            Origin::Body | Origin::Apply => Failure::bad_request(format!(
                "{0} in version {1:?} cannot be handled as a {0}: {list}",
                self.resource.kind, self.resource.version
            )),
        }
    }

    /// Judges the object that would be stored.
    pub(super) fn validate(&mut self, object: &Value, old: Option<&Value>) -> Result<()> {
        let mut errors = meta::validate::metadata(object);
        if let Some(old) = old {
            let mistakes = meta::validate::metadata_update(old, object);
            if self.resource.is_custom() {
                // The real server looks twice, and says so.
                errors.extend(mistakes.clone());
            }
            errors.extend(mistakes);
        }
        match self.resource.flavour {
            Flavour::Custom => self.validate_custom(object, old, &mut errors),
            Flavour::Builtin(builtin) => {
                self.check_types(object)?;
                errors.extend(rules::validate(builtin, object, old));
                if builtin == Builtin::CustomResourceDefinition {
                    errors.extend(crd::validate::definition(object, old));
                }
            }
        }
        if errors.is_empty() {
            return Ok(());
        }
        let mut named = self.resource.kind_named(meta::name(object));
        if self.resource.is(Builtin::Event) {
            // There it is the core kind that is judged.
            named.group = "";
        }
        Err(Failure::invalid(named, &errors))
    }

    fn validate_custom(
        &mut self,
        object: &Value,
        old: Option<&Value>,
        errors: &mut Vec<FieldError>,
    ) {
        if old.is_none() {
            errors.extend(meta::names::check_subdomain("metadata.name", meta::name(object)));
        }
        let schema = &self.resource.schema;
        if let Some(scale) = &self.resource.scale {
            errors.extend(super::scale::mistakes(object, scale));
        }
        let mistakes = schema::validate(schema, object, old, "");
        if let Some(unchecked) = cel::unchecked(&mistakes).filter(|_| schema.any_rules) {
            errors.extend(mistakes);
            errors.push(unchecked);
        } else {
            errors.extend(mistakes);
            cel::validate(schema, object, old, "", errors);
        }
        for finalizer in meta::finalizers(object) {
            let known = old.is_some_and(|old| meta::finalizers(old).contains(&finalizer));
            if !finalizer.contains('/') && !known {
                self.warnings.push(format!(
                    "metadata.finalizers: \"{finalizer}\": prefer a domain-qualified finalizer \
                     name to avoid accidental conflicts with other finalizer writers"
                ));
            }
        }
    }

    /// Built-in kinds refuse wrong types while decoding.
    fn check_types(&self, object: &Value) -> Result<()> {
        let mistakes = schema::validate(&self.resource.schema, object, None, "");
        let Some(first) = mistakes.iter().find(|error| error.mistake != Mistake::Duplicate) else {
            return Ok(());
        };
        Err(self.undecodable(object, first))
    }
}
