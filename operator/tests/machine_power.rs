//! The decisions about a machine's power state, its size and its object's end: tables of cases.

use chrono::{DateTime, TimeDelta, Utc};
use infrafabric::controllers::cloud_machine::act::{Acted, What};
use infrafabric::controllers::cloud_machine::decide::{Decision, Phase, decide};
use infrafabric::controllers::cloud_machine::drift::{Can, ChangeVerb, Resize, Switch};
use infrafabric::controllers::cloud_machine::observe::{Observed, Seen};
use infrafabric::controllers::cloud_machine::report;
use infrafabric::controllers::cloud_machine::size::Offered;
use infrafabric_adapters::contract::cloud::{Machine, MachineState};
use infrafabric_crds::cloud_machine::{State, reason};
use infrafabric_crds::condition::{self, EXPIRING};
use infrafabric_crds::engine::PowerState;
use infrafabric_crds::{CloudMachine, FINALIZER};
use serde_json::{Value, json};

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a time")
}

fn ago(seconds: i64) -> DateTime<Utc> {
    now() - TimeDelta::seconds(seconds)
}

/// A machine in use of size `s`, made an hour ago.
fn object(change: impl FnOnce(&mut Value)) -> CloudMachine {
    let mut json = json!({
        "apiVersion": "infrafabric.io/v1alpha1",
        "kind": "CloudMachine",
        "metadata": {"name": "web", "namespace": "default", "uid": "u", "generation": 1,
                     "finalizers": [FINALIZER], "creationTimestamp": ago(7200)},
        "spec": {"providers": [{"name": "a"}], "size": "s", "image": "i"},
        "status": {"observedGeneration": 1, "state": "Running", "active": {
            "provider": "a", "region": "r", "size": "s", "image": "i", "externalId": "7",
            "since": ago(3600)}}
    });
    change(&mut json);
    serde_json::from_value(json).expect("a machine")
}

fn open(verb: &str, size: Option<&str>, seconds: i64) -> Value {
    json!({"token": "t", "verb": verb, "provider": "a", "region": "r", "size": size,
           "requestDigest": "d", "startedAt": ago(seconds), "attempt": 1})
}

fn machine(state: MachineState, size: &str) -> Machine {
    let json = json!({"id": "7", "state": state, "vendorState": "x", "size": size});
    serde_json::from_value(json).expect("one")
}

fn everything() -> Can {
    let switch = Switch { on: true, off: true };
    Can { update: true, tells_tags: true, switch, resize: Resize::Always }
}

fn seen(state: MachineState) -> Observed {
    Observed {
        now: now(),
        seen_at: Some(now()),
        active: Seen::Here(machine(state, "s")),
        can: everything(),
        ..Observed::default()
    }
}

/// What was decided, in a word; drift is what is told of it.
fn word(decision: &Decision) -> &'static str {
    match decision {
        Decision::Change { change, .. } => match (&change.verb, change.corrects) {
            (ChangeVerb::Start, false) => "start",
            (ChangeVerb::Start, true) => "start back",
            (ChangeVerb::Stop, false) => "stop",
            (ChangeVerb::Stop, true) => "stop back",
            (ChangeVerb::Resize(_), false) => "resize",
            other => panic!("{other:?}"),
        },
        Decision::Changed => "settled",
        Decision::Expire => "expire",
        Decision::Hold(hold) => match (hold.drift.as_deref(), hold.again_at) {
            (Some([]) | None, None) => "nothing",
            (Some([]) | None, Some(_)) => "later",
            (Some(_), _) => "told",
        },
        other => panic!("{other:?}"),
    }
}

/// What the next look decides, after what was decided was done and told.
fn next(machine: &CloudMachine, observed: &Observed, decision: Decision) -> Decision {
    let what = match decision {
        Decision::Change { change, .. } => What::Changed { change },
        Decision::Changed => What::Settled,
        other => panic!("nothing is done: {other:?}"),
    };
    let status = report::status(machine, observed, &Acted::modelled(what, None), now());
    decide(&CloudMachine { status: Some(status), ..machine.clone() }, observed)
}

