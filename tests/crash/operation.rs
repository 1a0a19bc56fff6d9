//! What is done to machines while the operator dies.

use std::fmt;
use std::time::Duration;

use infrafabric::fault_point::POINTS;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::faults::{Books, Kind, strangers};
use crate::harness::{Stage, condition, ready, web};
use crate::person;
use crate::plan::Plan;

/// The tags that an adopted machine gets, and those of a change.
const ADOPTED: &str = "team-a";
const CHANGED: &str = "team-b";

/// An operation on the machines of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    /// What somebody made by hand is taken over.
    Adopt,
    /// Other tags are asked for.
    Update,
    /// One object vanishes without its finalizer; what is left over goes by policy.
    Sweep,
    /// The objects go and what they made stays.
    LetGo,
    Delete,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Create => "create",
            Self::Adopt => "adopt",
            Self::Update => "update",
            Self::Sweep => "sweep",
            Self::LetGo => "let go",
            Self::Delete => "delete",
        })
    }
}

/// How it stood before.
pub(crate) struct Before {
    machines: Vec<Value>,
    /// How much was made and deleted.
    effects: (usize, usize),
}

impl Before {
    pub(crate) async fn of(stage: &Stage) -> Self {
        let effects = Books::of(stage).await.made_and_deleted();
        Self { machines: stage.list("CloudMachine").await, effects }
    }
}

impl Operation {
    /// The fault points that it meets, the ones of its own first.
    pub(crate) fn points(self, kind: Kind) -> Vec<&'static str> {
        let answers = kind == Kind::None && matches!(self, Self::Create);
        let own: &[&str] = match self {
            Self::Create if answers => &["answer.drop", "finalizer.add"],
            Self::Create => &["finalizer.add"],
            Self::Adopt if kind.has_tags() => &["change", "finalizer.add"],
            Self::Adopt => &["finalizer.add"],
            Self::Update => &["change"],
            Self::Sweep => &["sweep"],
            Self::LetGo => &["orphan.add", "release", "finalizer.remove"],
            Self::Delete => &["release", "finalizer.remove"],
        };
        let effects: &[&str] = &["intent", "send", "outcome"];
        let looks: &[&str] = &["reconcile", "report"];
        let common = match self {
            Self::Create | Self::Update | Self::Delete => vec![effects, looks],
            Self::Adopt if kind.has_tags() => vec![effects, looks],
            Self::Sweep => vec![effects],
            Self::Adopt | Self::LetGo => vec![looks],
        };
        let of = |prefixes: &[&str]| -> Vec<&'static str> {
            let met = |point: &&str| prefixes.iter().any(|prefix| point.starts_with(prefix));
            POINTS.into_iter().filter(met).collect()
        };
        of(own).into_iter().chain(of(&common.concat())).collect()
    }

    /// The points that no other operation meets.
    pub(crate) fn own_points(self, kind: Kind) -> Vec<&'static str> {
        let own = ["answer", "change", "sweep", "orphan"];
        let is_own = |point: &&str| own.iter().any(|prefix| point.starts_with(prefix));
        self.points(kind).into_iter().filter(is_own).collect()
    }

    /// How long it may take with all its deaths and waits. Removals by policy are a minute apart.
    pub(crate) fn patience(self) -> Duration {
        Duration::from_secs(if self == Self::Sweep { 240 } else { 90 })
    }

    /// How long it must stay as it is when it is done.
    pub(crate) fn rest(self) -> Duration {
        Duration::from_millis(if self == Self::LetGo { 1_500 } else { 0 })
    }

    /// Whether somebody asks for looks at the Provider meanwhile.
    pub(crate) fn looks_at_provider(self) -> bool {
        matches!(self, Self::Sweep | Self::LetGo)
    }

    /// Asks for it, as a person does.
    pub(crate) async fn begin(self, stage: &Stage, plan: &Plan) {
        let remove = async |name: &str| {
            let api = stage.api("CloudMachine");
            api.delete(name, &DeleteParams::default()).await.expect("the machine is there");
        };
        match self {
            Self::Sweep => {
                let name = plan.names().next().expect("a machine");
                let free = json!({"metadata": {"finalizers": null}});
                stage.merge("CloudMachine", &name, free).await;
                remove(&name).await;
                person::leftovers_go(stage, plan.kind, "1s").await;
                return;
            }
            Self::LetGo => person::leftovers_go(stage, plan.kind, "0s").await,
            _ => {}
        }
        for name in plan.names() {
            match self {
                Self::Create => {
                    let mut machine = web(&[plan.kind.account()]);
                    machine["metadata"]["name"] = json!(name);
                    stage.apply(&machine).await;
                }
                Self::Adopt => {
                    let id = person::made(stage, &name).await;
                    let tags = if plan.kind.has_tags() { json!([ADOPTED]) } else { json!([]) };
                    let machine = json!({
                        "apiVersion": "infrafabric.io/v1alpha1", "kind": "CloudMachine",
                        "metadata": {"name": name},
                        "spec": {
                            "providers": [{"name": plan.kind.account()}], "management": "Adopt",
                            "existing": {"externalId": id}, "tags": tags,
                        },
                    });
                    stage.apply(&machine).await;
                }
                Self::Update => {
                    let change = json!({"spec": {"tags": [CHANGED]}});
                    stage.merge("CloudMachine", &name, change).await;
                }
                Self::LetGo => {
                    let policy = json!({"spec": {"deletionPolicy": "Orphan"}});
                    stage.merge("CloudMachine", &name, policy).await;
                    remove(&name).await;
                }
                Self::Delete => remove(&name).await,
                Self::Sweep => {}
            }
        }
    }

    /// Whether all is as it was asked to be.
    pub(crate) async fn is_done(self, stage: &Stage, machines: &[Value], plan: &Plan) -> bool {
        let all = |is: &dyn Fn(&Value) -> bool| {
            machines.len() as u64 == plan.machines && machines.iter().all(is)
        };
        let tagged = |machine: &Value, tag: &str| {
            runs(machine) && machine["status"]["active"]["tags"] == json!([tag])
        };
        match self {
            Self::Create => {
                all(&|machine| runs(machine) || (plan.late && person::is_asked(machine)))
            }
            Self::Adopt if plan.kind.has_tags() => all(&|machine| tagged(machine, ADOPTED)),
            Self::Adopt => all(&runs),
            Self::Update => all(&|machine| tagged(machine, CHANGED)),
            Self::Sweep => {
                // One is gone, and is not missed any more.
                let provider = stage.get("Provider", plan.kind.account()).await;
                let told = provider.is_some_and(|it| !condition(&it, "Leftovers").is_null());
                let left = stage.things().await.len();
                !told && left == machines.len() && machines.iter().all(runs)
            }
            Self::LetGo | Self::Delete => machines.is_empty(),
        }
    }

    /// What the providers' books must say when it is done.
    pub(crate) async fn holds(
        self,
        stage: &Stage,
        plan: &Plan,
        before: &Before,
        books: &Books,
    ) -> Result<(), Unlawful> {
        let machines = stage.list("CloudMachine").await;
        let mut strange = strangers(stage).await.expect("a list");
        let open = machines.iter().filter(|machine| person::is_asked(machine));
        let open: Vec<String> = open
            .filter_map(|machine| books.living(machine))
            .map(|id| format!("{id} at {}", plan.kind.name()))
            .collect();
        // What nobody can tell of yet, and what was let go.
        strange.retain(|thing| !open.contains(thing) && self != Self::LetGo);
        if !strange.is_empty() {
            return Err(Unlawful::Leaks(strange));
        }
        let deleted = match self {
            Self::Create => return made_once(&machines, books),
            Self::Delete => return Ok(()),
            Self::Sweep => 1,
            Self::Adopt | Self::Update | Self::LetGo => 0,
        };
        let (made, gone) = books.made_and_deleted();
        let (made, gone) = (made - before.effects.0, gone - before.effects.1);
        if made > 0 || gone != deleted {
            let text = format!("{made} were made and {gone} deleted, not 0 and {deleted}");
            return Err(Unlawful::Wrong(vec![text]));
        }
        let wrong = match self {
            Self::Adopt | Self::Update => self.badly_tagged(stage, plan, &machines).await,
            Self::LetGo => unwritten(stage, before).await,
            _ => Vec::new(),
        };
        if wrong.is_empty() { Ok(()) } else { Err(Unlawful::Wrong(wrong)) }
    }

    /// Things without our marks, the tags that are asked for, or those of others.
    async fn badly_tagged(self, stage: &Stage, plan: &Plan, machines: &[Value]) -> Vec<String> {
        let mut wrong = Vec::new();
        for machine in machines {
            let active = &machine["status"]["active"]["externalId"];
            let id = active.as_str().unwrap_or_default();
            let name = machine["metadata"]["name"].as_str().unwrap_or_default();
            let is_adopted = machine["spec"]["management"] == "Adopt";
            if is_adopted && person::made(stage, name).await != id {
                wrong.push(format!("{name} took {id}"));
            }
            if !plan.kind.has_tags() {
                continue;
            }
            let tags = person::tags(stage, plan.kind, id).await;
            let uid = machine["metadata"]["uid"].as_str().unwrap_or_default();
            let wanted = if self == Self::Update { CHANGED } else { ADOPTED };
            let mut must = vec![format!("if-uid:{uid}"), wanted.to_owned()];
            must.extend(is_adopted.then(|| "theirs".to_owned()));
            let old = self == Self::Update && tags.iter().any(|tag| tag == ADOPTED);
            if old || !must.iter().all(|tag| tags.contains(tag)) {
                wrong.push(format!("{id} of {name} has the tags {tags:?}"));
            }
        }
        wrong
    }
}

