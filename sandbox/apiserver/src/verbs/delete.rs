//! Deleting one object, or all that a selector chooses.

use serde_json::{Value, json};

use super::options::Propagation;
use super::{DeleteOptions, ListOptions, Verb};
use crate::clock;
use crate::controllers;
use crate::crd;
use crate::kinds::Builtin;
use crate::meta;
use crate::render::view;
use crate::status::{Failure, Result};
use crate::store::{Expect, Refused, Stored, Write};

/// The finalizer that keeps an owner until its dependents are gone.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer that keeps an owner until its dependents have forgotten it.
pub(crate) const ORPHAN: &str = "orphan";
const ATTEMPTS: usize = 16;

/// What a deletion answers.
#[derive(Debug)]
pub(crate) enum Deleted {
    /// The object is gone; a `Status` says so.
    Gone(Value),
    /// Something still holds it; this is how it stands now.
    Marked(Value),
}

impl Verb<'_> {
    /// Deletes the object, or marks it when finalizers hold it.
    pub(crate) fn delete(&mut self, options: &DeleteOptions) -> Result<Deleted> {
        for _ in 0..ATTEMPTS {
            let stored = self
                .api
                .stored(&self.resource, &self.namespace, &self.name)
                .ok_or_else(|| Failure::not_found(self.resource.named(&self.name)))?;
            self.check_preconditions(&stored, options)?;
            if self.resource.is(Builtin::Namespace)
                && matches!(&*self.name, "default" | "kube-system")
            {
                return Err(Failure::forbidden(
                    self.resource.named(&self.name),
                    "this namespace may not be deleted",
                ));
            }
            let live = view::of(&self.resource, &stored);
            let next = self.marked(&live, options.propagation);
            let held = self.is_held(&next);
            if options.dry_run {
                return Ok(if held {
                    Deleted::Marked(next)
                } else {
                    Deleted::Gone(self.gone(&stored))
                });
            }
            if held {
                if meta::is_deleting(&live) && next == live {
                    return Ok(Deleted::Marked(live));
                }
                match self.write(&stored, next) {
                    Ok(answer) => return Ok(Deleted::Marked(answer.value(&self.resource))),
                    Err(Refused::Stale) => {}
                    Err(Refused::Unwritten(why)) => return Err(Failure::internal(why)),
                }
            } else {
                match self.remove(&stored, live) {
                    // A service account is shown once more.
                    Ok(()) if self.resource.is(Builtin::ServiceAccount) => {
                        return Ok(Deleted::Marked(view::of(&self.resource, &stored)));
                    }
                    Ok(()) => return Ok(Deleted::Gone(self.gone(&stored))),
                    Err(Refused::Stale) => {}
                    Err(Refused::Unwritten(why)) => return Err(Failure::internal(why)),
                }
            }
        }
        Err(Failure::modified(self.resource.named(&self.name)))
    }

    fn remove(&self, stored: &Stored, live: Value) -> std::result::Result<(), Refused> {
        let removed = self.api.store.commit(
            &self.resource.table,
            &self.key(),
            Expect::Revision(stored.revision),
            self.resource.epoch,
            Write::Delete(view::to_storage(&self.resource, live)),
        )?;
        controllers::removed(self.api, &self.resource, &removed);
        Ok(())
    }

    fn is_held(&self, object: &Value) -> bool {
        !meta::finalizers(object).is_empty() || self.resource.is(Builtin::Namespace)
    }

    /// The object as a deletion leaves it while something holds it.
    fn marked(&self, live: &Value, propagation: Propagation) -> Value {
        let mut next = live.clone();
        let waits = match propagation {
            Propagation::Foreground => Some(FOREGROUND),
            Propagation::Orphan => Some(ORPHAN),
            Propagation::Background => None,
        };
        if let Some(waits) = waits
            && !meta::finalizers(live).contains(&waits)
        {
            let list =
                meta::metadata_mut(&mut next).entry("finalizers").or_insert_with(|| json!([]));
            if let Some(list) = list.as_array_mut() {
                list.push(json!(waits));
            }
        }
        if self.resource.is(Builtin::CustomResourceDefinition) {
            crd::mark_terminating(&mut next);
        }
        if meta::is_deleting(live) {
            return next;
        }
        let has_generation = self.resource.has_generation();
        let generation = meta::generation(live) + 1;
        let metadata = meta::metadata_mut(&mut next);
        metadata.insert("deletionTimestamp".to_owned(), json!(clock::timestamp()));
        let definition = self.resource.is(Builtin::CustomResourceDefinition);
        if !definition {
            metadata.insert("deletionGracePeriodSeconds".to_owned(), json!(0));
        }
        if has_generation && !definition {
            metadata.insert("generation".to_owned(), json!(generation));
        }
        if self.resource.is(Builtin::Namespace) {
            metadata.shift_remove("deletionGracePeriodSeconds");
            next["status"]["phase"] = json!("Terminating");
        }
        next
    }

    fn check_preconditions(&self, stored: &Stored, options: &DeleteOptions) -> Result<()> {
        let named = self.resource.kind_named(&self.name);
        if self.resource.is(Builtin::Namespace) {
            return self.check_namespace_preconditions(stored, options);
        }
        if let Some(uid) = options.uid.as_deref().filter(|uid| *uid != stored.uid) {
            return Err(Failure::conflict(
                named,
                &format!(
                    "the UID in the precondition ({uid}) does not match the UID in record ({}). \
                     The object might have been deleted and then recreated",
                    stored.uid
                ),
            ));
        }
        let current = stored.revision.to_string();
        if let Some(version) = options.resource_version.as_deref().filter(|v| *v != current) {
            return Err(Failure::conflict(
                named,
                &format!(
                    "the ResourceVersion in the precondition ({version}) does not match the \
                     ResourceVersion in record ({current}). The object might have been modified"
                ),
            ));
        }
        Ok(())
    }

    /// Namespaces say it in words of their own.
    fn check_namespace_preconditions(
        &self,
        stored: &Stored,
        options: &DeleteOptions,
    ) -> Result<()> {
        let version = stored.revision.to_string();
        for (what, asked, found) in [
            ("UID", &options.uid, &stored.uid),
            ("ResourceVersion", &options.resource_version, &version),
        ] {
            if let Some(asked) = asked.as_ref().filter(|asked| *asked != found) {
                let why = format!(
                    "Precondition failed: {what} in precondition: {asked}, {what} in object meta: \
                     {found}"
                );
                return Err(Failure::conflict(self.resource.named(&self.name), &why));
            }
        }
        Ok(())
    }

    fn gone(&self, stored: &Stored) -> Value {
        let mut details = json!({"name": self.name, "kind": self.resource.plural,
            "uid": stored.uid});
        if !self.resource.group.is_empty() {
            details["group"] = json!(self.resource.group);
        }
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": details})
    }

    /// Deletes everything that the selectors choose; answers with the list of them.
    pub(crate) fn delete_collection(
        &mut self,
        options: &DeleteOptions,
        list: &ListOptions,
    ) -> Result<Value> {
        let (chosen, revision) = self.choose(list)?;
        let mut items = Vec::new();
        for (_, stored) in chosen {
            let object = view::of(&self.resource, &stored);
            meta::name(&object).clone_into(&mut self.name);
            meta::namespace(&object).clone_into(&mut self.namespace);
            match self.delete(options) {
                Ok(_) => items.push(object),
                Err(failure) if failure.code() == 404 => {}
                Err(failure) => return Err(failure),
            }
        }
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if self.resource.is_custom() {
            metadata["continue"] = json!("");
        } else {
            for item in &mut items {
                meta::remove(item, "kind");
                meta::remove(item, "apiVersion");
            }
        }
        Ok(json!({"kind": self.resource.list_kind, "apiVersion": self.resource.api_version(),
            "metadata": metadata, "items": items}))
    }
}
