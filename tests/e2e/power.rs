//! Machines that are switched, resized and left to expire by their objects.

use std::time::Duration;

use infrafabric_world::{Effect, FaultSpec};
use serde_json::{Value, json};

use crate::harness::{
    QUIET, SOON, Setup, Stage, cloud, condition, poll, provider, ready, request, secret, web,
};

/// A built-in cloud whose lists are late by no more than a test can wait, and its one account.
struct Cloud {
    stage: Stage,
    name: String,
    token: &'static str,
}

impl Cloud {
    async fn start(definition: &str, token: &'static str, region: &str) -> Self {
        let mut manifest = cloud(definition);
        let name = format!("{definition}-now");
        manifest["metadata"]["name"] = json!(name);
        manifest["spec"]["objects"]["machine"]["identity"]["lag"] = json!("200ms");
        let setup = Setup { definitions: vec![manifest.clone()], ..Setup::default() };
        let stage = Stage::with(setup.arguments(&["--call-deadline=1"])).await;
        stage.apply(&manifest).await;
        stage.apply(&secret("first", &json!({"token": token}))).await;
        stage.apply(&provider("first", &name, region)).await;
        Self { stage, name, token }
    }

    async fn linode() -> Self {
        Self::start("linode", "linode-sandbox-token", "eu-central").await
    }

    /// How often a verb took effect, by the provider's own books.
    async fn effects(&self, verb: &str) -> usize {
        let operation = format!("machine.{verb}");
        let entries = self.stage.ledger().await.entries;
        let changes = entries.iter().filter(|entry| entry.effect == Effect::Change);
        changes.filter(|entry| entry.operation == operation).count()
    }

    /// Switches the machine as a person does at the vendor's own console.
    async fn by_hand(&self, what: &str) {
        let id = self.stage.things().await[0].id.clone();
        let path = format!("/p/{}/linode/instances/{id}/{what}", self.name);
        let authorization = format!("Bearer {}", self.token);
        let headers =
            [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let reply = request(self.stage.world_address(), "POST", &path, &headers, "{}").await;
        assert_eq!(reply.expect("an answer").status, 200);
    }

    async fn want(&self, change: Value) {
        self.stage.merge("CloudMachine", "web", json!({"spec": change})).await;
    }

    async fn is(&self, reason: &str) -> Value {
        self.stage.reason("CloudMachine", "web", reason).await
    }

    /// Waits until `Drifted` says that.
    async fn told(&self, says: &str, within: Duration) -> Value {
        let told = async || {
            let token = format!("{:?}", std::time::Instant::now());
            let now = json!({"metadata": {"annotations": {"infrafabric.io/reconcile-requested-at": token}}});
            self.stage.merge("Provider", "first", now).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            let machine = self.stage.get("CloudMachine", "web").await.expect("the machine");
            let drift = condition(&machine, "Drifted")["message"].to_string();
            drift.contains(says).then_some(machine)
        };
        let told = poll(within, told).await;
        told.unwrap_or_else(|| panic!("`{says}` is not told\n{}", self.stage.log_tail()))
    }
}

/// `web` by a size and not by requirements.
fn sized(size: &str) -> Value {
    let mut machine = web(&["first"]);
    machine["spec"].as_object_mut().expect("a spec").remove("requirements");
    machine["spec"]["size"] = json!(size);
    machine
}

fn stops_as_wanted(machine: &Value) -> bool {
    let ready = ready(machine);
    ready["reason"] == "StoppedAsWanted"
        && ready["status"] == "True"
        && machine["status"]["state"] == "Stopped"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_stops_and_starts_by_wish_once_each() {
    let cloud = Cloud::linode().await;
    let mut machine = web(&["first"]);
    // What is wanted stopped is made, runs, and is stopped.
    machine["spec"]["powerState"] = json!("Stopped");
    machine["spec"]["maxCorrectionsPerHour"] = json!(1);
    cloud.stage.apply(&machine).await;
    let stopped = |machine: &Value| stops_as_wanted(machine);
    let machine = cloud.stage.until("CloudMachine", "web", "stopped", stopped).await;
    assert!(ready(&machine)["message"].to_string().contains("g6-standard-2 in eu-central"));
    assert!(condition(&machine, "Drifted").is_null() && condition(&machine, "Stalled").is_null());
    assert_eq!(machine["status"]["active"]["powerState"], "Stopped");
    cloud.want(json!({"powerState": "Running"})).await;
    let machine = cloud.stage.running("web").await;
    assert_eq!(machine["status"]["active"]["powerState"], "Running");
    assert!(machine["status"]["corrections"].is_null(), "a wish is no correction");
    assert_eq!(cloud.stage.creations().await.len(), 1);
    assert_eq!((cloud.effects("stop").await, cloud.effects("start").await), (1, 1));
    let note = cloud.stage.event("web", "Changed").await;
    assert!(note == "stopped the machine" || note == "started the machine", "{note}");
    cloud.stage.witness_fits_the_ledger().await;
}

/// One that somebody else stopped is drift, and so is one that somebody else started.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_else_switches_is_drift() {
    let cloud = Cloud::linode().await;
    cloud.stage.apply(&web(&["first"])).await;
    cloud.stage.running("web").await;
    cloud.by_hand("shutdown").await;
    // A machine that was just made may be shown as stopped for a minute.
    let machine = cloud.told("it was stopped", Duration::from_secs(100)).await;
    assert_eq!(ready(&machine)["reason"], "NotRunning");
    assert_eq!(cloud.effects("start").await, 0, "it is only told");
    // What was stopped already is not stopped again when that is wanted.
    cloud.want(json!({"powerState": "Stopped"})).await;
    let machine = cloud.is("StoppedAsWanted").await;
    assert_eq!(machine["status"]["active"]["externalId"], cloud.stage.things().await[0].id);
    let remembered = |machine: &Value| machine["status"]["active"]["powerState"] == "Stopped";
    cloud.stage.until("CloudMachine", "web", "remembered", remembered).await;
    assert_eq!(cloud.effects("stop").await, 1, "the other one's");
    cloud.by_hand("boot").await;
    cloud.told("it runs although it was told to stop", SOON).await;
    cloud.is("NotStopped").await;
    cloud.want(json!({"onDrift": "Correct"})).await;
    let stopped = |machine: &Value| stops_as_wanted(machine);
    let machine = cloud.stage.until("CloudMachine", "web", "stopped", stopped).await;
    assert_eq!(machine["status"]["corrections"].as_array().map(Vec::len), Some(1));
    assert_eq!(cloud.effects("stop").await, 2);
}

/// The answer to a stop is lost: the machine is looked at, or asked again with the same token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_stop_is_one() {
    let cloud = Cloud::linode().await;
    cloud.stage.apply(&web(&["first"])).await;
    cloud.stage.running("web").await;
    // Nothing happened, and nobody knows.
    let stop = |fault: &str| FaultSpec::new(&cloud.name, fault).on("machine.stop").times(1);
    cloud.stage.fault(stop("outage")).await;
    cloud.want(json!({"powerState": "Stopped"})).await;
    cloud.is("StoppedAsWanted").await;
    assert_eq!(cloud.stage.asked(&cloud.name, "machine.stop").await, 2);
    assert_eq!(cloud.effects("stop").await, 1);
    let entries = cloud.stage.witnessed(&cloud.stage.running_operator().serving);
    let stops: Vec<_> = entries.iter().filter(|entry| entry.verb == "machine.stop").collect();
    assert!(stops.len() >= 3 && stops.iter().all(|stop| stop.token == stops[0].token), "{stops:?}");
    cloud.want(json!({"powerState": "Running"})).await;
    cloud.stage.running("web").await;
    // It happened, and nobody knows: what is seen ends it.
    cloud.stage.fault(stop("lost")).await;
    cloud.want(json!({"powerState": "Stopped"})).await;
    let settled = |machine: &Value| {
        stops_as_wanted(machine)
            && machine["status"]["operation"].is_null()
            && machine["status"]["active"]["powerState"] == "Stopped"
    };
    cloud.stage.until("CloudMachine", "web", "stopped and settled", settled).await;
    assert!(cloud.effects("stop").await <= 3);
    cloud.stage.witness_fits_the_ledger().await;
}