#[test]
fn a_wish_is_done_and_what_others_do_is_drift() {
    use MachineState::{Creating, Failed, Running, Stopped, Stopping};
    // Wanted, told last, an open request and its age, the age of the last change, seen.
    let table = [
        ("Running", None, None, 3600, Running, "nothing"),
        ("Running", None, None, 3600, Creating, "nothing"),
        ("Stopped", None, None, 3600, Creating, "later"),
        ("Stopped", None, None, 3600, Failed, "later"),
        ("Stopped", None, None, 3600, Running, "stop"),
        ("Stopped", None, None, 3600, Stopping, "later"),
        ("Stopped", None, None, 3600, Stopped, "settled"),
        // Right after a start it may not be shown yet that it runs.
        ("Stopped", Some("Running"), None, 20, Stopped, "later"),
        ("Stopped", Some("Stopped"), None, 20, Stopped, "nothing"),
        ("Stopped", Some("Stopped"), None, 20, Running, "later"),
        ("Stopped", Some("Stopped"), None, 3600, Running, "told"),
        ("Running", Some("Stopped"), None, 3600, Stopped, "start"),
        ("Running", Some("Stopped"), None, 20, Stopped, "start"),
        ("Running", Some("Stopped"), None, 20, Running, "later"),
        ("Running", Some("Stopped"), None, 3600, Running, "settled"),
        ("Running", Some("Running"), None, 20, Stopped, "later"),
        ("Running", None, None, 3600, Stopped, "told"),
        // The answer was lost.
        ("Stopped", None, Some(("stop", 2)), 3600, Running, "told"),
        ("Stopped", None, Some(("stop", 9)), 3600, Running, "stop"),
        ("Stopped", None, Some(("stop", 2)), 3600, Stopped, "settled"),
        ("Running", None, Some(("stop", 9)), 3600, Stopped, "start"),
        ("Running", None, Some(("stop", 9)), 3600, Running, "later"),
        ("Running", None, Some(("stop", 90)), 3600, Running, "settled"),
        ("Running", Some("Stopped"), Some(("start", 9)), 3600, Running, "settled"),
    ];
    for (wanted, told, lost, changed, state, expected) in table {
        let machine = object(|json| {
            json["spec"]["powerState"] = json!(wanted);
            let active = &mut json["status"]["active"];
            active["changedAt"] = json!(ago(changed));
            if let Some(told) = told {
                active["powerState"] = json!(told);
            }
            if let Some((verb, age)) = lost {
                json["status"]["operation"] = open(verb, None, age);
            }
        });
        let observed = seen(state);
        let decision = decide(&machine, &observed);
        let case = format!("{wanted} {told:?} {lost:?} {changed} {state:?}");
        assert_eq!(word(&decision), expected, "{case}: {decision:?}");
        if matches!(expected, "start" | "stop" | "settled") {
            let again = next(&machine, &observed, decision);
            let again = word(&again);
            assert!(matches!(again, "nothing" | "later"), "{case}: {again} after {expected}");
        }
    }
}

#[test]
fn only_drift_is_corrected_and_counted() {
    let table = [
        ("Running", None, MachineState::Stopped, "start back"),
        ("Stopped", Some("Stopped"), MachineState::Running, "stop back"),
        ("Stopped", None, MachineState::Running, "stop"),
        ("Running", Some("Stopped"), MachineState::Stopped, "start"),
    ];
    for (wanted, told, state, expected) in table {
        let often = |corrections: usize| {
            object(|json| {
                json["spec"]["powerState"] = json!(wanted);
                json["spec"]["onDrift"] = json!("Correct");
                json["spec"]["maxCorrectionsPerHour"] = json!(1);
                json["status"]["corrections"] = json!(vec![ago(60); corrections]);
                if let Some(told) = told {
                    json["status"]["active"]["powerState"] = json!(told);
                }
            })
        };
        let decision = decide(&often(0), &seen(state));
        assert_eq!(word(&decision), expected);
        let most = decide(&often(1), &seen(state));
        let limited = if expected.ends_with("back") { "told" } else { expected };
        assert_eq!(word(&most), limited, "{most:?}");
        let status = match decision {
            Decision::Change { change, .. } => report::status(
                &often(0),
                &seen(state),
                &Acted::modelled(What::Changed { change }, None),
                now(),
            ),
            other => panic!("{other:?}"),
        };
        assert_eq!(status.corrections.len(), usize::from(expected.ends_with("back")));
        let told = status.active.expect("a machine").power_state.expect("told");
        assert_eq!(format!("{told:?}"), wanted);
    }
}

#[test]
fn what_is_stopped_as_wanted_is_ready() {
    let wants_off = object(|json| {
        json["spec"]["powerState"] = json!("Stopped");
        json["status"]["active"]["powerState"] = json!("Stopped");
    });
    let table = [
        (MachineState::Stopped, State::Stopped, reason::STOPPED_AS_WANTED, Phase::Ready),
        (MachineState::Stopping, State::Stopped, reason::NOT_STOPPED, Phase::Reconciling),
        (MachineState::Running, State::Running, reason::NOT_STOPPED, Phase::Reconciling),
        (MachineState::Failed, State::Failed, reason::NOT_RUNNING, Phase::Stalled),
    ];
    for (state, expected, reason, phase) in table {
        let Decision::Hold(hold) = decide(&wants_off, &seen(state)) else { panic!("{state:?}") };
        assert_eq!((hold.state, hold.reason, hold.phase), (expected, reason, phase), "{state:?}");
    }
    // Its provider cannot be asked for a while: as far as anybody knows it is still so.
    let observed = seen(MachineState::Stopped);
    let Decision::Hold(hold) = decide(&wants_off, &observed) else { panic!("an effect") };
    let acted = Acted::modelled(What::Held(hold), None);
    let status = report::status(&wants_off, &observed, &acted, now());
    let known = CloudMachine { status: Some(status), ..wants_off };
    let unreachable =
        Observed { active: Seen::Unreachable("down".into()), ..seen(MachineState::Gone) };
    let Decision::Hold(hold) = decide(&known, &unreachable) else { panic!("an effect") };
    assert_eq!((hold.reason, hold.phase), (reason::STOPPED_AS_WANTED, Phase::Ready));
}

