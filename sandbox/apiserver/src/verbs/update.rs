//! Replacing objects: the way of PUT, and the last steps of every patch.

use std::sync::Arc;

use serde_json::{Value, json};

use super::admit::Origin;
use super::{Answer, Apart, Outcome, Verb};
use crate::controllers;
use crate::crd;
use crate::decode::Decoded;
use crate::kinds::{Builtin, rules};
use crate::meta;
use crate::render::view;
use crate::resource::Flavour;
use crate::ssa::{self, Applied};
use crate::status::{Failure, FieldError, Result};
use crate::store::{Expect, Refused, Stored, Write};

/// How a candidate came about, which decides who owns its fields.
pub(super) enum Tracking {
    /// An update or a plain patch.
    Update,
    /// A server-side apply, with the ownership it computed.
    Apply(Applied),
}

/// What a write attempt came to.
pub(super) enum Attempt {
    /// Written, or nothing to write.
    Done(Answer),
    /// Somebody else was faster.
    Stale,
}

impl Verb<'_> {
    /// Replaces the object by that of a body.
    pub(crate) fn update(&mut self, body: Decoded) -> Result<Outcome> {
        let mut object = body.value;
        self.check_kind(&mut object)?;
        let given = meta::name(&object);
        if given.is_empty() {
            return Err(Failure::bad_request(format!(
                "the name of the object ({} based on URL) was undeterminable: name must be provided",
                self.name
            )));
        }
        if given != self.name {
            return Err(Failure::bad_request(format!(
                "the name of the object ({given}) does not match the name on the URL ({})",
                self.name
            )));
        }
        let Some(stored) = self.api.stored(&self.resource, &self.namespace, &self.name) else {
            return self.create_by_update(object, &body.duplicates);
        };
        if meta::text(&object, "resourceVersion").is_empty() && self.needs_version() {
            let detail = "must be specified for an update";
            return Err(Failure::invalid(
                self.resource.named(&self.name),
                &[FieldError::invalid("metadata.resourceVersion", &json!(0), detail)],
            ));
        }
        self.place(&mut object)?;
        let live = view::of(&self.resource, &stored);
        let conflict = Failure::modified(self.resource.named(&self.name));
        self.refuse_stale(&stored, &object)?;
        self.shape_up(&mut object, &body.duplicates, Origin::Body)?;
        match self.replace(&stored, &live, object, Tracking::Update)? {
            Attempt::Done(object) => Ok(Outcome { code: 200, object }),
            Attempt::Stale => Err(conflict),
        }
    }

    /// Leases and events may be created by PUT; others may not.
    fn create_by_update(&mut self, mut object: Value, duplicates: &[String]) -> Result<Outcome> {
        let allowed = matches!(
            self.resource.flavour,
            Flavour::Builtin(Builtin::Lease | Builtin::CoreEvent | Builtin::Event)
        );
        if !allowed || self.status {
            return Err(Failure::not_found(self.resource.named(&self.name)));
        }
        self.place(&mut object)?;
        meta::metadata_mut(&mut object).shift_remove("resourceVersion");
        self.shape_up(&mut object, duplicates, Origin::Body)?;
        let object = self.insert(object, None)?;
        Ok(Outcome { code: 201, object })
    }

    fn needs_version(&self) -> bool {
        matches!(
            self.resource.flavour,
            Flavour::Custom | Flavour::Builtin(Builtin::Lease | Builtin::CustomResourceDefinition)
        )
    }

    /// A candidate that names another version or uid than the live object is out of date.
    pub(super) fn refuse_stale(&self, stored: &Stored, candidate: &Value) -> Result<()> {
        let named = self.resource.named(&self.name);
        let version = meta::text(candidate, "resourceVersion");
        if !version.is_empty() && version.parse::<u64>().is_err() {
            let why = format!("strconv.ParseUint: parsing {version:?}: invalid syntax");
            return Err(Failure::new(500, "", why));
        }
        if !version.is_empty() && version != "0" && version != stored.revision.to_string() {
            return Err(Failure::modified(named));
        }
        let uid = meta::text(candidate, "uid");
        if !uid.is_empty() && uid != stored.uid {
            let group = if self.resource.is_custom() {
                format!("{}/", self.resource.group)
            } else {
                String::new()
            };
            let why = format!(
                "StorageError: invalid object, Code: 4, Key: /registry/{group}{}/{}, \
                 ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in \
                 precondition: {uid}, UID in object meta: {}",
                self.resource.plural,
                self.key(),
                stored.uid
            );
            return Err(Failure::conflict(named, &why));
        }
        Ok(())
    }

    /// Completes a pruned and defaulted candidate, judges it, and writes it over `stored`.
    pub(super) fn replace(
        &mut self,
        stored: &Arc<Stored>,
        live: &Value,
        mut candidate: Value,
        tracking: Tracking,
    ) -> Result<Attempt> {
        self.keep_system_fields(live, &mut candidate);
        if self.resource.is(Builtin::Namespace) && self.apart != Apart::Finalize {
            candidate["spec"] = live["spec"].clone();
        }
        if let Flavour::Builtin(builtin) = self.resource.flavour {
            rules::prepare(builtin, &mut candidate, false);
            if builtin == Builtin::CustomResourceDefinition {
                crd::prepare(&mut candidate);
            }
        }
        if self.resource.has_generation() && self.meaning_changed(live, &candidate) {
            let next = meta::generation(live) + 1;
            meta::metadata_mut(&mut candidate).insert("generation".to_owned(), json!(next));
        }
        self.validate(&candidate, Some(live))?;
        match tracking {
            Tracking::Update => {
                let who = self.identity(false);
                let scope = self.resource.scope(self.status);
                let schema = &self.resource.schema;
                ssa::track_update(schema, Some(live), &mut candidate, &who, scope);
            }
            Tracking::Apply(applied) => applied.write_entries(Some(live), &mut candidate),
        }
        // What a read adds by defaults is written by the next write, even by one of no change.
        if candidate == *live && !view::is_completed(&self.resource, stored) {
            return Ok(Attempt::Done(Answer::Stored(Arc::clone(stored))));
        }
        if self.options.dry_run {
            return Ok(Attempt::Done(Answer::Shown(candidate)));
        }
        match self.write(stored, candidate) {
            Ok(object) => Ok(Attempt::Done(object)),
            Err(Refused::Stale) => Ok(Attempt::Stale),
            Err(Refused::Unwritten(why)) => Err(Failure::internal(why)),
        }
    }

    /// Commits; the removal of the last finalizer of a deleted object removes the object.
    pub(super) fn write(
        &self,
        stored: &Stored,
        candidate: Value,
    ) -> std::result::Result<Answer, Refused> {
        let gone = meta::is_deleting(&candidate)
            && meta::finalizers(&candidate).is_empty()
            && (!self.resource.is(Builtin::Namespace)
                || candidate["spec"]["finalizers"].as_array().is_none_or(Vec::is_empty));
        let answer = gone.then(|| candidate.clone());
        let object = view::to_storage(&self.resource, candidate);
        // Watchers see what was stored last, its finalizers too.
        let write = if gone { Write::Delete(stored.value()) } else { Write::Put(object) };
        let expect = Expect::Revision(stored.revision);
        let written = self.api.store.commit(
            &self.resource.table,
            &self.key(),
            expect,
            self.resource.epoch,
            write,
        )?;
        if gone {
            controllers::removed(self.api, &self.resource, &written);
        } else {
            controllers::changed(self.api, &self.resource, stored, &written);
        }
        // The last answer about an object still shows the version before.
        Ok(answer.map_or_else(|| Answer::Stored(written), Answer::Shown))
    }

    fn keep_system_fields(&self, live: &Value, candidate: &mut Value) {
        if self.resource.status && self.status {
            let mut kept = live.clone();
            let status = meta::remove(candidate, "status");
            let entries = candidate["metadata"]["managedFields"].take();
            match status {
                Some(status) => kept["status"] = status,
                None => {
                    meta::remove(&mut kept, "status");
                }
            }
            if !entries.is_null() {
                meta::metadata_mut(&mut kept).insert("managedFields".to_owned(), entries);
            }
            *candidate = kept;
        } else if self.resource.status {
            match live.get("status") {
                Some(status) => candidate["status"] = status.clone(),
                None => {
                    meta::remove(candidate, "status");
                }
            }
        }
        let metadata = meta::metadata_mut(candidate);
        for key in [
            "name",
            "namespace",
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
        ] {
            match live["metadata"].get(key) {
                Some(value) => metadata.insert(key.to_owned(), value.clone()),
                None => metadata.shift_remove(key),
            };
        }
    }

    /// Everything but metadata and a separate status counts.
    fn meaning_changed(&self, live: &Value, candidate: &Value) -> bool {
        let skip = |key: &str| {
            matches!(key, "metadata" | "apiVersion" | "kind")
                || self.resource.status && key == "status"
        };
        let (Some(old), Some(new)) = (live.as_object(), candidate.as_object()) else {
            return live != candidate;
        };
        old.keys().chain(new.keys()).any(|key| !skip(key) && old.get(key) != new.get(key))
    }
}
