//! The calls that every kind of object has, and the parts that some are made of.

use infrafabric_definition::Class;
use serde_json::{Map, Value as Json};

use super::Account;
use crate::compile::{CompiledObject, CompiledOperation, Vars};
use crate::contract::parse::{Outputs, ParseError};
use crate::contract::wish;
use crate::error::AdapterError;
use crate::journal::{Journal, JournalError};
use crate::pipeline::{Answer, Call, Effect, Inputs};

/// A thing as an answer shows it, with what the reads before it gave.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) item: Json,
    pub(super) steps: Json,
}

impl Shown {
    /// One of a list, before which nothing else is read.
    pub(super) fn listed(item: Json) -> Self {
        Self { item, steps: Json::Object(Map::new()) }
    }

    /// The variables of the outputs.
    pub(super) fn vars(&self) -> Vars {
        let mut vars = Vars::default();
        vars.set("item", &self.item);
        vars.set("steps", &self.steps);
        vars
    }
}

/// What a thing is made from, whatever its kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<'a> {
    pub(super) kind: &'static str,
    pub(super) name: &'a str,
    pub(super) region: &'a str,
    pub(super) want: &'a Json,
}

/// On whose behalf the world is changed.
#[derive(Clone, Copy)]
pub(super) struct Deed<'a> {
    pub(super) token: &'a str,
    pub(super) journal: &'a dyn Journal,
}

impl Account {
    /// The outputs of a thing.
    pub(super) fn outputs(&self, kind: &str, shown: &Shown) -> Result<Outputs, ParseError> {
        let spec = self.object(kind).ok_or(ParseError::Required("id"))?;
        Outputs::render(&spec.outputs, &shown.vars())
    }

    pub(super) fn object(&self, kind: &str) -> Option<&CompiledObject> {
        self.definition.objects.get(kind)
    }

    /// Makes a thing, after its parts.
    pub(super) async fn make(&self, wish: Wish<'_>, deed: Deed<'_>) -> Result<Shown, AdapterError> {
        self.hold_cards(&format!("{}.create", wish.kind), wish.want)?;
        self.hold_machines(wish.kind, wish.want)?;
        let spec = self.object(wish.kind);
        let operation = spec.and_then(|spec| spec.create.as_ref());
        let mut inputs = Inputs {
            want: wish.want.clone(),
            token: Some(deed.token.to_owned()),
            ..self.inputs(wish.region)
        };
        let parts = Box::pin(self.make_parts(wish, deed, &mut inputs)).await?;
        let keyed = spec.is_some_and(|spec| spec.keyed)
            && operation.is_some_and(CompiledOperation::repeatable);
        let shown = |answer: &Answer| -> Option<Shown> {
            let item = self.item(operation?, answer)?;
            Some(Shown { item, steps: answer.steps.clone() })
        };
        let identity = |answer: &Answer| self.outputs(wish.kind, &shown(answer)?).ok()?.id();
        let effect = Effect {
            token: deed.token,
            external_id: None,
            journal: deed.journal,
            keyed,
            identity: Some(&identity),
            deletes: false,
        };
        let name = format!("{}.create", wish.kind);
        let call = Call { name: &name, operation, inputs, effect: Some(effect), events: None };
        match self.pipeline.run(call).await {
            // The pipeline takes no success without an identity.
            Ok(answer) => Ok(shown(&answer).unwrap_or_else(|| Shown::listed(Json::Null))),
            Err(error) if parts => Err(Box::pin(self.undone(wish, deed, error)).await),
            Err(error) => Err(error),
        }
    }

