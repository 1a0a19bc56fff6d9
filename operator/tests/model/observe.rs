//! What the product's `observe` reads, from the model's providers.

use infrafabric::controllers::cloud_machine::observe::{Found, Observed, Seen};
use infrafabric::engine::failover::{Candidate, Standing};
use infrafabric::engine::naming::Owner;
use infrafabric::engine::placement::Offering;
use infrafabric::engine::recovery::Named;
use infrafabric_adapters::contract::cloud::{Machine, MachineState};

use crate::model::{Identity, Model};
use crate::rules::Rule;
use crate::state::{CALL, LAG, Object, Origin, Said, State, span};

/// The candidates, in the spec's order.
pub(crate) const PROVIDERS: [&str; 2] = ["a", "b"];
/// The object's.
pub(crate) const UID: &str = "7f0d2c1e-1111-2222-3333-444455556666";

/// Who the machine belongs to.
pub(crate) fn owner() -> Owner {
    Owner {
        installation: "0123456789ab".to_owned(),
        kind: "cloudmachine".to_owned(),
        namespace: "default".to_owned(),
        name: "web".to_owned(),
        uid: UID.to_owned(),
    }
}

fn offering() -> Offering {
    Offering {
        region: "r".to_owned(),
        size: "s".to_owned(),
        size_id: None,
        image: "i".to_owned(),
        price_per_hour: None,
        currency: None,
    }
}

/// The place of a candidate.
pub(crate) fn provider(name: &str) -> usize {
    PROVIDERS.iter().position(|known| *known == name).expect("a candidate")
}

/// A thing as a provider shows it.
pub(crate) fn shown(state: &State, id: usize) -> Machine {
    let marks = match state.things[id].origin {
        Origin::Ours | Origin::Copied => owner().marks(),
        Origin::Foreign => Owner { uid: "another".to_owned(), ..owner() }.marks(),
    };
    Machine { state: MachineState::Running, marks, ..Machine::unseen(id.to_string()) }
}

/// The object's things in a provider's list, as `Snapshot::of_object` picks them. A copy comes before
/// what it was made of, as it may: lists have no order.
fn listed(model: &Model, state: &State, at: usize) -> Vec<Machine> {
    let in_list = |id: &usize| state.things[*id].shown && state.things[*id].provider == at;
    let all = (0..state.things.len()).rev().filter(in_list).map(|id| shown(state, id));
    let mark = owner().uid_mark();
    let of_object = |machine: &Machine| model.off(Rule::OwnMarks) || machine.marks.contains(&mark);
    let mut found: Vec<Machine> = all.filter(of_object).collect();
    if model.off(Rule::NoGuess) {
        found.truncate(1);
    }
    found
}

/// What a read of one thing says.
fn read(state: &State, id: &str) -> Seen {
    let id: usize = id.parse().expect("an id of the model");
    if state.things[id].living { Seen::Here(shown(state, id)) } else { Seen::Absent }
}

/// What `observe` reads.
pub(crate) fn observe(model: &Model, state: &State, object: &Object) -> Observed {
    let status = &object.status;
    let mut observed = Observed { now: state.now(), lag: span(LAG), ..Observed::default() };
    let (open, active) = (status.operation.as_ref(), status.active.as_ref());
    let Some(place) = active.map(|it| &it.provider).or(open.map(|it| &it.provider)) else {
        if object.deleting {
            return observed;
        }
        unplaced(model, state, &mut observed);
        return observed;
    };
    let place = provider(place);
    if let Some(active) = active {
        let id = &active.external_id;
        let in_list = model.lists() && listed(model, state, place).iter().any(|it| it.id == *id);
        let late = model.lists() && state.now() < active.since + observed.lag;
        observed.active = match in_list {
            true => Seen::Here(shown(state, id.parse().expect("an id of the model"))),
            false if late && !object.deleting => Seen::Unlisted,
            false => read(state, id),
        };
    }
    let open = open.filter(|operation| operation.verb == "create");
    if open.is_some() || (object.deleting && observed.active == Seen::Absent) {
        let lag = span(if model.off(Rule::WaitForTheLag) { 0 } else { LAG });
        let call = span(if model.off(Rule::WaitForTheCall) { 0 } else { CALL });
        observed.settles_at = open.map_or(observed.now, |it| it.started_at + lag + call);
        observed.named = match object.answer {
            Some(Said::Adopt(id)) => match read(state, &id.to_string()) {
                Seen::Here(machine) => Named::Here(machine),
                _ => Named::Absent,
            },
            _ => Named::None,
        };
        observed.found = match model.identity {
            Identity::Tag | Identity::KeyedTag => Found::Listed(listed(model, state, place)),
            Identity::Keyed => Found::Untold { keyed: true },
            Identity::None => Found::Untold { keyed: false },
        };
    }
    observed
}

/// The candidates, and what is the object's there before anything is made.
fn unplaced(model: &Model, state: &State, observed: &mut Observed) {
    for name in PROVIDERS {
        observed.candidates.push(Candidate {
            offering: Some(Ok(offering())),
            ..Candidate::new(name, Ok("r".to_owned()), Standing::Ready)
        });
        observed.accounts.push(None);
    }
    let mut there = Vec::new();
    for at in 0..PROVIDERS.len() {
        if model.lists() {
            let found = listed(model, state, at).into_iter();
            let found = found.filter(|it| matches!(read(state, &it.id), Seen::Here(_)));
            there.extend(found.map(|it| (at, it)));
        }
    }
    observed.there = Some(there);
}