/// Each machine was made once; one that nobody can tell of, at most once.
fn made_once(machines: &[Value], books: &Books) -> Result<(), Unlawful> {
    for machine in machines {
        let made = books.creations(machine);
        if made > 1 || (made < 1 && runs(machine)) {
            let name = machine["metadata"]["name"].to_string();
            return Err(Unlawful::Wrong(vec![format!("{name} was made {made} times")]));
        }
    }
    Ok(())
}

/// Objects that were let go, which is written nowhere.
async fn unwritten(stage: &Stage, before: &Before) -> Vec<String> {
    use k8s_openapi::api::core::v1::ConfigMap;
    let maps: kube::Api<ConfigMap> = kube::Api::namespaced(stage.client.clone(), &stage.system());
    let map = maps.get_opt("infrafabric-orphans").await.expect("an answer");
    let written = map.and_then(|map| map.data).unwrap_or_default();
    let uids = before.machines.iter().filter_map(|machine| machine["metadata"]["uid"].as_str());
    let missing = uids.filter(|uid| !written.contains_key(*uid));
    missing.map(|uid| format!("{uid} was let go, and it is not written down")).collect()
}

/// A law that was broken.
pub(crate) enum Unlawful {
    /// Something lives that no object knows.
    Leaks(Vec<String>),
    /// Something was made more than once, or never, or is not as it was asked to be.
    Wrong(Vec<String>),
}

fn runs(machine: &Value) -> bool {
    machine["status"]["state"] == "Running" && ready(machine)["status"] == "True"
}