#[test]
fn what_a_provider_cannot_switch_is_said_and_not_asked() {
    let nothing = Can { switch: Switch::default(), ..everything() };
    let running = Observed { can: nothing, ..seen(MachineState::Running) };
    let wants_off = object(|json| json["spec"]["powerState"] = json!("Stopped"));
    let stopped = Observed { can: nothing, ..seen(MachineState::Stopped) };
    let wants_on = object(|json| json["status"]["active"]["powerState"] = json!("Stopped"));
    for (machine, observed, says) in
        [(wants_off, running, "cannot stop it"), (wants_on, stopped, "cannot start it")]
    {
        let Decision::Hold(hold) = decide(&machine, &observed) else { panic!("an effect") };
        assert_eq!((hold.reason, hold.phase), (reason::UNSUPPORTED, Phase::Stalled));
        assert!(hold.message.contains(says), "{}", hold.message);
        assert_eq!(hold.again_at, None, "nothing is repeated");
        assert!(hold.drift.expect("drift")[0].contains(says));
    }
}

fn refused(verb: &str, size: Option<&str>) -> Value {
    json!([{"verb": verb, "provider": "a", "region": "r", "size": size, "class": "Invalid", "scope": "object",
            "message": "no", "at": ago(60), "firstAt": ago(60), "until": now() + TimeDelta::hours(1),
            "count": 1, "durationMs": 1}])
}

fn offered(size: &str) -> Offered {
    Offered {
        size: size.to_owned(),
        size_id: None,
        price_per_hour: Some("0.5".to_owned()),
        currency: Some("USD".to_owned()),
    }
}

#[test]
fn what_was_refused_keeps_nothing_else_from_being_asked() {
    for (verb, expected) in [("update", "stop"), ("start", "stop"), ("stop", "told")] {
        let machine = object(|json| {
            json["spec"]["powerState"] = json!("Stopped");
            json["status"]["attempts"] = refused(verb, None);
            if verb == "update" {
                json["spec"]["tags"] = json!(["team-b"]);
            }
        });
        let decision = decide(&machine, &seen(MachineState::Running));
        assert_eq!(word(&decision), expected, "{verb}: {decision:?}");
    }
}

#[test]
fn another_size_is_asked_for_where_it_can_be() {
    use MachineState::{Creating, Running, Stopped};
    let wants = |change: &dyn Fn(&mut Value)| {
        object(|json| {
            json["spec"]["size"] = json!("m");
            change(json);
        })
    };
    let plain = wants(&|_| {});
    let seen = |state, size: &str| Observed {
        active: Seen::Here(machine(state, size)),
        size: Some(Ok(offered("m"))),
        ..seen(state)
    };
    let off = Can { resize: Resize::Stopped, ..everything() };
    let never = Can { resize: Resize::Never, ..everything() };
    let lost =
        |age| move |json: &mut Value| json["status"]["operation"] = open("resize", Some("m"), age);
    let table = vec![
        (plain.clone(), seen(Running, "s"), "resize", ""),
        (plain.clone(), seen(Stopped, "s"), "resize", ""),
        (plain.clone(), seen(Creating, "s"), "later", ""),
        (plain.clone(), seen(Running, "m"), "settled", ""),
        (plain.clone(), Observed { can: never, ..seen(Running, "s") }, "told", "cannot change it"),
        (
            plain.clone(),
            Observed { can: off, ..seen(Running, "s") },
            "told",
            "set powerState to Stopped",
        ),
        (plain.clone(), Observed { can: off, ..seen(Stopped, "s") }, "resize", ""),
        (
            plain.clone(),
            Observed { size: Some(Err("there is none".into())), ..seen(Running, "s") },
            "told",
            "there is none",
        ),
        (wants(&lost(2)), seen(Running, "s"), "told", "lost"),
        (wants(&lost(9)), seen(Running, "s"), "resize", ""),
        (wants(&lost(2)), seen(Running, "m"), "settled", ""),
        (
            wants(&|json| json["status"]["attempts"] = refused("resize", Some("m"))),
            seen(Running, "s"),
            "told",
            "no (Invalid)",
        ),
        (
            wants(&|json| json["status"]["attempts"] = refused("resize", Some("l"))),
            seen(Running, "s"),
            "resize",
            "",
        ),
        // A size that is refused keeps nobody from stopping the machine.
        (
            wants(&|json| {
                json["status"]["attempts"] = refused("resize", Some("m"));
                json["spec"]["powerState"] = json!("Stopped");
            }),
            seen(Running, "s"),
            "stop",
            "",
        ),
        (
            wants(&|json| json["spec"]["powerState"] = json!("Stopped")),
            Observed { can: off, ..seen(Running, "s") },
            "stop",
            "",
        ),
    ];
    for (machine, observed, expected, says) in table {
        let decision = decide(&machine, &observed);
        assert_eq!(word(&decision), expected, "{decision:?}");
        if let Decision::Hold(hold) = &decision {
            let drift = hold.drift.clone().unwrap_or_default().join("; ");
            assert!(drift.contains(says), "{drift}");
        }
        if matches!(expected, "resize" | "settled") {
            let what = match decision {
                Decision::Change { change, .. } => What::Changed { change },
                _ => What::Settled,
            };
            let status = report::status(&machine, &observed, &Acted::modelled(what, None), now());
            let active = status.active.expect("a machine");
            assert_eq!(
                (active.size.as_str(), active.price_per_hour.as_deref()),
                ("m", Some("0.5"))
            );
        }
    }
}

