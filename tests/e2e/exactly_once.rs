//! What is promised of effects beyond crashes: what a person says, what was there before, what is left
//! over, what others change, and that all of it can be stopped.

use std::process::Output;
use std::time::Duration;

use infrafabric_definition::Span;
use infrafabric_world::{Effect, FaultSpec};
use serde_json::{Value, json};

use crate::harness::{QUIET, SOON, Setup, Stage, condition, poll, ready, request, shelf, web};
use crate::sandbox::ifctl;

/// The shelf cloud, whose lists tell nothing of whose a thing is.
fn untold(keyed: bool) -> Value {
    let mut manifest = shelf("shelf");
    let machine = &mut manifest["spec"]["objects"]["machine"];
    machine["identity"]["find"] = json!("none");
    if keyed {
        machine["identity"]["key"] = json!(true);
        machine["create"]["json"]["token"] = json!("${token}");
    }
    manifest
}

async fn with(definition: &Value) -> Stage {
    let setup = Setup { definitions: vec![definition.clone()], ..Setup::default() };
    let stage = Stage::with(setup.arguments(&["--call-deadline=1"])).await;
    stage.apply(definition).await;
    stage.account("first", "shelf", "north").await;
    stage.reason("Provider", "first", "CredentialsVerified").await;
    stage
}

/// Runs `ifctl` against the stage's cluster.
fn told(stage: &Stage, arguments: &[&str]) -> String {
    let kubeconfig = stage.dir.path().join("kubeconfig");
    let run = ifctl().args(arguments).arg("--kubeconfig").arg(kubeconfig).output();
    let Output { status, stdout, stderr } = run.expect("ifctl runs");
    let said = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(status.success(), "{arguments:?}: {said}");
    said
}

fn resolve<'a>(stage: &'a Stage, answer: &[&'a str]) -> String {
    let mut arguments = vec!["resolve", "cloudmachine", "web", "-n", &stage.namespace];
    arguments.extend(answer);
    told(stage, &arguments)
}

async fn look_at(stage: &Stage, kind: &str, name: &str, token: &str) {
    let now =
        json!({"metadata": {"annotations": {"infrafabric.io/reconcile-requested-at": token}}});
    stage.merge(kind, name, now).await;
}

