//! The pure decisions of the CloudMachine controller: a table of cases, and laws over all
//! combinations of what may be seen.

use chrono::{DateTime, TimeDelta, Utc};
use infrafabric::controllers::cloud_machine::decide::{Decision, Phase, decide};
use infrafabric::controllers::cloud_machine::observe::{Found, Observed, Seen};
use infrafabric::engine::failover::{Candidate, Failure, Refusal, Standing};
use infrafabric::engine::placement::Offering;
use infrafabric_adapters::contract::cloud::{Machine, MachineState};
use infrafabric_crds::cloud_machine::{State, reason};
use infrafabric_crds::{CloudMachine, FINALIZER};
use infrafabric_definition::{Class, Scope};
use serde_json::{Value, json};

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a time")
}

fn object(change: impl FnOnce(&mut Value)) -> CloudMachine {
    let mut json = json!({
        "apiVersion": "infrafabric.io/v1alpha1",
        "kind": "CloudMachine",
        "metadata": {"name": "web", "namespace": "default", "uid": "u", "generation": 1,
                     "finalizers": [FINALIZER]},
        "spec": {"providers": [{"name": "a"}, {"name": "b"}], "size": "s", "image": "i"},
        "status": {"observedGeneration": -1, "state": "Pending"}
    });
    change(&mut json);
    serde_json::from_value(json).expect("a machine")
}

fn operation(verb: &str) -> Value {
    json!({"token": "t", "verb": verb, "provider": "a", "region": "r", "size": "s", "image": "i",
           "requestDigest": "d", "startedAt": now(), "attempt": 1})
}

fn active() -> Value {
    json!({"provider": "a", "region": "r", "size": "s", "image": "i", "externalId": "7",
           "since": now()})
}

fn deleting(json: &mut Value) {
    json["metadata"]["deletionTimestamp"] = json!("2027-01-15T08:00:00Z");
}

fn machine(id: &str, state: MachineState) -> Machine {
    serde_json::from_value(json!({"id": id, "state": state, "vendorState": "x"})).expect("one")
}

fn offering() -> Offering {
    Offering {
        size_id: None,
        region: "r".into(),
        size: "s".into(),
        image: "i".into(),
        price_per_hour: None,
        currency: None,
    }
}

fn candidate(name: &str, offering: Option<Result<Offering, Refusal>>) -> Candidate {
    Candidate { offering, ..Candidate::new(name, Ok("r".into()), Standing::Ready) }
}

fn seen(active: Seen, found: Found) -> Observed {
    let candidates = vec![candidate("a", Some(Ok(offering()))), candidate("b", None)];
    let accounts = vec![None, None];
    let there = Some(Vec::new());
    let settles_at = now();
    Observed {
        now: now(),
        candidates,
        accounts,
        active,
        found,
        there,
        settles_at,
        ..Observed::default()
    }
}

/// Before a list must show what the open operation made.
fn unsettled(observed: Observed) -> Observed {
    Observed { settles_at: now() + TimeDelta::seconds(9), ..observed }
}

fn listed(machines: Vec<Machine>) -> Found {
    Found::Listed(machines)
}

fn held(decision: Decision) -> (State, &'static str, Phase) {
    match decision {
        Decision::Hold(hold) => (hold.state, hold.reason, hold.phase),
        other => panic!("not held: {other:?}"),
    }
}

#[test]
fn the_finalizer_comes_before_the_first_create() {
    let bare = object(|json| json["metadata"]["finalizers"] = json!([]));
    let fresh = seen(Seen::None, Found::NotAsked);
    assert_eq!(decide(&bare, &fresh), Decision::AddFinalizer);
    let Decision::Create { candidate: 0, attempt: 1, .. } = decide(&object(|_| {}), &fresh) else {
        panic!("no create");
    };
}