/// What the definition has no words for is said, and no request leaves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_cannot_is_not_asked() {
    let stage = Stage::start().await;
    stage.shelf_account().await;
    stage.apply(&sized("medium")).await;
    stage.running("web").await;
    let wants = json!({"spec": {"powerState": "Stopped", "size": "large"}});
    stage.merge("CloudMachine", "web", wants).await;
    let machine = stage.reason("CloudMachine", "web", "Unsupported").await;
    assert_eq!(condition(&machine, "Stalled")["status"], "True");
    assert!(ready(&machine)["message"].to_string().contains("set powerState to Running"));
    let drift = condition(&machine, "Drifted")["message"].to_string();
    assert!(drift.contains("its size is medium and not large, and the provider cannot change it"));
    let effects = stage.ledger().await.entries.len();
    let more =
        poll(QUIET, async || (stage.ledger().await.entries.len() > effects).then_some(())).await;
    assert_eq!(more, None);
    stage.merge("CloudMachine", "web", json!({"spec": {"powerState": "Running"}})).await;
    let machine = stage.running("web").await;
    assert!(condition(&machine, "Drifted")["message"].to_string().contains("medium"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_gets_another_size() {
    let cloud = Cloud::linode().await;
    cloud.stage.apply(&sized("g6-standard-1")).await;
    let machine = cloud.stage.running("web").await;
    let price = machine["status"]["active"]["pricePerHour"].clone();
    cloud.want(json!({"size": "g6-standard-2"})).await;
    let bigger = |machine: &Value| machine["status"]["active"]["size"] == "g6-standard-2";
    let machine = cloud.stage.until("CloudMachine", "web", "bigger", bigger).await;
    assert_ne!(machine["status"]["active"]["pricePerHour"], price, "the price follows");
    let said = |machine: &Value| {
        let ready = ready(machine);
        ready["status"] == "True" && ready["message"].to_string().contains("g6-standard-2")
    };
    cloud.stage.until("CloudMachine", "web", "running as the bigger one", said).await;
    assert_eq!(cloud.effects("resize").await, 1);
    assert_eq!(cloud.stage.creations().await.len(), 1, "it is the same machine");
    // What the catalog has not is not asked for.
    cloud.want(json!({"size": "g9-none"})).await;
    cloud.told("size g9-none is not in the provider's catalog", SOON).await;
    assert_eq!(cloud.effects("resize").await, 1);
    // As it was: nothing is asked.
    cloud.want(json!({"size": "g6-standard-2"})).await;
    let same = |machine: &Value| condition(machine, "Drifted").is_null();
    cloud.stage.until("CloudMachine", "web", "as wanted", same).await;
    assert_eq!(cloud.effects("resize").await, 1);
    cloud.stage.witness_fits_the_ledger().await;
}

/// Where a machine must be stopped for it, a person stops it, and nothing is asked before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_size_waits_for_the_stop_where_it_must() {
    let cloud = Cloud::start("digitalocean", "dop_v1_sandbox", "fra1").await;
    cloud.stage.apply(&sized("s-1vcpu-1gb")).await;
    cloud.stage.running("web").await;
    cloud.want(json!({"size": "s-2vcpu-4gb"})).await;
    cloud.told("only while the machine is stopped", SOON).await;
    assert_eq!(cloud.stage.asked(&cloud.name, "machine.resize").await, 0);
    cloud.want(json!({"powerState": "Stopped"})).await;
    let bigger = |machine: &Value| {
        machine["status"]["active"]["size"] == "s-2vcpu-4gb" && stops_as_wanted(machine)
    };
    cloud.stage.until("CloudMachine", "web", "bigger", bigger).await;
    cloud.want(json!({"powerState": "Running"})).await;
    let machine = cloud.stage.running("web").await;
    assert!(condition(&machine, "Drifted").is_null(), "{machine}");
    for verb in ["stop", "resize", "start"] {
        assert_eq!(cloud.effects(verb).await, 1, "{verb}");
    }
    cloud.stage.witness_fits_the_ledger().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_expires_with_its_machine() {
    let stage = Stage::start().await;
    stage.shelf_account().await;
    let mut machine = web(&["first"]);
    machine["spec"]["expireAfter"] = json!("4s");
    stage.apply(&machine).await;
    let machine = stage.running("web").await;
    let expires = machine["status"]["expiresAt"].as_str().expect("a time").to_owned();
    let since = machine["status"]["active"]["since"].as_str().expect("a time");
    let at = |text: &str| chrono::DateTime::parse_from_rfc3339(text).expect("a time");
    assert_eq!(at(&expires) - at(since), chrono::TimeDelta::seconds(4));
    assert_eq!(condition(&machine, "Expiring")["status"], "True", "a minute before, or at once");
    stage.gone("CloudMachine", "web").await;
    assert!(stage.event("web", "ExpiresSoon").await.contains("the object is deleted at"));
    assert!(stage.event("web", "Expired").await.contains("expireAfter of 4s"));
    assert!(stage.things().await.is_empty());
    let deletions = stage.ledger().await.entries;
    let deletions = deletions.iter().filter(|entry| entry.effect == Effect::Delete).count();
    assert_eq!((stage.creations().await.len(), deletions), (1, 1));
    stage.witness_fits_the_ledger().await;
}

/// What is suspended stays, and so does everything while effects are stopped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_expires_that_is_suspended_or_stopped() {
    let stage = Stage::start().await;
    stage.shelf_account().await;
    let mut machine = web(&["first"]);
    machine["spec"]["deletionPolicy"] = json!("Orphan");
    stage.apply(&machine).await;
    stage.running("web").await;
    let suspended = json!({"spec": {"suspend": true, "expireAfter": "1s"}});
    stage.merge("CloudMachine", "web", suspended).await;
    stage.reason("CloudMachine", "web", "Suspended").await;
    let stays = async || {
        let gone = async || stage.get("CloudMachine", "web").await.is_none().then_some(());
        assert_eq!(poll(QUIET, gone).await, None);
    };
    stays().await;
    let stop = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "infrafabric-stop"},
                      "data": {"reason": "the show is on air"}});
    let system: kube::Api<k8s_openapi::api::core::v1::ConfigMap> =
        kube::Api::namespaced(stage.client.clone(), &stage.system());
    let stop = serde_json::from_value(stop).expect("a ConfigMap");
    system.create(&kube::api::PostParams::default(), &stop).await.expect("made");
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.merge("CloudMachine", "web", json!({"spec": {"suspend": false}})).await;
    stays().await;
    let machine = stage.running("web").await;
    assert!(machine["metadata"]["deletionTimestamp"].is_null());
    let gone = system.delete("infrafabric-stop", &kube::api::DeleteParams::default()).await;
    gone.expect("deleted");
    stage.gone("CloudMachine", "web").await;
    assert_eq!(stage.things().await.len(), 1, "by its policy the machine stays");
}
