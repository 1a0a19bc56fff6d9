//! One request to a simulated provider, from its arrival to what goes out.

use chrono::{DateTime, Utc};
use infrafabric_adapters::compile::{CompiledAnswer, CompiledOperation};
use infrafabric_definition::{AnswerFormat, Class};

use crate::answer::{Answer, Failure};
use crate::auth::{Authenticated, anybody, authenticate, hide, take_path_token};
use crate::capture::Captures;
use crate::ledger::Unmatched;
use crate::plan::{Outgoing, Plan};
use crate::provider::{Account, Provider};
use crate::received::Received;
use crate::route::{Route, Target, Verb};
use crate::server::Shared;
use crate::vars;
use crate::{actions, beside, children, objects};

/// Everything that carrying out a request needs.
pub(crate) struct Call<'a> {
    pub(crate) world: &'a Shared,
    pub(crate) provider: &'a Provider,
    pub(crate) operation: &'a CompiledOperation,
    pub(crate) received: &'a Received,
    pub(crate) account: &'a Account,
    pub(crate) captures: Captures,
    pub(crate) region: Option<String>,
    pub(crate) plan: &'a Plan,
    pub(crate) now: DateTime<Utc>,
}

/// An answer, and the ledger's number of the effect behind it.
pub(crate) type Done = (Answer, Option<u64>);

/// Answers a request; nothing means that the connection closes.
pub(crate) async fn exchange(
    world: &Shared,
    provider: &Provider,
    mut received: Received,
) -> Outgoing {
    if !world.latency.is_zero() {
        tokio::time::sleep(world.latency).await;
    }
    let now = world.clock.now();
    take_path_token(provider, &mut received);
    let (route, captures) = provider.routes.find(&received).unzip();
    let operation = route.map_or("unmatched", |route: &Route| route.name.as_str());
    world.ledger.count(provider.name(), operation);
    let open = route.and_then(|route| route.target.operation(&provider.compiled));
    let who = if open.is_some_and(|operation| operation.anonymous) {
        anybody(provider, &received)
    } else {
        authenticate(provider, &received, now)
    };
    hide(provider, &mut received);
    let digest = who.as_ref().ok().map(|who| who.account.digest.as_str());
    let target = route.map(|route| &route.target);
    let in_force = world.faults.in_force(now);
    let plan = Plan::new(in_force, (provider.name(), operation), digest, target);
    let format = target.and_then(|target| target.operation(&provider.compiled));
    let format = format.map_or(provider.format(), |operation| operation.answer);
    let result = match (plan.effect(), route) {
        (false, _) => Ok((Answer::empty(200), None)),
        (true, None) => Err(unmatched(world, provider, &received, now)),
        (true, Some(route)) => {
            let captures = captures.unwrap_or_default();
            act(world, provider, &received, &plan, (route, captures), who, now)
        }
    };
    let (answer, effect) =
        result.unwrap_or_else(|failure| (Answer::failure(provider, format, failure), None));
    plan.deliver(provider, format, answer, (&world.ledger, effect), now).await
}

fn unmatched(
    world: &Shared,
    provider: &Provider,
    received: &Received,
    now: DateTime<Utc>,
) -> Failure {
    world.ledger.unmatched(Unmatched {
        time: now,
        definition: provider.name().to_owned(),
        method: received.verb.to_string(),
        path: received.path.clone(),
    });
    let message = format!("no operation answers {} {}", received.verb, received.path);
    Failure::Class(Class::NotFound, message)
}

fn act(
    world: &Shared,
    provider: &Provider,
    received: &Received,
    plan: &Plan,
    (route, mut captures): (&Route, Captures),
    who: Result<Authenticated, String>,
    now: DateTime<Utc>,
) -> Result<Done, Failure> {
    let who = who.map_err(|message| Failure::Class(Class::Auth, message))?;
    let gone = || Failure::Class(Class::NotFound, String::new());
    let operation = route.target.operation(&provider.compiled).ok_or_else(gone)?;
    let sandbox = provider.sandbox().ok_or_else(gone)?;
    if received.malformed {
        return Err(Failure::Status(400, Class::Invalid));
    }
    captures.collect(operation, received);
    let wanted = captures.text("want.region").or_else(|| captures.text("region"));
    let call = Call {
        world,
        provider,
        operation,
        received,
        account: &who.account,
        captures,
        region: wanted.or(who.region),
        plan,
        now,
    };
    match &route.target {
        Target::Token => {
            Ok((call.account.issue(sandbox.token.as_ref(), call.format(), now)?, None))
        }
        Target::Verify => call.plain(&sandbox.verify),
        Target::Keys => {
            let keys = sandbox.webhook.as_ref().and_then(|webhook| webhook.keys.as_ref());
            call.plain(keys.ok_or_else(gone)?)
        }
        Target::Catalog(name) => call.plain(sandbox.catalogs.get(name).ok_or_else(gone)?),
        Target::Change(name, verb) => {
            let object = sandbox.objects.get(name).ok_or_else(gone)?;
            objects::change(&call, name, verb, object)
        }
        Target::Child(name, verb, at) => {
            let child = provider.compiled.objects.get(name).and_then(|o| o.children.get(*at));
            let object = sandbox.objects.get(name);
            let spec = object.zip(child).and_then(|(object, child)| {
                object.children.get(&child.name).map(|spec| (child.name.as_str(), spec))
            });
            children::answer(&call, (name, *verb), spec.ok_or_else(gone)?)
        }
        Target::Action(name) => {
            actions::act(&call, name, sandbox.actions.get(name).ok_or_else(gone)?)
        }
        Target::Resolve(name) => {
            let list = sandbox.actions.get(name).and_then(|action| action.resolve.as_ref());
            actions::found(&call, name, list.ok_or_else(gone)?)
        }
        Target::Before(name, at) => {
            let step = provider.compiled.actions.get(name).and_then(|a| a.call.steps.get(*at));
            let steps = sandbox.actions.get(name).map(|action| &action.steps);
            let list = steps.zip(step).and_then(|(steps, step)| steps.get(&step.name));
            actions::found(&call, name, list.ok_or_else(gone)?)
        }
        Target::Step(name, ..) | Target::Wait(name, _) | Target::Part(name, ..) => {
            let object = sandbox.objects.get(name).ok_or_else(gone)?;
            beside::answer(&call, &route.target, object)
        }
        Target::Object(name, verb) => {
            let object = sandbox.objects.get(name).ok_or_else(gone)?;
            match verb {
                Verb::Create => objects::create(&call, name, object),
                Verb::Read => objects::read(&call, name, object),
                Verb::List => objects::list(&call, name, object),
                Verb::Delete => objects::delete(&call, name, object),
            }
        }
    }
}

impl Call<'_> {
    /// The format of the answer.
    pub(crate) fn format(&self) -> AnswerFormat {
        self.operation.answer
    }

    /// The id that the request names.
    pub(crate) fn id(&self) -> Result<String, Failure> {
        self.captures
            .text("id")
            .ok_or_else(|| Failure::Class(Class::Invalid, "the request names no id".to_owned()))
    }

    fn plain(&self, answer: &CompiledAnswer) -> Result<Done, Failure> {
        let vars = vars::request(self.received, self.region.as_deref());
        Ok((Answer::render(answer, &vars, self.format())?, None))
    }
}