#[test]
fn what_a_machine_is_made_of_goes_with_it() {
    let parts = |active: Seen, found: Found| Observed {
        parts: Some("default-web-u".to_owned()),
        ..seen(active, found)
    };
    // Deleted while a create was open that made no machine: there may be parts.
    let open = object(|json| {
        deleting(json);
        json["status"]["operation"] = operation("create");
    });
    let none = || listed(vec![]);
    let Decision::Adopt(unseen) = decide(&open, &parts(Seen::None, none())) else {
        panic!("its parts are left");
    };
    assert_eq!(unseen.id, "default-web-u");
    assert!(matches!(decide(&open, &seen(Seen::None, none())), Decision::Release(_)));
    // The machine is gone, and nobody knows of the rest, unless a deletion ended well.
    let gone = |ended: bool, refused: bool| {
        object(|json| {
            deleting(json);
            json["status"]["active"] = active();
            json["status"]["operation"] = operation("delete");
            json["status"]["operation"]["startedAt"] = json!(now() - TimeDelta::minutes(2));
            if ended {
                json["status"]["operation"]["witnessIndex"] = json!(4);
            }
            if refused {
                json["status"]["attempts"] = json!([{
                    "provider": "a", "region": "r", "class": "Conflict", "scope": "object",
                    "message": "in use", "at": now() - TimeDelta::minutes(1), "until": now(),
                    "firstAt": now() - TimeDelta::minutes(1), "count": 1, "durationMs": 1,
                }]);
            }
        })
    };
    for (ended, refused, released) in
        [(true, false, true), (false, false, false), (true, true, false)]
    {
        let decision = decide(&gone(ended, refused), &parts(Seen::Absent, none()));
        assert_eq!(matches!(decision, Decision::Release(_)), released, "{decision:?}");
        assert_eq!(matches!(decision, Decision::Delete { .. }), !released, "{decision:?}");
        let whole = decide(&gone(ended, refused), &seen(Seen::Absent, none()));
        assert!(matches!(whole, Decision::Release(_)), "{whole:?}");
    }
}

#[test]
fn nothing_is_taken_hold_of_before_a_provider_is_verified() {
    let bare = object(|json| json["metadata"]["finalizers"] = json!([]));
    let mut observed = seen(Seen::None, Found::NotAsked);
    for candidate in &mut observed.candidates {
        candidate.standing = Standing::NotReady {
            class: Class::Unavailable,
            message: "not looked at yet".into(),
            since: now(),
        };
        candidate.offering = None;
    }
    let (state, reason, phase) = held(decide(&bare, &observed));
    assert_eq!((state, reason, phase), (State::Pending, reason::WAITING, Phase::Reconciling));
}