/// `web` whose creation was answered to nobody.
async fn lost(stage: &Stage) -> Value {
    stage.fault(FaultSpec::new("shelf", "lost").on("machine.create").times(1)).await;
    stage.apply(&web(&["first"])).await;
    let stalled = |machine: &Value| {
        ready(machine)["reason"] == "OutcomeUnknown"
            && condition(machine, "Stalled")["status"] == "True"
    };
    stage.until("CloudMachine", "web", "a question", stalled).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_can_tell_waits_for_a_person_who_names_it() {
    let stage = with(&untold(false)).await;
    let machine = lost(&stage).await;
    let message = ready(&machine)["message"].as_str().expect("a message").to_owned();
    let way = format!("ifctl resolve cloudmachine web -n {} --adopt ID", stage.namespace);
    assert!(message.contains(&way) && message.contains("--forget"), "{message}");
    let never = poll(QUIET, async || (stage.creations().await.len() > 1).then_some(()));
    assert_eq!(never.await, None, "it is never asked again");

    // A word that is none is said so and changes nothing.
    let word = json!({"metadata": {"annotations": {"infrafabric.io/resolve": "yes"}}});
    stage.merge("CloudMachine", "web", word).await;
    let said = |machine: &Value| {
        ready(machine)["message"].as_str().is_some_and(|said| said.contains("adopt=ID or forget"))
    };
    stage.until("CloudMachine", "web", "told how", said).await;

    resolve(&stage, &["--adopt", "m-404"]);
    let said = |machine: &Value| {
        ready(machine)["message"].as_str().is_some_and(|said| said.contains("m-404, which"))
    };
    stage.until("CloudMachine", "web", "told that there is none", said).await;

    let id = stage.creations().await[0].id.clone();
    assert!(resolve(&stage, &["--adopt", &id]).contains(&format!("adopt={id}")));
    let machine = stage.running("web").await;
    assert_eq!(machine["status"]["active"]["externalId"], id.as_str());
    let answered =
        |machine: &Value| machine["metadata"]["annotations"]["infrafabric.io/resolve"].is_null();
    stage.until("CloudMachine", "web", "taken off", answered).await;
    assert_eq!(stage.creations().await.len(), 1);
    stage.delete("CloudMachine", "web").await;
    stage.gone("CloudMachine", "web").await;
    assert!(stage.things().await.is_empty());
    stage.witness_fits_the_ledger().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_person_says_was_not_made_is_made() {
    let stage = with(&untold(false)).await;
    stage.fault(FaultSpec::new("shelf", "outage").on("machine.create").times(1)).await;
    stage.apply(&web(&["first"])).await;
    let unknown = |machine: &Value| condition(machine, "Stalled")["reason"] == "OutcomeUnknown";
    stage.until("CloudMachine", "web", "a question", unknown).await;
    resolve(&stage, &["--forget"]);
    stage.running("web").await;
    assert_eq!(stage.creations().await.len(), 1);
    let kubeconfig = stage.dir.path().join("kubeconfig");
    let again = ifctl()
        .args(["resolve", "cloudmachine", "web", "-n", &stage.namespace, "--forget"])
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .output()
        .expect("ifctl runs");
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(!again.status.success() && said.contains("nothing to resolve"), "{said}");
}

/// Where the key alone tells, the same request is sent again with the same token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_without_a_list_is_asked_again_and_is_one() {
    let mut stage = with(&untold(true)).await;
    let hold = stage.fault(FaultSpec::new("shelf", "hold").on("machine.create")).await;
    stage.apply(&web(&["first"])).await;
    stage.held(hold).await;
    stage.crash();
    stage.world.clear_fault(hold).await.expect("cleared");
    stage.launch().await;
    let machine = stage.running("web").await;
    let creations = stage.creations().await;
    assert_eq!(creations.len(), 1, "{creations:?}");
    assert!(stage.asked("shelf", "machine.create").await >= 2);
    assert_eq!(machine["status"]["active"]["externalId"], creations[0].id.as_str());
    stage.witness_fits_the_ledger().await;
}

/// With another request the key tells nothing, and is not used for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_not_used_for_another_request() {
    let mut stage = with(&untold(true)).await;
    let data = |text: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "boot"},
               "data": {"script": text}})
    };
    stage.apply(&data("#!/bin/sh\ntrue\n")).await;
    let hold = stage.fault(FaultSpec::new("shelf", "hold").on("machine.create")).await;
    let mut machine = web(&["first"]);
    machine["spec"]["userData"] = json!({"configMapRef": {"name": "boot", "key": "script"}});
    stage.apply(&machine).await;
    stage.held(hold).await;
    stage.crash();
    stage.world.clear_fault(hold).await.expect("cleared");
    stage.apply(&data("#!/bin/sh\nfalse\n")).await;
    let asked = stage.asked("shelf", "machine.create").await;
    stage.launch().await;
    let said = |machine: &Value| {
        ready(machine)["message"].as_str().is_some_and(|said| said.contains("another request"))
    };
    stage.until("CloudMachine", "web", "a question", said).await;
    assert_eq!(stage.asked("shelf", "machine.create").await, asked, "nothing was sent");
    let id = stage.creations().await[0].id.clone();
    resolve(&stage, &["--adopt", &id]);
    stage.running("web").await;
    assert_eq!(stage.creations().await.len(), 1);
}

/// The token of an attempt is the same whenever it is made again, and another one's for another request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_stands_for_one_request() {
    let mut keyed = shelf("shelf");
    keyed["spec"]["objects"]["machine"]["identity"]["key"] = json!(true);
    keyed["spec"]["objects"]["machine"]["create"]["json"]["token"] = json!("${token}");
    let stage = with(&keyed).await;
    let outage = FaultSpec::new("shelf", "outage").on("machine.create");
    let outage = stage.fault(outage).await;
    let data = |text: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "boot"},
               "data": {"script": text}})
    };
    stage.apply(&data("one")).await;
    let mut machine = web(&["first"]);
    machine["spec"]["userData"] = json!({"configMapRef": {"name": "boot", "key": "script"}});
    stage.apply(&machine).await;
    let forgotten = |machine: &Value| machine["status"]["forgotten"]["token"].is_string();
    let first = stage.until("CloudMachine", "web", "forgotten", forgotten).await;
    let token = first["status"]["forgotten"]["token"].clone();
    stage.apply(&data("two")).await;
    stage.world.clear_fault(outage).await.expect("cleared");
    stage.running("web").await;
    let creations = stage.creations().await;
    assert_eq!(creations.len(), 1);
    assert!(creations[0].token.is_some());
    assert_ne!(json!(creations[0].token), token, "the request was another one");
}

