//! The steps between a body and the store: kind, unknown fields, defaults, validation.

use serde_json::{Value, json};

use super::{Validation, Verb};
use crate::crd;
use crate::kinds::{Builtin, rules};
use crate::meta;
use crate::resource::Flavour;
use crate::schema::{self, cel};
use crate::status::{Failure, FieldError, Result};

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

impl Verb<'_> {
    /// Checks that the body is of this resource's kind; built-ins may leave it out.
    pub(super) fn check_kind(&self, object: &mut Value) -> Result<()> {
        let resource = &self.resource;
        if !object.is_object() {
            return Err(Failure::bad_request(
                "the object provided is unrecognized (must be of type \
                                             object)",
            ));
        }
        let expected = resource.api_version();
        for (key, expected) in [("apiVersion", expected.as_str()), ("kind", &resource.kind)] {
            let given = object[key].as_str().unwrap_or_default().to_owned();
            if given.is_empty() {
                if resource.is_custom() {
                    let what = if key == "kind" { "Kind" } else { "apiVersion" };
                    return Err(Failure::bad_request(format!(
                        "Object '{what}' is missing in '{object}'"
                    )));
                }
                object[key] = json!(expected);
            } else if given != expected {
                return Err(Failure::bad_request(self.wrong_kind(key, &given, object)));
            }
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
        schema::apply_defaults(schema, &mut object["metadata"]);
        let mistakes = schema::validate(schema, &object["metadata"], None, "metadata");
        let Some(first) = mistakes.first() else {
            return Ok(());
        };
        Err(Failure::bad_request(format!(
            "{0} in version {1:?} cannot be handled as a {0}: json: cannot unmarshal into Go \
             struct field {0}.{2}: {3}",
            self.resource.kind, self.resource.version, first.field, first.message
        )))
    }

    fn wrong_kind(&self, key: &str, given: &str, object: &Value) -> String {
        if key == "apiVersion" {
            format!(
                "the API version in the data ({given}) does not match the expected API version \
                 ({})",
                self.resource.api_version()
            )
        } else {
            format!(
                "{} in version {:?} cannot be handled as a {}: no kind {given:?} is registered \
                 for version {:?}",
                given,
                self.resource.version,
                self.resource.kind,
                object["apiVersion"].as_str().unwrap_or_default()
            )
        }
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
        if self.options.validation == Validation::Ignore {
            schema::prune(&schema, object, root);
        } else {
            let mut complaints: Vec<String> =
                duplicates.iter().map(|path| format!("duplicate field \"{path}\"")).collect();
            let unknown = schema::unknown_fields(&schema, object, root);
            if !unknown.is_empty() {
                schema::prune(&schema, object, root);
            }
            complaints.extend(unknown.iter().map(|path| format!("unknown field \"{path}\"")));
            if !complaints.is_empty() {
                if self.options.validation == Validation::Strict {
                    return Err(self.strict_refusal(object, &complaints, origin));
                }
                self.warnings.extend(complaints);
            }
        }
        schema::apply_defaults(&schema, object);
        Ok(())
    }

    fn strict_refusal(&self, object: &Value, complaints: &[String], origin: Origin<'_>) -> Failure {
        let list = format!("strict decoding error: {}", complaints.join(", "));
        match origin {
            Origin::Patch(text) => {
                let error = FieldError::invalid("patch", &Value::from(text), &list);
                Failure::invalid(self.resource.kind_named(meta::name(object)), &[error])
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
            errors.extend(meta::validate::metadata_update(old, object));
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
        Err(Failure::invalid(self.resource.kind_named(meta::name(object)), &errors))
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
                     name including a path (/) to avoid accidental conflicts with other \
                     finalizer writers"
                ));
            }
        }
    }

    /// Built-in kinds refuse wrong types while decoding.
    fn check_types(&self, object: &Value) -> Result<()> {
        let mistakes = schema::validate(&self.resource.schema, object, None, "");
        let Some(first) = mistakes.first() else {
            return Ok(());
        };
        Err(Failure::bad_request(format!(
            "{0} in version {1:?} cannot be handled as a {0}: json: cannot unmarshal into Go \
             struct field {0}.{2}: {3}",
            self.resource.kind, self.resource.version, first.field, first.message
        )))
    }
}