#[test]
fn an_open_create_is_resolved_before_anything_else() {
    let open = object(|json| json["status"]["operation"] = operation("create"));
    let one = || machine("7", MachineState::Creating);
    let another = || Machine { size: Some("huge".to_owned()), ..one() };
    let table = [
        (listed(vec![one()]), false, "adopt"),
        (listed(vec![]), false, "wait"),
        (listed(vec![]), true, "forget"),
        (listed(vec![one(), machine("8", MachineState::Running)]), true, "several"),
        (listed(vec![another()]), true, "another"),
        (Found::Unreachable("down".into()), true, "wait"),
        (Found::NotAsked, true, "wait"),
        (Found::Untold { keyed: true }, false, "wait"),
        (Found::Untold { keyed: true }, true, "repeat"),
        (Found::Untold { keyed: false }, false, "wait"),
        (Found::Untold { keyed: false }, true, "person"),
    ];
    for (found, settled, expected) in table {
        let observed = seen(Seen::None, found);
        let observed = if settled { observed } else { unsettled(observed) };
        let got = match decide(&open, &observed) {
            Decision::Adopt(found) if found.id == "7" => "adopt",
            Decision::Forget(_) => "forget",
            Decision::Repeat(again) if again.token == "t" => "repeat",
            Decision::Hold(hold)
                if hold.phase == Phase::Stalled && hold.reason == reason::OUTCOME_UNKNOWN =>
            {
                for way in ["ifctl resolve cloudmachine web -n default --adopt ID", "--forget"] {
                    assert!(hold.message.contains(way), "{}", hold.message);
                }
                "person"
            }
            Decision::Hold(hold) if hold.reason == reason::ANOTHER => {
                assert!(hold.message.contains("it is a huge, not a s"), "{}", hold.message);
                "another"
            }
            Decision::Hold(hold) if hold.reason == reason::OUTCOME_UNKNOWN => "wait",
            Decision::Hold(hold) if hold.reason == reason::AMBIGUOUS => {
                assert!(hold.message.contains("7, 8"), "{}", hold.message);
                assert_eq!(hold.phase, Phase::Stalled);
                "several"
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(got, expected);
    }
}

#[test]
fn a_machine_is_followed_in_all_its_states() {
    let living = object(|json| json["status"]["active"] = active());
    let table = [
        (MachineState::Creating, State::Creating, Phase::Reconciling),
        (MachineState::Running, State::Running, Phase::Ready),
        (MachineState::Stopping, State::Stopped, Phase::Reconciling),
        (MachineState::Stopped, State::Stopped, Phase::Reconciling),
        (MachineState::Deleting, State::Gone, Phase::Stalled),
        (MachineState::Failed, State::Failed, Phase::Stalled),
        (MachineState::Unknown, State::Unknown, Phase::Reconciling),
    ];
    for (vendor, state, phase) in table {
        let observed = seen(Seen::Here(machine("7", vendor)), Found::NotAsked);
        let (got_state, _, got_phase) = held(decide(&living, &observed));
        assert_eq!((got_state, got_phase), (state, phase), "{vendor:?}");
    }
    let gone = held(decide(&living, &seen(Seen::Absent, Found::NotAsked)));
    assert_eq!(gone, (State::Gone, reason::LOST, Phase::Stalled));
}

#[test]
fn deletion_waits_for_gone() {
    let object = |change: &dyn Fn(&mut Value)| {
        object(|json| {
            deleting(json);
            json["status"]["active"] = active();
            change(json);
        })
    };
    let plain = object(&|_| {});
    let running = || Seen::Here(machine("7", MachineState::Running));
    let delete = Decision::Delete { external_id: "7".into() };
    assert_eq!(decide(&plain, &seen(running(), Found::NotAsked)), delete);
    let asked = object(&|json| json["status"]["operation"] = operation("delete"));
    held(decide(&asked, &seen(running(), Found::NotAsked)));
    held(decide(&plain, &seen(Seen::Unreachable("down".into()), Found::NotAsked)));
    held(decide(&plain, &seen(Seen::Absent, Found::NotAsked)));
    let none = listed(vec![]);
    assert!(matches!(decide(&plain, &seen(Seen::Absent, none)), Decision::Release(_)));
    let another = listed(vec![machine("8", MachineState::Running)]);
    assert!(matches!(decide(&plain, &seen(Seen::Absent, another)), Decision::Adopt(_)));
}

#[test]
fn letting_go_touches_no_provider() {
    let orphan = object(|json| {
        deleting(json);
        json["status"]["active"] = active();
        json["spec"]["deletionPolicy"] = json!("Orphan");
    });
    let detached = object(|json| {
        deleting(json);
        json["status"]["operation"] = operation("create");
        json["metadata"]["annotations"] = json!({"infrafabric.io/detach": "true"});
    });
    for object in [orphan, detached] {
        let observed = seen(Seen::Unreachable("down".into()), Found::Unreachable("down".into()));
        assert!(matches!(decide(&object, &observed), Decision::Release(_)));
    }
}

#[test]
fn a_catalog_that_fails_is_remembered_and_a_misfit_is_explained() {
    let failure = Failure {
        class: Class::Unavailable,
        scope: Scope::Account,
        code: None,
        message: "down".into(),
        retry_after: None,
    };
    let mut observed = seen(Seen::None, Found::NotAsked);
    observed.candidates[0].offering = Some(Err(Refusal::Failed(failure.clone())));
    let Decision::Remember { provider, failure: kept, .. } = decide(&object(|_| {}), &observed)
    else {
        panic!("not remembered");
    };
    assert_eq!((provider.as_str(), kept), ("a", failure));
    for candidate in &mut observed.candidates {
        candidate.offering = Some(Err(Refusal::Misfit("no size".into())));
    }
    let Decision::Hold(hold) = decide(&object(|_| {}), &observed) else { panic!("not held") };
    assert_eq!((hold.reason, hold.phase), (reason::NO_OFFERING, Phase::Stalled));
    assert_eq!(hold.message, "a: no size; b: no size");
}

fn is_effect(decision: &Decision) -> bool {
    matches!(
        decision,
        Decision::Create { .. }
            | Decision::Repeat(_)
            | Decision::Change { .. }
            | Decision::Delete { .. }
    )
}

/// The same look once more.
fn again(observed: &Observed) -> Observed {
    Observed {
        settles_at: observed.settles_at,
        ..seen(observed.active.clone(), observed.found.clone())
    }
}

/// Everything that may be seen of the machine in use.
fn all_seen() -> Vec<Seen> {
    use MachineState::{Creating, Deleting, Failed, Gone, Running, Stopped, Stopping, Unknown};
    let states = [Creating, Running, Stopping, Stopped, Deleting, Gone, Failed, Unknown];
    let mut all: Vec<Seen> = states.iter().map(|state| Seen::Here(machine("7", *state))).collect();
    all.extend([Seen::None, Seen::Absent, Seen::Unreachable("down".into())]);
    all
}

/// Everything that may be found by the marks.
fn all_found() -> Vec<Found> {
    let one = machine("7", MachineState::Running);
    let two = machine("8", MachineState::Creating);
    let mut all = vec![Found::NotAsked, Found::Unreachable("down".into())];
    for machines in [vec![], vec![one.clone()], vec![one.clone(), two.clone()]] {
        all.push(listed(machines));
    }
    all.extend([true, false].map(|keyed| Found::Untold { keyed }));
    all
}

/// Every object: with and without finalizer, operation, machine, deletion, policy, suspend.
fn all_objects() -> Vec<CloudMachine> {
    let mut all = Vec::new();
    for bits in 0..64_u32 {
        let bit = |n: u32| bits & (1 << n) != 0;
        for verb in ["", "create", "delete"] {
            all.push(object(|json| {
                if bit(0) {
                    json["metadata"]["finalizers"] = json!([]);
                }
                if bit(1) {
                    deleting(json);
                }
                if bit(2) {
                    json["status"]["active"] = active();
                }
                if bit(3) {
                    json["spec"]["deletionPolicy"] = json!("Orphan");
                }
                if bit(4) {
                    json["spec"]["suspend"] = json!(true);
                }
                if bit(5) {
                    json["metadata"]["annotations"] = json!({"infrafabric.io/detach": "true"});
                }
                if !verb.is_empty() {
                    json["status"]["operation"] = operation(verb);
                }
            }));
        }
    }
    all
}

#[test]
fn laws_hold_over_everything_that_may_be_seen() {
    let mut cases = 0;
    for object in all_objects() {
        let status = object.status.clone().unwrap_or_default();
        let is_deleting = object.metadata.deletion_timestamp.is_some();
        let creating = status.operation.as_ref().is_some_and(|op| op.verb == "create");
        for active in all_seen() {
            for (found, settled) in
                all_found().into_iter().flat_map(|f| [(f.clone(), true), (f, false)])
            {
                let observed = seen(active.clone(), found.clone());
                let observed = if settled { observed } else { unsettled(observed) };
                let decision = decide(&object, &observed);
                let stopped = Observed { stopped: Some("stopped".into()), ..again(&observed) };
                let stopped = decide(&object, &stopped);
                assert!(!is_effect(&stopped), "stopped, and yet {stopped:?}");
                assert!(is_effect(&decision) || stopped == decision, "{decision:?} {stopped:?}");
                cases += 1;
                if let Decision::Create { .. } = decision {
                    assert!(!is_deleting, "deletion creates nothing");
                    assert!(!creating, "an open create is never followed by another");
                    assert!(status.active.is_none(), "a machine is never made beside another");
                    assert!(!object.spec.suspend);
                    let finalizers = object.metadata.finalizers.clone().unwrap_or_default();
                    assert!(!finalizers.is_empty(), "held before anything is made");
                }
                if let Decision::Delete { .. } = decision {
                    assert!(is_deleting && status.active.is_some());
                    assert!(matches!(active, Seen::Here(_)), "only what is there is deleted");
                }
                if let Decision::Forget(_) = decision {
                    let nothing = matches!(&found, Found::Listed(machines) if machines.is_empty());
                    let nothing = nothing && observed.settles_at <= observed.now;
                    assert!(nothing, "forgotten only when proven absent");
                }
                if let Decision::Hold(hold) = &decision {
                    assert!(!hold.reason.is_empty());
                    let ready = hold.phase == Phase::Ready;
                    assert!(!ready || hold.state == State::Running, "ready means running");
                }
            }
        }
    }
    assert_eq!(cases, 64 * 3 * 11 * 7 * 2);
}