/// What carries the marks and is not what was asked for is not taken by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_thing_with_our_marks_is_not_adopted() {
    let mut stage = Stage::hasty().await;
    stage.shelf_account().await;
    let hold = stage.fault(FaultSpec::new("shelf", "hold").on("machine.create")).await;
    stage.apply(&web(&["first"])).await;
    stage.held(hold).await;
    stage.crash();
    stage.world.clear_faults().await.expect("cleared");
    let made = stage.creations().await.remove(0);
    let mut other = made.request.clone();
    other["size"] = json!("large");
    let headers = [("authorization", "Bearer bench-token"), ("content-type", "application/json")];
    let body = other.to_string();
    let posted = request(stage.world_address(), "POST", "/p/shelf/machines", &headers, &body);
    assert_eq!(posted.await.expect("an answer").status, 201);
    stage.remove_thing("shelf", "bench-token", &made.id).await;
    stage.launch().await;
    let machine = stage.reason("CloudMachine", "web", "AnotherFound").await;
    let id = stage.things().await[0].id.clone();
    let message = ready(&machine)["message"].as_str().expect("a message").to_owned();
    assert!(message.contains("it is a large, not a medium"), "{message}");
    assert_eq!(condition(&machine, "Stalled")["status"], "True");
    resolve(&stage, &["--adopt", &id]);
    let machine = stage.running("web").await;
    assert_eq!(machine["status"]["active"]["externalId"], id.as_str());
}

/// An object that lost its status and got another UID, as a backup gives it back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_from_a_backup_finds_its_machine() {
    let mut stage = Stage::start().await;
    stage.shelf_account().await;
    stage.apply(&web(&["first"])).await;
    stage.running("web").await;
    let id = stage.things().await[0].id.clone();
    stage.crash();
    stage.merge("CloudMachine", "web", json!({"metadata": {"finalizers": null}})).await;
    stage.delete("CloudMachine", "web").await;
    stage.gone("CloudMachine", "web").await;
    stage.apply(&web(&["first"])).await;
    stage.launch().await;
    let machine = stage.running("web").await;
    assert_eq!(machine["status"]["active"]["externalId"], id.as_str());
    assert_eq!(stage.creations().await.len(), 1);
    // What is seen of it is told, although its marks name another UID. Within the lag a list that lacks
    // it tells nothing.
    tokio::time::sleep(Duration::from_millis(500)).await;
    stage.remove_thing("shelf", "bench-token", &id).await;
    look_at(&stage, "Provider", "first", "1").await;
    stage.reason("CloudMachine", "web", "MachineGone").await;
}

/// Renamed by making it anew: the old machine is nobody's, and is told of and not touched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_belongs_to_no_object_is_told_and_by_policy_deleted() {
    let mut stage = Stage::start().await;
    stage.shelf_account().await;
    stage.apply(&web(&["first"])).await;
    stage.running("web").await;
    let old = stage.things().await[0].id.clone();
    stage.crash();
    stage.merge("CloudMachine", "web", json!({"metadata": {"finalizers": null}})).await;
    stage.delete("CloudMachine", "web").await;
    stage.gone("CloudMachine", "web").await;
    let mut renamed = web(&["first"]);
    renamed["metadata"]["name"] = json!("site");
    stage.apply(&renamed).await;
    stage.launch().await;
    let machine = stage.running("site").await;
    let new = machine["status"]["active"]["externalId"].as_str().expect("an id").to_owned();
    assert_ne!(new, old);
    // Of another installation on the same account: ours it is not.
    let mut foreign = stage.creations().await[0].request.clone();
    foreign["tags"] = json!(["if:elsewhere", "if-uid:1234", "if-obj:5678"]);
    let headers = [("authorization", "Bearer bench-token"), ("content-type", "application/json")];
    let body = foreign.to_string();
    let posted = request(stage.world_address(), "POST", "/p/shelf/machines", &headers, &body);
    assert_eq!(posted.await.expect("an answer").status, 201);

    look_at(&stage, "Provider", "first", "1").await;
    let found = |provider: &Value| condition(provider, "Leftovers")["status"] == "True";
    let provider = stage.until("Provider", "first", "leftovers", found).await;
    let left = provider["status"]["leftovers"].as_array().expect("leftovers");
    assert_eq!((left.len(), &left[0]["externalId"]), (1, &json!(old)), "{left:?}");
    assert_eq!(ready(&provider)["status"], "True", "it serves all the same");
    let shown = told(&stage, &["leftovers", "-n", &stage.namespace]);
    assert!(shown.contains(&old) && shown.contains("north") && !shown.contains(&new), "{shown}");
    assert!(stage.event("first", "LeftoverFound").await.contains(&old));
    let line =
        format!("infrafabric_leftovers{{namespace=\"{}\",name=\"first\"}} 1", stage.namespace);
    let address = stage.running_operator().address;
    let counted = async || {
        let metrics = request(address, "GET", "/metrics", &[], "").await.expect("metrics");
        metrics.body.contains(&line).then_some(())
    };
    assert!(poll(SOON, counted).await.is_some(), "{line}");
    assert_eq!(stage.things().await.len(), 3, "nothing was touched");

    let policy = json!({"spec": {"leftovers": {"policy": "Delete", "after": "1s"}}});
    stage.merge("Provider", "first", policy).await;
    let gone = async || {
        look_at(&stage, "Provider", "first", "2").await;
        stage.things().await.iter().all(|thing| thing.id != old).then_some(())
    };
    assert!(poll(SOON, gone).await.is_some(), "{}", stage.log_tail());
    assert!(stage.event("first", "LeftoverDeleted").await.contains(&old));
    look_at(&stage, "Provider", "first", "3").await;
    let none = |provider: &Value| condition(provider, "Leftovers").is_null();
    stage.until("Provider", "first", "without leftovers", none).await;
    assert_eq!(stage.things().await.len(), 2, "nothing else went");
    assert!(told(&stage, &["leftovers"]).contains("nothing is left over"));
    let removals = stage.witnessed(&stage.running_operator().serving);
    let removals = removals.iter().filter(|entry| entry.object.kind == "Provider");
    assert_eq!(removals.count(), 2, "its intent and its outcome");
}

