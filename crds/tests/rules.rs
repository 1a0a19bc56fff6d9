//! The rules between fields, judged client-side with good and bad objects. That a real server
//! judges the same is what `cargo xtask oracle --only kube` proves.

use infrafabric_crds::all;
use kube_cel::Validator;
use serde_json::{Value, json};

fn schema(kind: &str) -> Value {
    let crds = all();
    let crd = crds.iter().find(|crd| crd.spec.names.kind == kind).expect("a known kind");
    let version = serde_json::to_value(&crd.spec.versions[0]).expect("a version is JSON");
    version["schema"]["openAPIV3Schema"].clone()
}

/// The refusals of an object, each with its field, joined by lines.
fn refusals(kind: &str, object: &Value, old: Option<&Value>) -> String {
    match Validator::new().validate(&schema(kind), object, old) {
        Ok(()) => String::new(),
        Err(errors) => {
            errors.as_slice().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        }
    }
}

fn machine(change: &Value) -> Value {
    let mut spec = json!({
        "providers": [{"name": "do-main"}],
        "requirements": {"cpus": 2, "memory": "4Gi"},
        "region": "fra1",
        "image": "ubuntu-24.04",
        // As the schema's default has it.
        "management": "Full",
    });
    for (field, value) in change.as_object().into_iter().flatten() {
        if value.is_null() {
            spec.as_object_mut().expect("an object").remove(field);
        } else {
            spec[field] = value.clone();
        }
    }
    json!({"metadata": {"name": "web"}, "spec": spec})
}

/// Asserts that a change of a fresh machine is refused at a field with a message.
fn refused(change: &Value, field: &str, says: &str) {
    let refusals = refusals("CloudMachine", &machine(change), None);
    assert!(
        refusals.lines().any(|line| line.starts_with(field) && line.contains(says)),
        "{change}: wanted {field}: {says}, got {refusals:?}"
    );
}

#[test]
fn a_machine_by_requirements_or_by_size_is_accepted() {
    for change in [
        json!({}),
        json!({"requirements": null, "size": "s-2vcpu-4gb"}),
        json!({"tags": ["team-a"], "userData": {"inline": "#cloud-config"}}),
        json!({"userData": {"secretRef": {"name": "init", "key": "user-data"}}}),
    ] {
        assert_eq!(refusals("CloudMachine", &machine(&change), None), "", "{change}");
    }
}

#[test]
fn both_or_neither_of_size_and_requirements_is_refused() {
    let says = "give either size or requirements";
    refused(&json!({"size": "s-2vcpu-4gb"}), "spec.requirements", says);
    refused(&json!({"requirements": null}), "spec.requirements", says);
}

#[test]
fn tags_in_the_shape_of_our_marks_are_refused() {
    let says = "the operator's own marks";
    refused(&json!({"tags": ["team-a", "if:mine"]}), "spec.tags", says);
    refused(&json!({"tags": ["if-mine"]}), "spec.tags", says);
}

#[test]
fn user_data_comes_from_exactly_one_place() {
    let says = "exactly one of inline, secretRef, configMapRef";
    let reference = json!({"name": "init", "key": "user-data"});
    refused(&json!({"userData": {}}), "spec.userData", says);
    refused(&json!({"userData": {"inline": "x", "secretRef": reference}}), "spec.userData", says);
    refused(
        &json!({"userData": {"configMapRef": reference, "secretRef": reference}}),
        "spec.userData",
        says,
    );
}

#[test]
fn what_is_read_at_the_creation_only_cannot_change() {
    let reference = json!({"name": "init", "key": "user-data"});
    let full = machine(&json!({
        "sshKeys": ["a"], "tags": ["team-a"], "userData": {"secretRef": reference}
    }));
    for (field, value) in [
        ("region", json!("ams3")),
        ("image", json!("debian-12")),
        ("requirements", json!({"cpus": 4, "memory": "4Gi"})),
        ("sshKeys", json!(["a", "b"])),
        ("userData", json!({"inline": "x"})),
    ] {
        let mut changed = full.clone();
        changed["spec"][field] = value;
        immutable(&changed, &full, field);
    }
    for field in ["region", "sshKeys", "userData"] {
        let mut without = full.clone();
        without["spec"].as_object_mut().expect("an object").remove(field);
        immutable(&without, &full, field);
        immutable(&full, &without, field);
    }
    let small = machine(&json!({"requirements": null, "size": "s-1"}));
    immutable(&machine(&json!({})), &small, "requirements");
    immutable(&small, &machine(&json!({})), "requirements");
}

fn immutable(new: &Value, old: &Value, field: &str) {
    let refusals = refusals("CloudMachine", new, Some(old));
    let path = format!("spec.{field}");
    assert!(
        refusals.lines().any(|line| {
            line.starts_with(&path) && line.contains(field) && line.contains("immutable")
        }),
        "{field}: {refusals:?}"
    );
}

