//! What a person does at the provider and at the API: makes things by hand, looks, and answers.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::faults::{Books, Kind};
use crate::harness::{BY_HAND, Stage, condition, ready, request};

const RESOLVE: &str = "infrafabric.io/resolve";
const LOOK: &str = "infrafabric.io/reconcile-requested-at";

/// Makes a machine at the provider's own console.
pub(crate) async fn make(stage: &Stage, kind: Kind, name: &str) {
    let body = json!({
        "name": by_hand(name), "region": "north", "size": "medium", "image": "ubuntu-24.04",
        "user_data": "", "tags": ["theirs"],
    });
    ask(stage, kind, "POST", "", &body).await;
}

/// The name at the provider of a machine that was made by hand.
fn by_hand(name: &str) -> String {
    format!("{BY_HAND}{name}")
}

/// The provider's identity of a machine that was made by hand.
pub(crate) async fn made(stage: &Stage, name: &str) -> String {
    let name = by_hand(name);
    let things = stage.things().await.into_iter();
    let mut ours = things.filter(|thing| thing.name.as_ref() == Some(&name));
    ours.next().expect("it was made by hand").id
}

/// A thing's tags.
pub(crate) async fn tags(stage: &Stage, kind: Kind, id: &str) -> Vec<String> {
    let shown = ask(stage, kind, "GET", &format!("/{id}"), &json!({})).await;
    serde_json::from_value(shown["machine"]["tags"].clone()).unwrap_or_default()
}

/// Faults are for the operator; whoever meets one here tries again.
async fn ask(stage: &Stage, kind: Kind, method: &str, path: &str, body: &Value) -> Value {
    let path = format!("/p/{}/machines{path}", kind.name());
    let headers = [("authorization", "Bearer bench-token"), ("content-type", "application/json")];
    let body = body.to_string();
    for _ in 0..5 {
        let reply = request(stage.world_address(), method, &path, &headers, &body).await;
        if let Ok(reply) = reply
            && (200..300).contains(&reply.status)
            && let Ok(shown) = serde_json::from_str::<Value>(&reply.body)
            && shown["machine"].is_object()
        {
            return shown;
        }
        assert_eq!(method, "GET", "{path}");
    }
    panic!("{method} {path} has no answer")
}

/// Whether an object waits for a person to say what became of its creation.
pub(crate) fn is_asked(machine: &Value) -> bool {
    ready(machine)["reason"] == "OutcomeUnknown"
        && condition(machine, "Stalled")["status"] == "True"
        && machine["status"]["operation"]["verb"] == "create"
        && machine["metadata"]["annotations"][RESOLVE].is_null()
}

/// Looks at the provider's books, and says what became of it; false when the object changed meanwhile.
pub(crate) async fn answer(stage: &Stage, machine: &Value) -> bool {
    let made = Books::of(stage).await.living(machine);
    let answer = made.map_or_else(|| "forget".to_owned(), |id| format!("adopt={id}"));
    let change = json!({"metadata": {
        "resourceVersion": machine["metadata"]["resourceVersion"],
        "annotations": {RESOLVE: answer},
    }});
    let name = machine["metadata"]["name"].as_str().expect("a name");
    let params = PatchParams::default();
    match stage.api("CloudMachine").patch(name, &params, &Patch::Merge(change)).await {
        Ok(_) => true,
        Err(kube::Error::Api(status)) if status.code == 409 => false,
        Err(error) => panic!("answer for {name}: {error}"),
    }
}

/// Asks for a look at the Provider now.
pub(crate) async fn look_at_provider(stage: &Stage, kind: Kind, token: &str) {
    let look = json!({"metadata": {"annotations": {LOOK: token}}});
    stage.merge("Provider", kind.account(), look).await;
}

/// What the Provider does with what belongs to no object.
pub(crate) async fn leftovers_go(stage: &Stage, kind: Kind, after: &str) {
    let policy = json!({"spec": {"leftovers": {"policy": "Delete", "after": after}}});
    stage.merge("Provider", kind.account(), policy).await;
}