/// What a person took over is used, whatever its marks say, where they cannot be changed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_object_uses_is_no_leftover() {
    let mut stage = Stage::start().await;
    stage.shelf_account().await;
    stage.apply(&web(&["first"])).await;
    stage.running("web").await;
    let id = stage.things().await[0].id.clone();
    stage.crash();
    stage.merge("CloudMachine", "web", json!({"metadata": {"finalizers": null}})).await;
    stage.delete("CloudMachine", "web").await;
    stage.gone("CloudMachine", "web").await;
    stage.launch().await;
    let mut taken = looked_at("Adopt", &json!({"externalId": id}));
    taken["spec"]["providers"] = json!([{"name": "first"}]);
    taken["spec"]["deletionPolicy"] = json!("Orphan");
    stage.apply(&taken).await;
    stage.running("old").await;
    let policy = json!({"spec": {"leftovers": {"policy": "Delete", "after": "0s"}}});
    stage.merge("Provider", "first", policy).await;
    // In use, and then let go on purpose under another UID than its marks say.
    for round in ["1", "2"] {
        let lists = stage.asked("shelf", "machine.list").await;
        look_at(&stage, "Provider", "first", round).await;
        let listed = async || (stage.asked("shelf", "machine.list").await > lists).then_some(());
        poll(SOON, listed).await.expect("it was looked for");
        let touched = poll(QUIET, async || stage.things().await.is_empty().then_some(()));
        assert_eq!(touched.await, None, "round {round}");
        if round == "1" {
            stage.delete("CloudMachine", "old").await;
            stage.gone("CloudMachine", "old").await;
        }
    }
}

/// Of two objects that want the same machine one has it; another installation's is nobody's here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_machine_is_taken_by_one_object() {
    let stage = Stage::start().await;
    stage.two_accounts().await;
    let id = by_hand(&stage, "by-hand").await;
    let mut both = ["left", "right"].map(|name| {
        let mut taken = looked_at("Adopt", &json!({"externalId": id}));
        taken["metadata"]["name"] = json!(name);
        taken
    });
    stage.apply(&both[0]).await;
    stage.apply(&both[1]).await;
    let settled = async || {
        let mut reasons = Vec::new();
        for name in ["left", "right"] {
            let machine = stage.get("CloudMachine", name).await.expect("there");
            reasons.push(ready(&machine)["reason"].as_str().unwrap_or_default().to_owned());
        }
        reasons.sort();
        (reasons == ["NotExisting", "Running"]).then_some(())
    };
    assert!(poll(SOON, settled).await.is_some(), "{}", stage.log_tail());

    let theirs = by_hand(&stage, "theirs").await;
    let path = format!("/{theirs}");
    linode(&stage, "PUT", &path, &json!({"tags": ["if:elsewhere", "if-uid:1234"]})).await;
    both[0]["metadata"]["name"] = json!("third");
    both[0]["spec"]["existing"] = json!({"externalId": theirs});
    stage.apply(&both[0]).await;
    let machine = stage.reason("CloudMachine", "third", "NotExisting").await;
    let message = ready(&machine)["message"].as_str().expect("a message").to_owned();
    assert!(message.contains("another installation"), "{message}");
}

