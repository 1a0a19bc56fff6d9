//! Actions: one exchange each, in the contract's words.

use infrafabric_definition::Class;
use serde::de::{DeserializeOwned, Deserializer};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::Account;
use super::objects::Shown;
use crate::compile::{CompiledAction, Vars};
use crate::contract::parse::{Outputs, ParseError};
use crate::contract::{self, ActionContract, wish};
use crate::error::{AdapterError, scope_of};
use crate::journal::Journal;
use crate::pipeline::{Answer, Call, Effect, Inputs};

/// A wish for something that a provider does in one exchange.
pub trait Action: Serialize {
    /// What comes of it.
    type Given: DeserializeOwned;
    /// The contract's name.
    const NAME: &'static str;
}

/// What a question with many answers found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Found<T>(pub Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Found<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self)
    }
}

/// On whose behalf, and at what, an action is done.
#[derive(Clone, Copy)]
pub struct Act<'a> {
    /// The thing that it is aimed at; empty for actions that are aimed at none.
    pub id: &'a str,
    /// Where; the account's own region when empty.
    pub region: &'a str,
    /// The idempotency token of this attempt.
    pub token: &'a str,
    /// Whom to tell before and after.
    pub journal: &'a dyn Journal,
    /// Gets each piece of a result that comes in pieces, as it comes.
    pub pieces: Option<&'a Pieces<'a>>,
}

/// Takes the pieces of a stream. It is called between two reads of the connection: what it does for
/// long, the stream waits for.
pub type Pieces<'a> = dyn Fn(&str) + Send + Sync + 'a;

impl std::fmt::Debug for Act<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Act").field("id", &self.id).finish_non_exhaustive()
    }
}

impl<'a> Act<'a> {
    /// Aimed at nothing, in the account's own region.
    pub fn new(token: &'a str, journal: &'a dyn Journal) -> Self {
        Self { id: "", region: "", token, journal, pieces: None }
    }

    /// The same, aimed at a thing.
    #[must_use]
    pub fn at(self, id: &'a str) -> Self {
        Self { id, ..self }
    }

    /// The same, with somebody who takes the pieces.
    #[must_use]
    pub fn piecewise(self, pieces: &'a Pieces<'a>) -> Self {
        Self { pieces: Some(pieces), ..self }
    }
}

impl Account {
    /// Does one thing. An answer that was lost is looked up where the provider can be asked; what
    /// stays class `Unknown` is never repeated here unless the provider honours the token.
    ///
    /// # Errors
    /// Class `Invalid` or `Policy`, not sent, for a wish that the contract or the definition's rules
    /// refuse; `Unsupported` when the provider cannot.
    pub async fn act<A: Action>(&self, want: &A, act: Act<'_>) -> Result<A::Given, AdapterError> {
        let given = self.perform(A::NAME, &json!(want), act).await?;
        serde_json::from_value(given).map_err(|error| self.unreadable(A::NAME, error.into()))
    }

    /// The same in the contract's words, for who has no types: `want` and the result are maps by the
    /// names of the contract.
    pub async fn perform(
        &self,
        name: &str,
        want: &Json,
        act: Act<'_>,
    ) -> Result<Json, AdapterError> {
        let domain = self.definition.spec().domain;
        let known = contract::of(domain).action(name);
        let action = self.definition.actions.get(name).zip(known);
        let (action, known) = action.ok_or_else(|| self.cannot(name))?;
        let refused = |class, message| {
            let mut error = AdapterError::new(class, self.definition.name(), name, message);
            error.scope = scope_of(class);
            error
        };
        wish::check(domain, known.inputs, want)
            .map_err(|refusal| refused(refusal.class, refusal.message))?;
        self.hold_cards(name, &json!({"id": act.id}))?;
        if known.does.aim().is_some() && act.id.is_empty() {
            let kind = known.does.aim().unwrap_or_default();
            return Err(refused(Class::Invalid, format!("which {kind}? `id` is missing")));
        }
        let inputs = self.wished(known, want, act);
        self.hold_rules(name, action, &inputs)?;
        if known.many {
            return self.find((name, known), action, inputs).await;
        }
        let result = self.exchanged((name, known), action, inputs, act).await?;
        self.result(name, (action, known), &result)
    }

    /// What became of an action whose process died over it, by the definition's `resolve` read: the result
    /// if the provider shows one, none if it shows nothing or cannot be asked. What is none may have
    /// happened all the same; with a token that the provider honours, `perform` may be asked again.
    ///
    /// # Errors
    /// `Unsupported` when the provider has no such action; otherwise why it could not be asked.
    pub async fn became(
        &self,
        name: &str,
        want: &Json,
        act: Act<'_>,
    ) -> Result<Option<Json>, AdapterError> {
        let known = contract::of(self.definition.spec().domain).action(name);
        let action = self.definition.actions.get(name).zip(known);
        let (action, known) = action.ok_or_else(|| self.cannot(name))?;
        let Some(resolve) = action.call.resolve.as_deref() else { return Ok(None) };
        let inputs = self.wished(known, want, act);
        let answer = self.pipeline.asked_after(resolve, &inputs).await?;
        answer.map(|answer| self.result(name, (action, known), &answer)).transpose()
    }