#[test]
fn a_size_that_never_came_is_told() {
    let given = |seconds: i64| {
        object(|json| {
            json["spec"]["size"] = json!("m");
            json["status"]["active"]["size"] = json!("m");
            json["status"]["active"]["changedAt"] = json!(ago(seconds));
        })
    };
    let observed = seen(MachineState::Running);
    assert_eq!(word(&decide(&given(60), &observed)), "later");
    let Decision::Hold(hold) = decide(&given(900), &observed) else { panic!("an effect") };
    assert_eq!(hold.drift.expect("drift"), ["it is a s, not a m"]);
    assert_eq!(hold.phase, Phase::Ready, "it runs all the same");
}

#[test]
fn an_object_goes_when_its_time_has_passed() {
    let expires = |after: &str, change: &dyn Fn(&mut Value)| {
        object(|json| {
            json["spec"]["expireAfter"] = json!(after);
            change(json);
        })
    };
    let unmade = |json: &mut Value| json["status"] = json!({"observedGeneration": 1});
    let suspended = |json: &mut Value| json["spec"]["suspend"] = json!(true);
    let running = || seen(MachineState::Running);
    let stopped = || Observed { stopped: Some("stopped".into()), ..running() };
    // The object is two hours old, its machine one.
    let table = vec![
        (expires("59m", &|_| {}), running(), true),
        (expires("3600s", &|_| {}), running(), true),
        (expires("61m", &|_| {}), running(), false),
        (expires("1d", &|_| {}), running(), false),
        (expires("59m", &suspended), running(), false),
        (expires("59m", &|_| {}), stopped(), false),
        (expires("119m", &unmade), Observed { active: Seen::None, ..running() }, true),
        (object(|_| {}), running(), false),
    ];
    for (machine, observed, goes) in table {
        let decision = decide(&machine, &observed);
        assert_eq!(decision == Decision::Expire, goes, "{:?}: {decision:?}", machine.spec);
    }
}

#[test]
fn it_is_said_before_an_object_goes() {
    // An eighth of the time, and at least a minute.
    let table = [("67m", true), ("69m", false), ("3659s", true), ("3d", false)];
    for (after, is_told) in table {
        let machine = object(|json| json["spec"]["expireAfter"] = json!(after));
        let observed = seen(MachineState::Running);
        let Decision::Hold(hold) = decide(&machine, &observed) else { panic!("not held") };
        let acted = Acted::modelled(What::Held(hold), None);
        let status = report::status(&machine, &observed, &acted, now());
        let told = condition::find(&status.conditions, EXPIRING);
        assert_eq!(told.is_some(), is_told, "{after}: {told:?}");
        let at = status.expires_at.expect("a time");
        assert!(at > now(), "{after}: {at}");
        // No longer wanted, it is no longer said.
        let machine = CloudMachine { status: Some(status), ..object(|_| {}) };
        let status = report::status(&machine, &observed, &acted, now());
        assert!(condition::find(&status.conditions, EXPIRING).is_none());
        assert_eq!(status.expires_at, None);
    }
}

#[test]
fn a_machine_runs_unless_it_is_wanted_otherwise() {
    assert_eq!(object(|_| {}).spec.power_state, PowerState::Running);
}