/// A change that the provider refuses is asked for ever more rarely, and told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_change_is_told_and_waits() {
    let (stage, id) = at_linode("Report").await;
    let refused = FaultSpec::new("linode-now", "503").on("machine.update");
    let refused = stage.fault(refused).await;
    stage.merge("CloudMachine", "web", json!({"spec": {"tags": ["team-b"]}})).await;
    let told = |machine: &Value| {
        let drift = condition(machine, "Drifted")["message"].to_string();
        drift.contains("its tags are not changed yet")
    };
    let machine = stage.until("CloudMachine", "web", "told", told).await;
    assert_eq!(ready(&machine)["status"], "True");
    let asked = stage.asked("linode-now", "machine.update").await;
    tokio::time::sleep(QUIET).await;
    let more = stage.asked("linode-now", "machine.update").await - asked;
    assert!(more <= 2, "{more} more within three seconds");
    stage.world.clear_fault(refused).await.expect("cleared");
    let done = async || tags_of(&stage, &id).await.contains(&"team-b".to_owned()).then_some(());
    assert!(poll(SOON, done).await.is_some(), "{}", stage.log_tail());
}

/// A provider that made two for one request: one is used, the other one told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_thing_of_one_creation_is_left_over() {
    let stage = Stage::start().await;
    stage.shelf_account().await;
    stage.apply(&web(&["first"])).await;
    let machine = stage.running("web").await;
    let second = stage.second_thing("shelf", "bench-token").await;
    look_at(&stage, "Provider", "first", "1").await;
    let found =
        |provider: &Value| provider["status"]["leftovers"][0]["externalId"] == second.as_str();
    stage.until("Provider", "first", "leftovers", found).await;
    let after = stage.get("CloudMachine", "web").await.expect("the machine");
    assert_eq!(after["status"]["active"], machine["status"]["active"]);
}