    /// Everything that a call's templates see.
    fn wished(&self, known: &ActionContract, want: &Json, act: Act<'_>) -> Inputs {
        let aimed = known.does.aim().is_some();
        Inputs {
            want: if want.is_null() { json!({}) } else { want.clone() },
            id: aimed.then(|| act.id.to_owned()),
            token: Some(act.token.to_owned()),
            ..self.inputs(act.region)
        }
    }

    /// The definition's own rules: what it knows of the provider's limits.
    fn hold_rules(
        &self,
        name: &str,
        action: &CompiledAction,
        inputs: &Inputs,
    ) -> Result<(), AdapterError> {
        if action.rules.is_empty() {
            return Ok(());
        }
        let vars = self.pipeline.vars(inputs);
        let fail = |message: String| {
            AdapterError::new(Class::Invalid, self.definition.name(), name, message)
        };
        for (must, message) in &action.rules {
            let held = must.render(&vars).map_err(|error| {
                fail("a rule of the definition fails on this wish".to_owned()).because(error)
            })?;
            // What is absent cannot be wrong.
            if held == Some(Json::Bool(false)) {
                let said = message.render_text(&vars, ToOwned::to_owned).ok().flatten();
                let said = said.filter(|said| !said.is_empty());
                return Err(fail(
                    said.unwrap_or_else(|| "a rule of the definition refuses it".to_owned()),
                ));
            }
        }
        Ok(())
    }

    async fn exchanged(
        &self,
        (name, known): (&str, &'static ActionContract),
        action: &CompiledAction,
        inputs: Inputs,
        act: Act<'_>,
    ) -> Result<Answer, AdapterError> {
        // Success without what the contract needs is no success.
        let identity = |answer: &Answer| {
            let outputs = self.acted(action, answer).ok()?;
            outputs.json(known.outputs).ok()?;
            Some(outputs.id().unwrap_or_default())
        };
        let effect = known.does.is_effect().then_some(Effect {
            token: act.token,
            external_id: Some(act.id).filter(|id| !id.is_empty()),
            journal: act.journal,
            keyed: action.keyed,
            identity: Some(&identity),
            deletes: matches!(known.does, contract::Does::Remove(_)),
        });
        let piece = |event: &Json| {
            let (Some(pieces), Some(delta)) = (act.pieces, &action.delta) else { return };
            let mut vars = Vars::default();
            vars.set("event", event);
            if let Ok(Some(Json::String(text))) = delta.render(&vars)
                && !text.is_empty()
            {
                pieces(&text);
            }
        };
        let call = Call {
            name,
            operation: Some(&action.call),
            inputs,
            effect,
            events: (known.streams && act.pieces.is_some()).then_some(&piece),
        };
        self.pipeline.run(call).await
    }

    /// Everything that a question finds.
    async fn find(
        &self,
        (name, known): (&str, &'static ActionContract),
        action: &CompiledAction,
        inputs: Inputs,
    ) -> Result<Json, AdapterError> {
        let most = inputs.want["limit"].as_u64().and_then(|limit| usize::try_from(limit).ok());
        let most = most.unwrap_or(usize::MAX);
        let items = self.pipeline.list(name, Some(&action.call), inputs).await?;
        let each = items.into_iter().map(|item| {
            let vars = Shown::listed(item).vars();
            Outputs::render(&action.outputs, &vars)?.json(known.outputs)
        });
        let all: Result<Vec<Json>, ParseError> = each.collect();
        let mut all = all.map_err(|error| self.unreadable(name, error.into()))?;
        // Not every provider counts.
        all.truncate(most);
        Ok(Json::from(all))
    }

    fn acted(&self, action: &CompiledAction, answer: &Answer) -> Result<Outputs, ParseError> {
        let item = if answer.resolved {
            answer.body.clone()
        } else {
            self.item(&action.call, answer).unwrap_or(Json::Null)
        };
        Outputs::render(&action.outputs, &Shown { item, steps: answer.steps.clone() }.vars())
    }

    fn result(
        &self,
        name: &str,
        (action, known): (&CompiledAction, &'static ActionContract),
        answer: &Answer,
    ) -> Result<Json, AdapterError> {
        let outputs = self.acted(action, answer).and_then(|outputs| outputs.json(known.outputs));
        outputs.map_err(|error| self.unreadable(name, error.into()))
    }

    fn unreadable(
        &self,
        name: &str,
        error: Box<dyn std::error::Error + Send + Sync>,
    ) -> AdapterError {
        self.pipeline.odd(name, "success without what the contract needs").because(error)
    }

    fn cannot(&self, name: &str) -> AdapterError {
        let known: Vec<&str> = self.definition.actions.keys().map(String::as_str).collect();
        let there = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let provider = self.definition.name();
        let message = format!("{provider} has no action `{name}`; it has {there}");
        AdapterError::new(Class::Unsupported, provider, name, message)
    }
}