    /// One thing; `None` when it is gone.
    pub(super) async fn show(
        &self,
        kind: &str,
        (id, region): (&str, &str),
    ) -> Result<Option<Shown>, AdapterError> {
        let name = format!("{kind}.read");
        let operation = self.object(kind).and_then(|spec| spec.read.as_ref());
        let inputs = Inputs { id: Some(id.to_owned()), ..self.inputs(region) };
        let answer = match self
            .pipeline
            .run(Call { name: &name, operation, inputs, effect: None, events: None })
            .await
        {
            Ok(answer) => answer,
            Err(error) if error.class == Class::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // Who takes success without the thing for its absence would make it again.
        let odd = || self.pipeline.odd(&name, &format!("success without the {kind}"));
        let item = operation.and_then(|op| self.item(op, &answer)).ok_or_else(odd)?;
        Ok(Some(Shown { item, steps: answer.steps }))
    }

    /// Everything of a kind that a list shows.
    pub(super) async fn all(
        &self,
        kind: &str,
        (mark, region): (&str, &str),
    ) -> Result<Vec<Shown>, AdapterError> {
        let inputs = Inputs { mark: Some(mark.to_owned()), ..self.inputs(region) };
        let operation = self.object(kind).and_then(|spec| spec.list.as_ref());
        let items = self.pipeline.list(&format!("{kind}.list"), operation, inputs).await?;
        Ok(items.into_iter().map(Shown::listed).collect())
    }

    /// Deletes a thing and then its parts, the last one first; what is gone already is a success.
    pub(super) async fn remove(
        &self,
        kind: &str,
        place: (&str, &str),
        deed: Deed<'_>,
    ) -> Result<(), AdapterError> {
        self.named(&format!("{kind}.delete"), place.0)?;
        let spec = self.object(kind);
        if spec.is_some_and(|spec| spec.children.iter().any(|child| child.outlives)) {
            Box::pin(self.clear_children(kind, place, deed)).await?;
        }
        let operation = spec.and_then(|spec| spec.delete.as_ref());
        self.change(&format!("{kind}.delete"), operation, place, None, deed).await?;
        for part in spec.map_or(&[][..], |spec| &spec.parts).iter().rev() {
            if let Some(delete) = &part.delete {
                self.change(&delete.name, Some(delete), place, None, deed).await?;
            }
        }
        Ok(())
    }

    /// Does something with a thing: deletes it, or `want` is what is to become of it.
    pub(super) async fn change(
        &self,
        name: &str,
        operation: Option<&CompiledOperation>,
        (id, region): (&str, &str),
        want: Option<Json>,
        deed: Deed<'_>,
    ) -> Result<(), AdapterError> {
        self.named(name, id)?;
        let deletes = want.is_none();
        let inputs = Inputs {
            id: Some(id.to_owned()),
            token: Some(deed.token.to_owned()),
            want: want.unwrap_or_default(),
            ..self.inputs(region)
        };
        let effect = Effect {
            token: deed.token,
            external_id: Some(id),
            journal: deed.journal,
            keyed: !deletes && operation.is_some_and(CompiledOperation::repeatable),
            identity: None,
            deletes,
        };
        let call = Call { name, operation, inputs, effect: Some(effect), events: None };
        self.pipeline.run(call).await.map(drop)
    }

    /// Refuses what could be a card's number.
    pub(super) fn hold_cards(&self, name: &str, want: &Json) -> Result<(), AdapterError> {
        wish::hold_cards(self.definition.spec().domain, want).map_err(|refusal| {
            let provider = self.definition.name();
            AdapterError::new(refusal.class, provider, name, refusal.message)
        })
    }

    /// Refuses machines that nothing would put behind the thing: who asked for them believes them safe.
    pub(super) fn hold_machines(&self, kind: &str, want: &Json) -> Result<(), AdapterError> {
        let some = want["machines"].as_array().is_some_and(|machines| !machines.is_empty());
        if !some || self.object(kind).is_none_or(CompiledObject::takes_machines) {
            return Ok(());
        }
        let provider = self.definition.name();
        let message = format!("{provider} puts no machines behind a {kind} here: leave them out");
        Err(AdapterError::new(Class::Unsupported, provider, kind, message))
    }

    /// Refuses an effect on nothing: without an identity a path or a filter may mean everything.
    pub(super) fn named(&self, name: &str, id: &str) -> Result<(), AdapterError> {
        if !id.is_empty() {
            return Ok(());
        }
        let message = "which one? its identity is empty";
        Err(AdapterError::new(Class::Invalid, self.definition.name(), name, message))
    }

    /// Makes what must be there before the thing; whether there is such a thing.
    async fn make_parts(
        &self,
        wish: Wish<'_>,
        deed: Deed<'_>,
        inputs: &mut Inputs,
    ) -> Result<bool, AdapterError> {
        let spec = self.object(wish.kind).filter(|spec| !spec.parts.is_empty());
        let Some(spec) = spec else { return Ok(false) };
        let identity = |_: &Answer| Some(wish.name.to_owned());
        let mut made = Map::new();
        for part in &spec.parts {
            let mut inputs = inputs.clone();
            inputs.before.push(("parts", Json::Object(made.clone())));
            let create = &part.create;
            let effect = Effect {
                token: deed.token,
                external_id: None,
                journal: deed.journal,
                keyed: create.repeatable(),
                identity: Some(&identity),
                deletes: false,
            };
            let call = Call {
                name: &create.name,
                operation: Some(create),
                inputs,
                effect: Some(effect),
                events: None,
            };
            match self.pipeline.run(call).await {
                Ok(answer) => {
                    let item = self.item(create, &answer).unwrap_or(Json::Null);
                    made.insert(part.name.clone(), item);
                }
                Err(error) if made.is_empty() => return Err(error),
                Err(error) => return Err(Box::pin(self.undone(wish, deed, error)).await),
            }
        }
        inputs.before.push(("parts", Json::Object(made)));
        Ok(true)
    }

    /// Removes what a creation that failed left behind. Nothing is touched while its outcome is not
    /// known, or when the caller's journal stopped it.
    async fn undone(
        &self,
        wish: Wish<'_>,
        deed: Deed<'_>,
        mut error: AdapterError,
    ) -> AdapterError {
        let source = error.source.as_ref();
        if error.class == Class::Unknown || source.is_some_and(|source| source.is::<JournalError>())
        {
            return error;
        }
        // What has parts is addressed by its name.
        let undo = self.remove(wish.kind, (wish.name, wish.region), deed).await;
        if let Err(left) = undo {
            // The failure's own class would let the caller go on, and forget what is left.
            error.message =
                format!("{}; and what it left is not removed yet: {left}", error.message);
            error.class = Class::Unknown;
        }
        error
    }

    pub(super) fn item(&self, operation: &CompiledOperation, answer: &Answer) -> Option<Json> {
        match &operation.item {
            Some(template) => self.pipeline.evaluate(&operation.name, template, answer).ok()?,
            None => Some(answer.body.clone()),
        }
    }
}