/// What was let go on purpose is nobody's leftover.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orphan_is_no_leftover() {
    let stage = Stage::start().await;
    stage.shelf_account().await;
    let mut machine = web(&["first"]);
    machine["spec"]["deletionPolicy"] = json!("Orphan");
    stage.apply(&machine).await;
    stage.running("web").await;
    let policy = json!({"spec": {"leftovers": {"policy": "Delete", "after": "0s"}}});
    stage.merge("Provider", "first", policy).await;
    stage.delete("CloudMachine", "web").await;
    stage.gone("CloudMachine", "web").await;
    let lists = stage.asked("shelf", "machine.list").await;
    look_at(&stage, "Provider", "first", "1").await;
    let listed = async || (stage.asked("shelf", "machine.list").await > lists).then_some(());
    poll(SOON, listed).await.expect("it was looked for");
    let never = poll(QUIET, async || {
        let provider = stage.get("Provider", "first").await.expect("the Provider");
        (!condition(&provider, "Leftovers").is_null() || stage.things().await.is_empty())
            .then_some(())
    });
    assert_eq!(never.await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn effects_stop_for_all_and_reads_go_on() {
    let stage = Stage::start().await;
    stage.shelf_account().await;
    stage.apply(&web(&["first"])).await;
    stage.running("web").await;
    let system = stage.system();
    told(&stage, &["stop", "--namespace", &system, "--reason", "the show is on air"]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut other = web(&["first"]);
    other["metadata"]["name"] = json!("other");
    stage.apply(&other).await;
    let machine = stage.reason("CloudMachine", "other", "EffectsStopped").await;
    let message = ready(&machine)["message"].as_str().expect("a message").to_owned();
    assert!(
        message.contains("the show is on air") && message.contains("ifctl resume"),
        "{message}"
    );
    stage.delete("CloudMachine", "web").await;
    stage.reason("CloudMachine", "web", "EffectsStopped").await;
    assert_eq!(stage.creations().await.len(), 1);
    assert_eq!(stage.things().await.len(), 1);
    assert_eq!(ready(&stage.get("Provider", "first").await.expect("there"))["status"], "True");
    assert!(told(&stage, &["resume", "--namespace", &system]).contains("go on"));
    stage.gone("CloudMachine", "web").await;
    stage.running("other").await;
    stage.witness_fits_the_ledger().await;
}

/// An operator that comes up while effects are stopped starts none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_process_knows_that_effects_are_stopped() {
    let mut stage = Stage::hasty().await;
    stage.shelf_account().await;
    stage.crash();
    let system = stage.system();
    told(&stage, &["stop", "--namespace", &system]);
    stage.apply(&web(&["first"])).await;
    stage.launch().await;
    stage.reason("CloudMachine", "web", "EffectsStopped").await;
    assert_eq!(stage.asked("shelf", "machine.create").await, 0);
    told(&stage, &["resume", "--namespace", &system]);
    stage.running("web").await;
}

fn looked_at(management: &str, existing: &Value) -> Value {
    json!({
        "apiVersion": "infrafabric.io/v1alpha1", "kind": "CloudMachine",
        "metadata": {"name": "old"},
        "spec": {"providers": [{"name": "second"}], "management": management, "existing": existing},
    })
}

/// Asks the simulated Linode as a person would at the vendor's own console.
async fn linode(stage: &Stage, method: &str, path: &str, body: &Value) -> Value {
    let path = format!("/p/linode/linode/instances{path}");
    let headers =
        [("authorization", "Bearer linode-sandbox-token"), ("content-type", "application/json")];
    let reply = request(stage.world_address(), method, &path, &headers, &body.to_string()).await;
    let reply = reply.expect("an answer");
    assert!((200..300).contains(&reply.status), "{}", reply.body);
    serde_json::from_str(&reply.body).expect("JSON")
}

/// A machine that somebody made by hand.
async fn by_hand(stage: &Stage, label: &str) -> String {
    let machine = json!({
        "label": label, "region": "eu-central", "type": "g6-nanode-1",
        "image": "linode/debian12", "root_pass": "x", "tags": ["theirs"],
    });
    let made = linode(stage, "POST", "", &machine).await;
    made["id"].to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_only_looked_at_is_never_touched() {
    let stage = Stage::start().await;
    stage.two_accounts().await;
    let id = by_hand(&stage, "by-hand").await;
    let effects = stage.ledger().await.entries.len();
    stage.apply(&looked_at("ObserveOnly", &json!({"externalId": id}))).await;
    let machine = stage.running("old").await;
    assert_eq!(machine["status"]["active"]["externalId"], id.as_str());
    assert_eq!(machine["status"]["active"]["size"], "g6-nanode-1");
    stage.delete("CloudMachine", "old").await;
    stage.gone("CloudMachine", "old").await;
    assert_eq!(stage.ledger().await.entries.len(), effects, "no effect at all");
    assert_eq!(stage.things().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_adopted_is_marked_and_then_ours() {
    let stage = Stage::start().await;
    stage.two_accounts().await;
    let id = by_hand(&stage, "by-hand").await;
    let other = by_hand(&stage, "another").await;
    // A filter must be true of exactly one.
    let mut adopted = looked_at("Adopt", &json!({"tag": "theirs"}));
    stage.apply(&adopted).await;
    let machine = stage.reason("CloudMachine", "old", "SeveralFound").await;
    let message = ready(&machine)["message"].as_str().expect("a message").to_owned();
    assert!(message.contains(&id) && message.contains(&other), "{message}");
    stage.delete("CloudMachine", "old").await;
    stage.gone("CloudMachine", "old").await;
    assert_eq!(stage.things().await.len(), 2);

    adopted["spec"]["existing"] = json!({"tag": "theirs", "name": "by-hand"});
    adopted["spec"]["tags"] = json!(["team-a"]);
    stage.apply(&adopted).await;
    stage.running("old").await;
    let marked = async || {
        let tags = linode(&stage, "GET", &format!("/{id}"), &json!({})).await["tags"].clone();
        let tags: Vec<String> = serde_json::from_value(tags).expect("tags");
        let ours = tags.iter().any(|tag| tag.starts_with("if-uid:"));
        (ours && tags.contains(&"team-a".to_owned())).then_some(tags)
    };
    let tags =
        poll(SOON, marked).await.unwrap_or_else(|| panic!("not marked\n{}", stage.log_tail()));
    assert!(tags.contains(&"theirs".to_owned()), "others' tags stay: {tags:?}");
    // It is taken: nobody else can have it.
    let mut twice = looked_at("Adopt", &json!({"externalId": id}));
    twice["metadata"]["name"] = json!("twice");
    stage.apply(&twice).await;
    let machine = stage.reason("CloudMachine", "twice", "NotExisting").await;
    let message = ready(&machine)["message"].as_str().expect("a message").to_owned();
    assert!(message.contains("belongs to CloudMachine old"), "{message}");
    stage.delete("CloudMachine", "twice").await;
    stage.gone("CloudMachine", "twice").await;
    stage.delete("CloudMachine", "old").await;
    stage.gone("CloudMachine", "old").await;
    let left = stage.things().await;
    assert_eq!((left.len(), left[0].id.as_str()), (1, other.as_str()));
}

/// `web` at Linode, whose lists are late by no more than a test can wait.
async fn at_linode(policy: &str) -> (Stage, String) {
    let mut manifest = crate::harness::cloud("linode");
    manifest["metadata"]["name"] = json!("linode-now");
    manifest["spec"]["objects"]["machine"]["identity"]["lag"] = json!("200ms");
    let setup = Setup { definitions: vec![manifest.clone()], ..Setup::default() };
    let stage = Stage::with(setup.arguments(&["--call-deadline=1"])).await;
    stage.apply(&manifest).await;
    stage.apply(&crate::harness::secret("second", &json!({"token": "linode-sandbox-token"}))).await;
    stage.apply(&crate::harness::provider("second", "linode-now", "eu-central")).await;
    let mut machine = web(&["second"]);
    machine["spec"]["onDrift"] = json!(policy);
    machine["spec"]["maxCorrectionsPerHour"] = json!(1);
    machine["spec"]["tags"] = json!(["team-a"]);
    stage.apply(&machine).await;
    stage.running("web").await;
    let id = stage.things().await[0].id.clone();
    (stage, id)
}

async fn tags_of(stage: &Stage, id: &str) -> Vec<String> {
    let path = format!("/p/linode-now/linode/instances/{id}");
    let headers = [("authorization", "Bearer linode-sandbox-token")];
    let reply = request(stage.world_address(), "GET", &path, &headers, "").await;
    let reply: Value = serde_json::from_str(&reply.expect("an answer").body).expect("JSON");
    serde_json::from_value(reply["tags"].clone()).expect("tags")
}

async fn set_tags(stage: &Stage, id: &str, tags: &[String]) {
    let path = format!("/p/linode-now/linode/instances/{id}");
    let headers =
        [("authorization", "Bearer linode-sandbox-token"), ("content-type", "application/json")];
    let body = json!({"tags": tags}).to_string();
    let reply = request(stage.world_address(), "PUT", &path, &headers, &body).await;
    assert_eq!(reply.expect("an answer").status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drift_is_told_and_a_wish_is_done() {
    let (stage, id) = at_linode("Report").await;
    let mut tags = tags_of(&stage, &id).await;
    tags.retain(|tag| tag != "team-a");
    set_tags(&stage, &id, &tags).await;
    let drifted = async || {
        look_at(&stage, "Provider", "second", &format!("{:?}", std::time::Instant::now())).await;
        let machine = stage.get("CloudMachine", "web").await.expect("the machine");
        (condition(&machine, "Drifted")["status"] == "True").then_some(machine)
    };
    let machine = poll(SOON, drifted).await.unwrap_or_else(|| panic!("{}", stage.log_tail()));
    let message = condition(&machine, "Drifted")["message"].to_string();
    assert!(message.contains("it lacks the tags team-a"), "{message}");
    assert_eq!(ready(&machine)["status"], "True", "it runs all the same");
    assert!(stage.event("web", "Drifted").await.contains("team-a"));
    assert!(!tags_of(&stage, &id).await.contains(&"team-a".to_owned()));
    // What a user wants is done whatever the policy says of drift.
    stage.merge("CloudMachine", "web", json!({"spec": {"tags": ["team-b"]}})).await;
    let done = async || tags_of(&stage, &id).await.contains(&"team-b".to_owned()).then_some(());
    assert!(poll(SOON, done).await.is_some(), "{}", stage.log_tail());
    assert!(stage.event("web", "Changed").await.contains("team-b"));
    stage.witness_fits_the_ledger().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drift_is_corrected_as_often_as_it_may() {
    let (stage, id) = at_linode("Correct").await;
    let whole = tags_of(&stage, &id).await;
    let mut fewer = whole.clone();
    fewer.retain(|tag| tag != "team-a");
    set_tags(&stage, &id, &fewer).await;
    let look = async || {
        look_at(&stage, "Provider", "second", &format!("{:?}", std::time::Instant::now())).await;
    };
    let corrected = async || {
        look().await;
        (tags_of(&stage, &id).await.len() == whole.len()).then_some(())
    };
    assert!(poll(SOON, corrected).await.is_some(), "{}", stage.log_tail());
    assert!(stage.event("web", "DriftCorrected").await.contains("team-a"));
    set_tags(&stage, &id, &fewer).await;
    let limited = async || {
        look().await;
        let machine = stage.get("CloudMachine", "web").await.expect("the machine");
        let said = condition(&machine, "Drifted")["message"].to_string();
        said.contains("maxCorrectionsPerHour").then_some(())
    };
    assert!(poll(SOON, limited).await.is_some(), "{}", stage.log_tail());
    assert!(!tags_of(&stage, &id).await.contains(&"team-a".to_owned()));
}

// Mistakes that others made, one each.

/// Nothing is held before an authenticated read: what was never served can be deleted at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_finalizer_before_the_first_authenticated_read() {
    let stage = Stage::start().await;
    stage.apply(&shelf("shelf")).await;
    stage.apply(&crate::harness::secret("first", &json!({"token": "wrong"}))).await;
    stage.apply(&crate::harness::provider("first", "shelf", "north")).await;
    stage.reason("Provider", "first", "Unauthorized").await;
    stage.apply(&web(&["first"])).await;
    let looked = |machine: &Value| machine["status"]["observedGeneration"] == 1;
    let machine = stage.until("CloudMachine", "web", "looked at", looked).await;
    assert!(machine["metadata"]["finalizers"].is_null(), "{machine}");
    let provider = stage.get("Provider", "first").await.expect("the Provider");
    assert!(provider["metadata"]["finalizers"].is_null(), "{provider}");
    for (kind, name) in [("CloudMachine", "web"), ("Provider", "first"), ("Secret", "first")] {
        stage.delete(kind, name).await;
        stage.gone(kind, name).await;
    }
}

/// A namespace whose provider is dead waits and says for what; letting go ends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_with_a_dead_provider_can_be_let_go() {
    let stage = Stage::start().await;
    stage.shelf_account().await;
    stage.apply(&web(&["first"])).await;
    stage.running("web").await;
    stage.fault(FaultSpec::new("shelf", "outage")).await;
    stage.delete("Namespace", &stage.namespace.clone()).await;
    let held = |machine: &Value| ready(machine)["reason"] == "Deleting";
    stage.until("CloudMachine", "web", "held", held).await;
    let detach = json!({"metadata": {"annotations": {"infrafabric.io/detach": "true"}}});
    stage.merge("CloudMachine", "web", detach).await;
    stage.gone("CloudMachine", "web").await;
    stage.gone("Namespace", &stage.namespace.clone()).await;
    assert_eq!(stage.things().await.len(), 1, "it stays at the provider");
}

/// Credentials that are revoked before the deletion do not make the machine look gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoked_credentials_do_not_prove_anything_gone() {
    let stage = Stage::start().await;
    stage.shelf_account().await;
    stage.apply(&web(&["first"])).await;
    stage.running("web").await;
    let revoked = stage.fault(FaultSpec::new("shelf", "revoked")).await;
    stage.delete("CloudMachine", "web").await;
    let told = |machine: &Value| {
        let message = ready(machine)["message"].as_str().unwrap_or_default().to_owned();
        ready(machine)["reason"] == "Deleting" && message.contains("first")
    };
    stage.until("CloudMachine", "web", "told", told).await;
    let vanished =
        poll(QUIET, async || stage.get("CloudMachine", "web").await.is_none().then_some(()));
    assert_eq!(vanished.await, None);
    assert_eq!(stage.things().await.len(), 1);
    stage.world.clear_fault(revoked).await.expect("cleared");
    look_at(&stage, "Provider", "first", "1").await;
    stage.gone("CloudMachine", "web").await;
    assert!(stage.things().await.is_empty());
}

/// The kind's own definition changes while a create is under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_the_crd_during_a_create_changes_nothing() {
    let stage = Stage::start().await;
    stage.shelf_account().await;
    let hold = stage.fault(FaultSpec::new("shelf", "hold").on("machine.create")).await;
    stage.apply(&web(&["first"])).await;
    stage.held(hold).await;
    stage.change_crd("cloudmachines.infrafabric.io", "e2e").await;
    stage.world.clear_fault(hold).await.expect("cleared");
    stage.running("web").await;
    assert_eq!(stage.creations().await.len(), 1);
    let deleted = stage.ledger().await.entries;
    assert!(deleted.iter().all(|entry| entry.effect != Effect::Delete));
}

/// A list that shows what is gone already is not believed by an object of the same name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_late_list_still_shows_is_not_taken() {
    let stage = Stage::hasty().await;
    stage.shelf_account().await;
    stage.apply(&web(&["first"])).await;
    stage.running("web").await;
    stage.delete("CloudMachine", "web").await;
    stage.gone("CloudMachine", "web").await;
    let lag = FaultSpec { by: Some(Span("200ms".to_owned())), ..FaultSpec::new("shelf", "lag") };
    stage.fault(lag.on("machine.list")).await;
    stage.apply(&web(&["first"])).await;
    stage.running("web").await;
    assert_eq!(stage.creations().await.len(), 2);
    assert_eq!(stage.things().await.len(), 1);
}