#[test]
fn what_may_change_does() {
    let old = machine(&json!({}));
    for change in [
        json!({"suspend": true}),
        json!({"deletionPolicy": "Orphan"}),
        json!({"tags": ["team-b"]}),
        json!({"onDrift": "Correct", "maxCorrectionsPerHour": 2}),
        json!({"failover": {"after": "5m", "onClasses": ["Capacity"]}}),
        json!({"powerState": "Stopped"}),
        json!({"expireAfter": "7d"}),
        json!({"providers": [{"name": "linode-eu", "region": "eu-central"}]}),
    ] {
        assert_eq!(refusals("CloudMachine", &machine(&change), Some(&old)), "", "{change}");
    }
    let of = |size: &str| machine(&json!({"requirements": null, "size": size}));
    assert_eq!(refusals("CloudMachine", &of("s-2"), Some(&of("s-1"))), "");
}

#[test]
fn an_import_says_which_one_and_nothing_that_makes_one() {
    let import = |management: &str, existing: Value| json!({"management": management, "existing": existing, "requirements": null, "image": null});
    for change in [
        import("ObserveOnly", json!({"externalId": "7"})),
        import("Adopt", json!({"tag": "team-a", "name": "web"})),
    ] {
        let mut machine = machine(&change);
        machine["spec"]["onDrift"] = json!("Report");
        assert_eq!(refusals("CloudMachine", &machine, None), "", "{change}");
    }
    refused(&import("Adopt", Value::Null), "spec.existing", "existing says what");
    refused(&json!({"existing": {"externalId": "7"}}), "spec.existing", "existing says what");
    refused(
        &import("Adopt", json!({"externalId": "7", "tag": "team-a"})),
        "spec.existing",
        "give externalId",
    );
    refused(&import("Adopt", json!({"name": "web"})), "spec.existing", "give externalId");
    let two = json!([{"name": "a"}, {"name": "b"}]);
    let mut both = import("Adopt", json!({"externalId": "7"}));
    both["providers"] = two;
    refused(&both, "spec.providers", "at one provider");
    refused(&json!({"image": null}), "spec.image", "image is required");

    let mut switched = import("ObserveOnly", json!({"externalId": "7"}));
    switched["powerState"] = json!("Stopped");
    refused(&switched, "spec.powerState", "what is only looked at is not switched");

    let looked_at = machine(&import("ObserveOnly", json!({"externalId": "7"})));
    let taken = machine(&import("Adopt", json!({"externalId": "7"})));
    assert_eq!(refusals("CloudMachine", &taken, Some(&looked_at)), "");
    let back = refusals("CloudMachine", &looked_at, Some(&taken));
    assert!(back.contains("management can only go from ObserveOnly to Adopt"), "{back}");
    let other = machine(&import("Adopt", json!({"externalId": "8"})));
    immutable(&other, &taken, "existing");
}

#[test]
fn a_provider_keeps_its_type() {
    let old = json!({"spec": {"type": "linode", "credentials": {"secretRef": {"name": "s"}}}});
    let mut new = old.clone();
    assert_eq!(refusals("Provider", &new, Some(&old)), "");
    new["spec"]["type"] = json!("aws");
    let refusals = refusals("Provider", &new, Some(&old));
    assert!(refusals.starts_with("spec.type: type is immutable"), "{refusals:?}");
}

/// The pattern at a path of a kind's schema.
fn pattern(kind: &str, path: &[&str]) -> regex::Regex {
    let mut schema = &schema(kind);
    for name in path {
        schema = if *name == "[]" { &schema["items"] } else { &schema["properties"][*name] };
    }
    regex::Regex::new(schema["pattern"].as_str().expect("a pattern")).expect("it compiles")
}

#[test]
fn patterns_take_the_units_people_mean_and_no_others() {
    let memory = pattern("CloudMachine", &["spec", "requirements", "memory"]);
    let after = pattern("CloudMachine", &["spec", "failover", "after"]);
    let expiry = pattern("CloudMachine", &["spec", "expireAfter"]);
    let tag = pattern("CloudMachine", &["spec", "tags", "[]"]);
    let endpoint = pattern("Provider", &["spec", "endpoint"]);
    for (pattern, good, bad) in [
        (&memory, vec!["4Gi", "512Mi"], vec!["4GB", "4", "0Gi", "4G", "4 Gi", "-4Gi", "4Gi\n"]),
        (&after, vec!["90s", "2m", "1h"], vec!["2", "2min", "2m30s", "m", "1d"]),
        (&expiry, vec!["90m", "24h", "7d", "30s"], vec!["0h", "7", "1w", "1h30m", "-1d"]),
        (&tag, vec!["team-a", "env:prod"], vec!["Team", "-a", "a b", "é"]),
        (
            &endpoint,
            vec!["https://api.example.com", "http://127.0.0.1:5000/v1"],
            vec!["ftp://x", "https://user@host", "https://host/?q", "api.example.com", "https://"],
        ),
    ] {
        for text in good {
            assert!(pattern.is_match(text), "{pattern} takes {text:?}");
        }
        for text in bad {
            assert!(!pattern.is_match(text), "{pattern} refuses {text:?}");
        }
    }
}
