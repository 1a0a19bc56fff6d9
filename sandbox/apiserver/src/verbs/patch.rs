//! Patches: JSON patch, merge patch, strategic merge patch, server-side apply.

use std::sync::Arc;

use serde_json::{Value, json};

use super::admit::Origin;
use super::update::{Attempt, Tracking};
use super::{Outcome, Verb};
use crate::decode::{self, Decoded};
use crate::meta;
use crate::patch::json::{Unfit, apply as apply_json};
use crate::patch::{last_applied, strategic};
use crate::render::view;
use crate::ssa::{self, Force};
use crate::status::{Failure, FieldError, Named, Result, json_sort};

/// How often a patch is computed anew when others write in between.
const ATTEMPTS: usize = 16;

/// The patch formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PatchKind {
    Json,
    Merge,
    Strategic,
    Apply,
}

impl Verb<'_> {
    /// Patches the object; an apply may create it.
    pub(crate) fn patch(&mut self, kind: PatchKind, body: &[u8]) -> Result<Outcome> {
        match kind {
            PatchKind::Apply => self.apply(body),
            _ => self.patch_live(kind, body),
        }
    }

    fn patch_live(&mut self, kind: PatchKind, body: &[u8]) -> Result<Outcome> {
        let text = String::from_utf8_lossy(body);
        let patch = decode::json(body).map_err(|error| {
            let why = if error.is_eof() {
                "unexpected end of JSON input".to_owned()
            } else {
                error.to_string()
            };
            Failure::bad_request(format!("error decoding patch: {why}"))
        })?;
        self.patching = true;
        for _ in 0..ATTEMPTS {
            let stored = self
                .api
                .stored(&self.resource, &self.namespace, &self.name)
                .ok_or_else(|| Failure::not_found(self.resource.named(&self.name)))?;
            let live = view::of(&self.resource, &stored);
            let mut candidate = self.patched(kind, &live, &patch, body)?;
            self.check_patched(&live, &mut candidate)?;
            self.refuse_stale(&stored, &candidate)?;
            self.shape_up(&mut candidate, &patch.duplicates, Origin::Patch(&text))?;
            match self.replace(&stored, &live, candidate, Tracking::Update)? {
                Attempt::Done(object) => return Ok(Outcome { code: 200, object }),
                Attempt::Stale => self.warnings.clear(),
            }
        }
        Err(Failure::modified(self.resource.named(&self.name)))
    }

    fn patched(
        &self,
        kind: PatchKind,
        live: &Value,
        patch: &Decoded,
        body: &[u8],
    ) -> Result<Value> {
        let mut candidate = live.clone();
        match kind {
            PatchKind::Json => operate(&mut candidate, &patch.value, body)?,
            PatchKind::Strategic => {
                candidate = strategic::patch(&self.resource.schema, &candidate, &patch.value)?;
            }
            PatchKind::Merge | PatchKind::Apply => {
                if patch.value.is_null() {
                    return Err(Failure::bad_request("Invalid JSON Patch"));
                }
                if !patch.value.is_object() {
                    return Err(Failure::bad_request(format!(
                        "error decoding patch: json: cannot unmarshal {} into Go value of type \
                         map[string]interface {{}}",
                        json_sort(&patch.value)
                    )));
                }
                json_patch::merge(&mut candidate, &patch.value);
            }
        }
        Ok(candidate)
    }

    fn check_patched(&mut self, live: &Value, candidate: &mut Value) -> Result<()> {
        let resource = Arc::clone(&self.resource);
        let kind_named = || resource.kind_named(&self.name);
        let name = meta::name(candidate);
        if candidate["kind"].as_str().unwrap_or_default().is_empty() {
            let why = format!("Object 'Kind' is missing in '{candidate}'");
            return Err(self.undecoded(candidate, &why));
        }
        if name.is_empty() {
            return Err(Failure::bad_request(format!(
                "the name of the object ({} based on URL) was undeterminable: name must be provided",
                self.name
            )));
        }
        if name != self.name {
            return Err(Failure::bad_request(format!(
                "the name of the object ({name}) does not match the name on the URL ({})",
                self.name
            )));
        }
        if meta::namespace(candidate) != meta::namespace(live) {
            return Err(Failure::bad_request(
                "the namespace of the provided object does not match the namespace sent on the \
                 request",
            ));
        }
        let (version, own) = (&candidate["apiVersion"], resource.api_version());
        if resource.is_custom() && *version != *own {
            let detail = format!("must be {own}");
            let error = FieldError::invalid("apiVersion", version, &detail);
            return Err(Failure::invalid(kind_named(), &[error]));
        }
        self.check_kind(candidate)?;
        for key in ["uid", "deletionTimestamp", "deletionGracePeriodSeconds"] {
            let given = &candidate["metadata"][key];
            if !given.is_null() && *given != "" && *given != live["metadata"][key] {
                let field = format!("metadata.{key}");
                let error = FieldError::invalid(field, given, "field is immutable");
                let errors = vec![error; if resource.is_custom() { 2 } else { 1 }];
                return Err(Failure::invalid(kind_named(), &errors));
            }
        }
        if resource.is_custom() && meta::text(candidate, "resourceVersion").is_empty() {
            let detail = "must be specified for an update";
            let error = FieldError::invalid("metadata.resourceVersion", &json!(0), detail);
            return Err(Failure::invalid(resource.named(&self.name), &[error]));
        }
        Ok(())
    }

    fn apply(&mut self, body: &[u8]) -> Result<Outcome> {
        let decoded = decode_apply(body)?;
        let twice = |key: &String| format!("key \"{key}\" already set in map");
        self.warnings.extend(decoded.duplicates.iter().map(twice));
        let given = decoded.value.clone();
        let mut config = decoded.value;
        self.check_apply(&mut config)?;
        for _ in 0..ATTEMPTS {
            let Some(stored) = self.api.stored(&self.resource, &self.namespace, &self.name) else {
                return self.apply_new(&config, &given);
            };
            let live = view::of(&self.resource, &stored);
            let uid = meta::text(&config, "uid");
            if !uid.is_empty() && uid != stored.uid {
                let error = FieldError::invalid("metadata.uid", &json!(uid), "field is immutable");
                let errors = vec![error; if self.resource.is_custom() { 2 } else { 1 }];
                return Err(Failure::invalid(self.resource.kind_named(&self.name), &errors));
            }
            self.refuse_stale(&stored, &config)?;
            let applied = self.applied(&live, &owned_part(&config), &given)?;
            let mut candidate = applied.object.clone();
            self.shape_up(&mut candidate, &[], Origin::Apply)?;
            match self.replace(&stored, &live, candidate, Tracking::Apply(applied))? {
                Attempt::Done(object) => return Ok(Outcome { code: 200, object }),
                Attempt::Stale => self.warnings.clear(),
            }
        }
        Err(Failure::modified(self.resource.named(&self.name)))
    }

    /// The merge; kubectl may take over what its client-side apply set and nobody changed since.
    fn applied(&self, live: &Value, config: &Value, given: &Value) -> Result<ssa::Applied> {
        let (schema, scope) = (&self.resource.schema, self.resource.scope(self.status));
        let who = self.identity(true);
        let last = last_applied::of(live).filter(|_| who.manager == "kubectl" && !self.status);
        let force = match &last {
            _ if self.options.force => Force::Everything,
            Some(last) => Force::Of(ssa::unchanged_since(schema, live, last)),
            None => Force::Nothing,
        };
        let mut applied = ssa::apply(schema, live, config, who, scope, &force)?;
        if last.is_some() {
            last_applied::renew(&mut applied.object, given);
        }
        Ok(applied)
    }

    fn apply_new(&mut self, config: &Value, given: &Value) -> Result<Outcome> {
        if self.status {
            return Err(Failure::not_found(self.resource.named(&self.name)));
        }
        if meta::name(given).is_empty() {
            return Err(Failure::bad_request(format!(
                "the name of the object ({} based on URL) was undeterminable: name must be provided",
                self.name
            )));
        }
        if !meta::text(config, "uid").is_empty() {
            let why = format!(
                "uid mismatch: the provided object specified uid {}, and no existing object was \
                 found",
                meta::text(config, "uid")
            );
            return Err(Failure::conflict(self.resource.named(&self.name), &why));
        }
        let mut blank = json!({"apiVersion": config["apiVersion"], "kind": config["kind"],
            "metadata": {"name": self.name}});
        if self.resource.namespaced {
            blank["metadata"]["namespace"] = json!(self.namespace);
        }
        let applied = ssa::apply(
            &self.resource.schema,
            &blank,
            &owned_part(config),
            self.identity(true),
            self.resource.scope(false),
            &Force::Everything,
        )?;
        let mut object = applied.object.clone();
        self.shape_up(&mut object, &[], Origin::Apply)?;
        let object = self.insert(object, Some(applied))?;
        Ok(Outcome { code: 201, object })
    }

    fn check_apply(&self, config: &mut Value) -> Result<()> {
        if !self.options.manager_given {
            let detail = "is required for apply patch";
            return Err(Failure::invalid(
                Named { group: "meta.k8s.io", what: "PatchOptions", name: "" },
                &[FieldError::required("fieldManager", detail)],
            ));
        }
        let text = |key: &str| config[key].as_str().unwrap_or_default().to_owned();
        let (version, kind) = (text("apiVersion"), text("kind"));
        if version != self.resource.api_version() || kind != self.resource.kind {
            let version = if version.is_empty() { "/" } else { &version };
            let what = format!("invalid object type: {version}, Kind={kind}");
            return Err(Failure::bad_request(what));
        }
        let space = meta::namespace(config).to_owned();
        self.check_kind(config)?;
        if !config["metadata"]["managedFields"].is_null() {
            return Err(Failure::bad_request("metadata.managedFields must be nil"));
        }
        let given = meta::name(config);
        if !given.is_empty() && given != self.name {
            return Err(Failure::bad_request(format!(
                "the name of the object ({given}) does not match the name on the URL ({})",
                self.name
            )));
        }
        if !space.is_empty() && space != self.namespace {
            return Err(Failure::bad_request(
                "the namespace of the provided object does not match the namespace sent on the \
                 request",
            ));
        }
        meta::metadata_mut(config).insert("name".to_owned(), json!(self.name));
        if self.resource.namespaced {
            meta::metadata_mut(config).insert("namespace".to_owned(), json!(self.namespace));
        }
        let errors = ssa::type_errors(&self.resource.schema, config);
        let errors = match errors.as_slice() {
            [] => return Ok(()),
            [one] => one.clone(),
            many => format!("errors:\n  {}", many.join("\n  ")),
        };
        Err(Failure::new(
            500,
            "",
            format!(
                "failed to create typed patch object ({space}/{}; {}/{}, Kind={}): {errors}",
                self.name, self.resource.group, self.resource.version, self.resource.kind,
            ),
        ))
    }
}

