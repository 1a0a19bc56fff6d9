//! Creating objects.

use serde_json::{Value, json};

use super::admit::Origin;
use super::{Answer, Outcome, Verb};
use crate::api::NAMESPACES;
use crate::clock;
use crate::controllers;
use crate::crd;
use crate::decode::Decoded;
use crate::kinds::{Builtin, rules};
use crate::meta::{self, names};
use crate::render::view;
use crate::resource::Flavour;
use crate::schema::{self, cel};
use crate::ssa::{self, Applied};
use crate::status::{Failure, FieldError, Result};
use crate::store::{Expect, Refused, Write};

/// How often a generated name that is taken is generated anew.
const ATTEMPTS: usize = 8;

impl Verb<'_> {
    /// Creates the object of a body.
    pub(crate) fn create(&mut self, body: Decoded) -> Result<Outcome> {
        let mut object = body.value;
        self.check_kind(&mut object)?;
        if self.resource.is_review() {
            return self.review(object);
        }
        self.place(&mut object)?;
        if !meta::text(&object, "resourceVersion").is_empty() {
            return Err(Failure::new(
                500,
                "",
                "resourceVersion should not be set on objects to be created",
            ));
        }
        self.shape_up(&mut object, &body.duplicates, Origin::Body)?;
        let object = self.insert(object, None)?;
        Ok(Outcome { code: 201, object })
    }

    /// Settles namespace and name of a new object.
    pub(super) fn place(&mut self, object: &mut Value) -> Result<()> {
        let given = meta::namespace(object).to_owned();
        let metadata = meta::metadata_mut(object);
        if self.resource.namespaced {
            if !given.is_empty() && given != self.namespace {
                return Err(Failure::bad_request(
                    "the namespace of the provided object does not match the namespace sent on \
                     the request",
                ));
            }
            metadata.insert("namespace".to_owned(), json!(self.namespace));
        } else {
            metadata.shift_remove("namespace");
        }
        if self.name.is_empty() {
            meta::name(object).clone_into(&mut self.name);
        }
        let base = meta::text(object, "generateName").to_owned();
        if self.name.is_empty() && base.is_empty() {
            let detail = "name or generateName is required";
            let mut errors = vec![FieldError::required("metadata.name", detail)];
            if self.resource.schema.any_rules {
                errors.extend(cel::unchecked(&errors));
            }
            return Err(Failure::invalid(self.resource.kind_named(""), &errors));
        }
        Ok(())
    }

    /// Stores a new object that is already pruned and defaulted.
    pub(super) fn insert(&mut self, mut object: Value, applied: Option<Applied>) -> Result<Answer> {
        self.check_namespace(&object)?;
        if self.resource.terminating {
            return Err(Failure::forbidden(
                self.resource.named(&self.name),
                "create not allowed while custom resource definition is terminating",
            ));
        }
        let base = meta::text(&object, "generateName").to_owned();
        let generated = self.name.is_empty();
        self.prepare_new(&mut object);
        let mut applied = applied;
        for attempt in 0.. {
            if generated {
                self.name = names::generate(&base);
            }
            let mut candidate = object.clone();
            meta::metadata_mut(&mut candidate).insert("name".to_owned(), json!(self.name));
            if let Flavour::Builtin(builtin) = self.resource.flavour {
                rules::prepare(builtin, &mut candidate, true);
                if builtin == Builtin::CustomResourceDefinition {
                    crd::prepare(&mut candidate);
                }
            }
            self.validate(&candidate, None)?;
            if let Some(applied) = applied.take() {
                applied.write_entries(None, &mut candidate);
            } else {
                let who = self.identity(false);
                let scope = self.resource.scope(false);
                ssa::track_update(&self.resource.schema, None, &mut candidate, &who, scope);
            }
            match self.commit_new(candidate) {
                Err(failure) if failure.reason() == "AlreadyExists" && generated => {
                    if attempt >= ATTEMPTS {
                        return Err(failure);
                    }
                }
                done => return done,
            }
        }
        Err(Failure::internal("no name could be generated"))
    }

    fn commit_new(&self, object: Value) -> Result<Answer> {
        let key = self.key();
        if self.options.dry_run {
            if self.api.store.get(&self.resource.table, &key).is_some() {
                return Err(Failure::already_exists(self.resource.named(&self.name)));
            }
            return Ok(Answer::Shown(object));
        }
        let object = view::to_storage(&self.resource, object);
        let write = if self.fresh { Write::PutFresh(object) } else { Write::Put(object) };
        let stored = self
            .api
            .store
            .commit(&self.resource.table, &key, Expect::Absent, self.resource.epoch, write)
            .map_err(|refused| match refused {
                Refused::Stale => self.taken(),
                Refused::Unwritten(why) => Failure::internal(why),
            })?;
        controllers::created(self.api, &self.resource, &self.namespace, &self.name, &stored);
        Ok(Answer::Stored(stored))
    }

    /// The name is another object's.
    fn taken(&self) -> Failure {
        let named = self.resource.named(&self.name);
        let live = self.api.stored(&self.resource, &self.namespace, &self.name);
        if live.is_some_and(|live| live.deleting) {
            Failure::still_exists(named)
        } else {
            Failure::already_exists(named)
        }
    }

    /// New content needs a living namespace.
    fn check_namespace(&self, object: &Value) -> Result<()> {
        if !self.resource.namespaced {
            return Ok(());
        }
        let Some(namespace) = self.api.store.get(NAMESPACES, &self.namespace) else {
            let namespaces = self.api.builtin(Builtin::Namespace);
            return Err(Failure::not_found(namespaces.named(&self.namespace)));
        };
        if namespace.deleting {
            let named = self.resource.named(meta::name(object));
            return Err(Failure::namespace_terminating(named, &self.namespace));
        }
        Ok(())
    }

    fn prepare_new(&mut self, object: &mut Value) {
        if self.resource.status && self.resource.is_custom() {
            meta::remove(object, "status");
        }
        // A default of the whole status object is shown at once, but not written.
        schema::apply_defaults_keeping_nulls(&self.resource.schema, object);
        if self.resource.status && self.resource.is_custom() {
            self.fresh = !object["status"].is_null();
        }
        let has_generation = self.resource.has_generation();
        let metadata = meta::metadata_mut(object);
        for key in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"] {
            metadata.shift_remove(key);
        }
        metadata.insert("uid".to_owned(), json!(uuid::Uuid::new_v4().to_string()));
        metadata.insert("creationTimestamp".to_owned(), json!(clock::timestamp()));
        if has_generation {
            metadata.insert("generation".to_owned(), json!(1));
        }
    }
}
