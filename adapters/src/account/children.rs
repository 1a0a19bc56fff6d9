//! What a thing holds: read, and made and removed until it is what is wanted.

use std::collections::HashSet;

use infrafabric_definition::Class;
use serde_json::{Value as Json, json};

use super::Account;
use super::actions::Act;
use super::objects::Deed;
use crate::compile::{CompiledChild, CompiledOperation, EvaluationError, Template, Vars, plain};
use crate::contract::Kept;
use crate::error::AdapterError;
use crate::pipeline::{Call, Effect, Inputs};

/// What was done until a thing held what is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// How many were made.
    pub made: usize,
    /// How many were removed.
    pub removed: usize,
}

impl Account {
    /// Makes a thing hold what is wanted of it. What is there is read first, so that asking again after
    /// any failure goes on where it ended; nothing is done when nothing differs.
    ///
    /// # Errors
    /// The first that fails ends it. After class `Unknown` it is asked again: what happened is seen then.
    pub async fn settle<T: Kept>(
        &self,
        want: &T::Want,
        act: Act<'_>,
    ) -> Result<Settled, AdapterError> {
        let children = self.object(T::KIND).map_or(&[][..], |spec| &spec.children);
        let want = json!(want);
        self.named(T::KIND, act.id)?;
        self.hold_cards(T::KIND, &want)?;
        self.hold_machines(T::KIND, &want)?;
        let mut settled = Settled::default();
        for child in children {
            let done = self.settle_child(child, &want, act).await?;
            settled.made += done.made;
            settled.removed += done.removed;
        }
        Ok(settled)
    }

    /// Whether things of a kind hold others.
    pub fn holds<T: Kept>(&self) -> bool {
        self.object(T::KIND).is_some_and(|spec| !spec.children.is_empty())
    }

    /// Removes what would stay when a thing goes.
    pub(super) async fn clear_children(
        &self,
        kind: &str,
        (id, region): (&str, &str),
        deed: Deed<'_>,
    ) -> Result<(), AdapterError> {
        let children = self.object(kind).map_or(&[][..], |spec| &spec.children);
        for child in children.iter().filter(|child| child.outlives) {
            let inputs = || Inputs { id: Some(id.to_owned()), ..self.inputs(region) };
            let there = self.pipeline.list(&child.list.name, Some(&child.list), inputs()).await;
            let there = match there {
                Ok(there) => there,
                // Nothing is held by what is gone.
                Err(error) if error.class == Class::NotFound => continue,
                Err(error) => return Err(error),
            };
            let act = Act { id, region, ..Act::new(deed.token, deed.journal) };
            for (key, one) in self.keyed(child, "item", &child.same, there)? {
                self.child_effect(&child.delete, (inputs(), "item", one), &key, act).await?;
            }
        }
        Ok(())
    }

    async fn settle_child(
        &self,
        child: &CompiledChild,
        want: &Json,
        act: Act<'_>,
    ) -> Result<Settled, AdapterError> {
        let inputs = || Inputs {
            want: want.clone(),
            id: Some(act.id.to_owned()),
            ..self.inputs(act.region)
        };
        let there = self.pipeline.list(&child.list.name, Some(&child.list), inputs()).await?;
        let mut there = self.keyed(child, "item", &child.same, there)?;
        let mut vars = Vars::default();
        vars.set("want", want);
        let wanted = child.of.render(&vars).map_err(|error| self.odd_child(child, error))?;
        let wanted = match wanted {
            Some(Json::Array(wanted)) => wanted,
            _ => Vec::new(),
        };
        let mut missing = Vec::new();
        let mut seen = HashSet::new();
        for (key, one) in self.keyed(child, "child", &child.key, wanted)? {
            // What is wanted twice is made once.
            if !seen.insert(key.clone()) {
                continue;
            }
            match there.iter().position(|(known, _)| *known == key) {
                Some(at) => drop(there.remove(at)),
                None => missing.push((key, one)),
            }
        }
        let settled = Settled { made: missing.len(), removed: there.len() };
        // New ones first: what routes calls is never without a way in between.
        for (key, one) in missing {
            self.child_effect(&child.create, (inputs(), "child", one), &key, act).await?;
        }
        for (key, one) in there {
            self.child_effect(&child.delete, (inputs(), "item", one), &key, act).await?;
        }
        Ok(settled)
    }

    async fn child_effect(
        &self,
        operation: &CompiledOperation,
        (mut inputs, name, one): (Inputs, &'static str, Json),
        key: &str,
        act: Act<'_>,
    ) -> Result<(), AdapterError> {
        // Each has a token of its own, the same whenever it is tried for the same end.
        let token = format!("{} {} {key}", act.token, operation.name);
        inputs.token = Some(token.clone());
        inputs.before.push((name, one));
        let effect = Effect {
            token: &token,
            external_id: Some(act.id),
            journal: act.journal,
            keyed: operation.sends_token(),
            identity: None,
            deletes: name == "item",
        };
        let call = Call {
            name: &operation.name,
            operation: Some(operation),
            inputs,
            effect: Some(effect),
            events: None,
        };
        self.pipeline.run(call).await.map(drop)
    }

    /// Each with what tells it from others.
    fn keyed(
        &self,
        child: &CompiledChild,
        name: &str,
        key: &Template,
        all: Vec<Json>,
    ) -> Result<Vec<(String, Json)>, AdapterError> {
        let keyed = all.into_iter().map(|one| {
            let mut vars = Vars::default();
            vars.set(name, &one);
            let key = key.render(&vars).map_err(|error| self.odd_child(child, error))?;
            Ok((key.map(|key| plain(&key)).unwrap_or_default(), one))
        });
        keyed.collect()
    }

    fn odd_child(&self, child: &CompiledChild, error: EvaluationError) -> AdapterError {
        let message = "what it holds does not fit the definition's expression";
        AdapterError::new(Class::Invalid, self.definition.name(), &child.list.name, message)
            .because(error)
    }
}