/// Applies a JSON patch, and says why it cannot as the real server does.
pub(super) fn operate(candidate: &mut Value, patch: &Value, body: &[u8]) -> Result<()> {
    // Tests compare numbers as they are written; decoding has made 1.0 an integer.
    let exact: Value = serde_json::from_slice(body).unwrap_or_default();
    apply_json(candidate, patch, &exact).map_err(|unfit| match unfit {
        Unfit::Malformed(why) => Failure::bad_request(format!("error decoding patch: {why}")),
        Unfit::Rejected => {
            let message = "the server rejected our request due to an error in our request";
            Failure::new(422, "Invalid", message).with_empty_details()
        }
    })
}

/// The configuration without what only states a precondition.
fn owned_part(config: &Value) -> Value {
    let mut config = config.clone();
    let metadata = meta::metadata_mut(&mut config);
    for key in ["resourceVersion", "uid", "creationTimestamp", "generation", "selfLink"] {
        metadata.shift_remove(key);
    }
    config
}

fn decode_apply(body: &[u8]) -> Result<Decoded> {
    let mut decoded = decode_yaml_or_json(body)?;
    if decoded.value.is_null() {
        decoded.value = json!({});
    }
    if !decoded.value.is_object() {
        return Err(Failure::bad_request(format!(
            "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot \
             unmarshal {} into Go value of type map[string]interface {{}}",
            json_sort(&decoded.value)
        )));
    }
    Ok(decoded)
}

fn decode_yaml_or_json(body: &[u8]) -> Result<Decoded> {
    let refuse = |error: &dyn std::fmt::Display| {
        Failure::bad_request(format!("error decoding YAML: error converting YAML to JSON: {error}"))
    };
    if body.trim_ascii_start().starts_with(b"{") {
        return decode::json(body).map_err(|error| refuse(&error));
    }
    let text = std::str::from_utf8(body).map_err(|error| refuse(&error))?;
    decode::yaml(text).map_err(|error| refuse(&error))
}
