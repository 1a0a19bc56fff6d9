//! Patches: JSON patch, merge patch, strategic merge patch, server-side apply.

use serde_json::{Value, json};

use super::admit::Origin;
use super::update::{Attempt, Tracking};
use super::{Outcome, Verb};
use crate::decode::{self, Decoded};
use crate::meta;
use crate::patch::strategic;
use crate::render::view;
use crate::ssa;
use crate::status::{Failure, FieldError, Named, Result};

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
            PatchKind::Strategic if self.resource.is_custom() => Err(Failure::unsupported_media(
                "the body of the request was in an unknown format - accepted media types \
                     include: application/json-patch+json, application/merge-patch+json, \
                     application/apply-patch+yaml",
            )),
            _ => self.patch_live(kind, body),
        }
    }

    fn patch_live(&mut self, kind: PatchKind, body: &[u8]) -> Result<Outcome> {
        let text = String::from_utf8_lossy(body);
        let patch = decode::json(body)
            .map_err(|error| Failure::bad_request(format!("error decoding patch: {error}")))?;
        for _ in 0..ATTEMPTS {
            let stored = self
                .api
                .stored(&self.resource, &self.namespace, &self.name)
                .ok_or_else(|| Failure::not_found(self.resource.named(&self.name)))?;
            let live = view::of(&self.resource, &stored);
            let mut candidate = self.patched(kind, &live, &patch)?;
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

    fn patched(&self, kind: PatchKind, live: &Value, patch: &Decoded) -> Result<Value> {
        let mut candidate = live.clone();
        match kind {
            PatchKind::Json => {
                let operations: json_patch::Patch = serde_json::from_value(patch.value.clone())
                    .map_err(|error| {
                        Failure::bad_request(format!("error decoding patch: {error}"))
                    })?;
                json_patch::patch(&mut candidate, &operations).map_err(|error| {
                    // A failed test and a missing path are both the client's stale picture.
                    tracing::debug!(%error, "JSON patch does not apply");
                    Failure::new(
                        422,
                        "Invalid",
                        "the server rejected our request due to an error in our request",
                    )
                })?;
            }
            PatchKind::Strategic => {
                candidate = strategic::patch(&self.resource.schema, &candidate, &patch.value)?;
            }
            PatchKind::Merge | PatchKind::Apply => {
                if !patch.value.is_object() {
                    return Err(Failure::bad_request("error decoding patch: not an object"));
                }
                json_patch::merge(&mut candidate, &patch.value);
            }
        }
        Ok(candidate)
    }

    fn check_patched(&mut self, live: &Value, candidate: &mut Value) -> Result<()> {
        self.check_kind(candidate)?;
        let changed = meta::name(candidate) != self.name
            || meta::namespace(candidate) != meta::namespace(live);
        if changed {
            return Err(Failure::bad_request(format!(
                "the name of the object ({}) does not match the name on the URL ({})",
                meta::name(candidate),
                self.name
            )));
        }
        Ok(())
    }

    fn apply(&mut self, body: &[u8]) -> Result<Outcome> {
        let decoded = decode_apply(body)?;
        let mut config = decoded.value;
        self.check_apply(&mut config, &decoded.duplicates)?;
        for _ in 0..ATTEMPTS {
            let Some(stored) = self.api.stored(&self.resource, &self.namespace, &self.name) else {
                return self.apply_new(&config);
            };
            self.refuse_stale(&stored, &config)?;
            let live = view::of(&self.resource, &stored);
            let applied = ssa::apply(
                &self.resource.schema,
                &live,
                &owned_part(&config),
                self.identity(true),
                self.resource.scope(self.status),
                self.options.force,
            )?;
            let mut candidate = applied.object.clone();
            self.shape_up(&mut candidate, &[], Origin::Apply)?;
            match self.replace(&stored, &live, candidate, Tracking::Apply(applied))? {
                Attempt::Done(object) => return Ok(Outcome { code: 200, object }),
                Attempt::Stale => self.warnings.clear(),
            }
        }
        Err(Failure::modified(self.resource.named(&self.name)))
    }

    fn apply_new(&mut self, config: &Value) -> Result<Outcome> {
        if self.status {
            return Err(Failure::not_found(self.resource.named(&self.name)));
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
            true,
        )?;
        let mut object = applied.object.clone();
        self.shape_up(&mut object, &[], Origin::Apply)?;
        let object = self.insert(object, Some(applied))?;
        Ok(Outcome { code: 201, object })
    }

    fn check_apply(&self, config: &mut Value, duplicates: &[String]) -> Result<()> {
        if self.options.manager.is_empty() {
            let detail = "is required for apply patch";
            return Err(Failure::invalid(
                Named { group: "meta.k8s.io", what: "PatchOptions", name: "" },
                &[FieldError::required("fieldManager", detail)],
            ));
        }
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
        let space = meta::namespace(config);
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
        let mut errors: Vec<String> =
            duplicates.iter().map(|path| format!(".{path}: duplicate field")).collect();
        errors.extend(ssa::type_errors(&self.resource.schema, config));
        if errors.is_empty() {
            return Ok(());
        }
        let place = if self.namespace.is_empty() { "" } else { "/" };
        Err(Failure::new(
            500,
            "",
            format!(
                "failed to create typed patch object ({}{place}{}; {}, Kind={}): {}",
                self.namespace,
                self.name,
                self.resource.api_version(),
                self.resource.kind,
                errors.join("; ")
            ),
        ))
    }
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
    let refuse = |error: &dyn std::fmt::Display| {
        Failure::bad_request(format!("error decoding YAML: {error}"))
    };
    if body.trim_ascii_start().starts_with(b"{") {
        return decode::json(body).map_err(|error| refuse(&error));
    }
    let text = std::str::from_utf8(body).map_err(|error| refuse(&error))?;
    decode::yaml(text).map_err(|error| refuse(&error))
}
