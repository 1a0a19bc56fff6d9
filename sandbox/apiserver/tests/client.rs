//! What kube-rs does: create, read, patch, apply, finalize, watch.

mod harness;

use futures::TryStreamExt;
use harness::{eventually, refusal, widget, with_widgets};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace, Secret, ServiceAccount};
use kube::api::{
    Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, PropagationPolicy, ResourceExt,
};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::json;

#[tokio::test]
async fn secrets_are_created_listed_replaced_and_deleted() {
    let (server, client) = harness::server().await;
    let secrets: Api<Secret> = Api::default_namespaced(client.clone());
    let secret: Secret = serde_json::from_value(
        json!({"metadata": {"generateName": "key-", "labels": {"app": "web"}},
               "stringData": {"token": "hunter2"}}),
    )
    .unwrap();
    let created = secrets.create(&PostParams::default(), &secret).await.unwrap();
    assert_eq!(created.name_any().len(), "key-".len() + 5);
    assert_eq!(created.data.as_ref().unwrap()["token"].0, b"hunter2");
    assert_eq!(created.type_.as_deref(), Some("Opaque"));

    let chosen = secrets.list(&ListParams::default().labels("app in (web)")).await.unwrap();
    assert_eq!(chosen.items.len(), 1);
    let none = secrets.list(&ListParams::default().labels("app!=web")).await.unwrap();
    assert!(none.items.is_empty());

    let mut changed = created.clone();
    changed.labels_mut().insert("more".into(), "yes".into());
    let name = created.name_any();
    let replaced = secrets.replace(&name, &PostParams::default(), &changed).await.unwrap();
    assert_ne!(replaced.resource_version(), created.resource_version());
    let (code, reason, _) = refusal(secrets.replace(&name, &PostParams::default(), &changed).await);
    assert_eq!((code, reason.as_str()), (409, "Conflict"));
    let again = secrets.replace(&name, &PostParams::default(), &replaced).await.unwrap();
    assert_eq!(again.resource_version(), replaced.resource_version(), "a no-op writes nothing");

    secrets.delete(&name, &DeleteParams::default()).await.unwrap();
    let (code, _, message) = refusal(secrets.get(&name).await);
    assert_eq!((code, message), (404, format!("secrets \"{name}\" not found")));
    server.shutdown().await;
}

#[tokio::test]
async fn custom_objects_are_defaulted_pruned_and_judged() {
    let (server, _, widgets) = with_widgets().await;
    let spec = json!({"size": 3, "unknown": 1, "free": {"any": [1]}, "note": null, "amount": "5Gi",
        "ports": [{"name": "http", "port": 80}]});
    let created = widgets.create(&PostParams::default(), &widget("a", spec)).await.unwrap();
    assert_eq!(
        created.data["spec"],
        json!({"size": 3, "limit": 10, "free": {"any": [1]}, "note": null, "amount": "5Gi",
               "ports": [{"name": "http", "port": 80, "proto": "TCP"}]})
    );
    assert_eq!(created.data["status"], json!({"observedGeneration": -1}));
    assert_eq!(created.metadata.generation, Some(1));

    for (spec, cause) in [
        (json!({}), "spec.size: Required value"),
        (json!({"size": 11}), "size 11 is above limit 10"),
        (
            json!({"size": 1, "note": "too long"}),
            "spec.note: Too long: may not be more than 5 bytes",
        ),
        (json!({"size": 1, "color": "blue"}), "Unsupported value: \"blue\""),
        (
            json!({"size": 1, "ports": [{"name": "a"}, {"name": "a"}]}),
            "spec.ports[1]: Duplicate value",
        ),
        (json!({"size": 1, "amount": true}), "spec.amount in body must be of type integer,string"),
    ] {
        let refused = refusal(widgets.create(&PostParams::default(), &widget("b", spec)).await);
        assert_eq!((refused.0, refused.1.as_str()), (422, "Invalid"));
        assert!(refused.2.contains(cause), "{} lacks {cause}", refused.2);
    }
    server.shutdown().await;
}

#[tokio::test]
async fn generation_rises_with_meaning_and_status_is_apart() {
    let (server, _, widgets) = with_widgets().await;
    let params = PatchParams::default();
    widgets.create(&PostParams::default(), &widget("a", json!({"size": 3}))).await.unwrap();
    let labelled = widgets
        .patch("a", &params, &Patch::Merge(json!({"metadata": {"labels": {"x": "y"}}})))
        .await
        .unwrap();
    assert_eq!(labelled.metadata.generation, Some(1));
    let both = json!({"spec": {"size": 4}, "status": {"observedGeneration": 7}});
    let main = widgets.patch("a", &params, &Patch::Merge(&both)).await.unwrap();
    assert_eq!(main.metadata.generation, Some(2));
    assert_eq!(main.data["status"]["observedGeneration"], -1);
    let status = json!({"spec": {"size": 9}, "metadata": {"labels": {"x": "z"}},
        "status": {"observedGeneration": 2}});
    let status = widgets.patch_status("a", &params, &Patch::Merge(&status)).await.unwrap();
    assert_eq!(status.data["status"]["observedGeneration"], 2);
    assert_eq!(status.data["spec"]["size"], 4);
    assert_eq!(status.labels()["x"], "y");
    assert_eq!(status.metadata.generation, Some(2));
    server.shutdown().await;
}

#[tokio::test]
async fn apply_owns_conflicts_forces_and_removes() {
    let (server, _, widgets) = with_widgets().await;
    let config = |spec: serde_json::Value| {
        json!({"apiVersion": "example.com/v1", "kind": "Widget",
        "metadata": {"name": "a"}, "spec": spec})
    };
    let alice = PatchParams::apply("alice");
    let bob = PatchParams::apply("bob");
    let both = config(json!({"size": 3, "color": "red", "ports": [{"name": "http", "port": 80}]}));
    let first = widgets.patch("a", &alice, &Patch::Apply(&both)).await.unwrap();
    let entries = serde_json::to_value(&first.metadata.managed_fields).unwrap();
    assert_eq!(
        entries[0]["fieldsV1"],
        json!({"f:spec": {"f:color": {}, "f:ports": {"k:{\"name\":\"http\"}":
            {".": {}, "f:name": {}, "f:port": {}}}, "f:size": {}}})
    );
    // The status's default was shown, and is written now.
    let settled = widgets.patch("a", &alice, &Patch::Apply(&both)).await.unwrap();
    let again = widgets.patch("a", &alice, &Patch::Apply(&both)).await.unwrap();
    assert_eq!(again.resource_version(), settled.resource_version(), "a repeated apply is nothing");

    let more = config(json!({"size": 5}));
    let refused = refusal(widgets.patch("a", &bob, &Patch::Apply(&more)).await);
    assert_eq!(refused.0, 409);
    assert_eq!(refused.2, "Apply failed with 1 conflict: conflict with \"alice\": .spec.size");
    let forced = widgets.patch("a", &bob.clone().force(), &Patch::Apply(&more)).await.unwrap();
    assert_eq!(forced.data["spec"]["size"], 5);
    let less = config(json!({"color": "red"}));
    let removed = widgets.patch("a", &alice, &Patch::Apply(&less)).await.unwrap();
    assert_eq!(removed.data["spec"], json!({"size": 5, "limit": 10, "color": "red"}));

    let status = json!({"apiVersion": "example.com/v1", "kind": "Widget",
        "status": {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}]}});
    let applied = widgets.patch_status("a", &alice, &Patch::Apply(&status)).await.unwrap();
    assert_eq!(applied.data["status"]["conditions"][0]["type"], "Ready");
    let entry = applied.managed_fields().iter().find(|e| e.subresource.is_some()).unwrap();
    assert_eq!(entry.subresource.as_deref(), Some("status"));

    let mut stale = config(json!({"color": "red", "size": 6}));
    stale["metadata"] = json!({"resourceVersion": first.resource_version()});
    let refused = refusal(widgets.patch("a", &alice.clone().force(), &Patch::Apply(&stale)).await);
    assert_eq!((refused.0, refused.1.as_str()), (409, "Conflict"));
    let unknown = config(json!({"sise": 1}));
    let refused = refusal(widgets.patch("a", &alice, &Patch::Apply(&unknown)).await);
    assert_eq!(refused.0, 500);
    assert!(refused.2.ends_with(".spec.sise: field not declared in schema"), "{}", refused.2);
    server.shutdown().await;
}

#[tokio::test]
async fn finalizers_hold_and_their_removal_lets_go() {
    let (server, _, widgets) = with_widgets().await;
    let mut object = widget("a", json!({"size": 1}));
    object.metadata.finalizers = Some(vec!["example.com/hold".into()]);
    widgets.create(&PostParams::default(), &object).await.unwrap();
    let marked = widgets.delete("a", &DeleteParams::default()).await.unwrap().left().unwrap();
    assert!(marked.metadata.deletion_timestamp.is_some());
    assert_eq!(marked.metadata.generation, Some(2));
    let grow = json!({"metadata": {"finalizers": ["example.com/hold", "example.com/new"]}});
    let refused = refusal(widgets.patch("a", &PatchParams::default(), &Patch::Merge(&grow)).await);
    assert_eq!(refused.0, 422);
    assert!(refused.2.contains("no new finalizers can be added"), "{}", refused.2);
    let patch: json_patch::Patch = serde_json::from_value(json!([
        {"op": "test", "path": "/metadata/finalizers/0", "value": "example.com/hold"},
        {"op": "remove", "path": "/metadata/finalizers/0"}]))
    .unwrap();
    let patch = Patch::Json::<()>(patch);
    widgets.patch("a", &PatchParams::default(), &patch).await.unwrap();
    assert!(widgets.get_opt("a").await.unwrap().is_none());
    server.shutdown().await;
}

#[tokio::test]
async fn watchers_see_everything_in_order_also_by_streaming_lists() {
    let (server, client, _) = with_widgets().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let map = |name: &str| ConfigMap {
        metadata: kube::core::ObjectMeta { name: Some(name.into()), ..Default::default() },
        ..ConfigMap::default()
    };
    maps.create(&PostParams::default(), &map("before")).await.unwrap();
    // A controller publishes it a while after the namespace is there.
    eventually("the authority's certificate is published", async || {
        maps.get_opt("kube-root-ca.crt").await.unwrap().map(drop)
    })
    .await;
    for config in [watcher::Config::default().streaming_lists(), watcher::Config::default()] {
        let mut stream = Box::pin(watcher(maps.clone(), config).default_backoff());
        let mut initial = Vec::new();
        loop {
            match stream.try_next().await.unwrap().unwrap() {
                watcher::Event::InitApply(object) => initial.push(object.name_any()),
                watcher::Event::InitDone => break,
                _ => {}
            }
        }
        assert_eq!(initial, ["before", "kube-root-ca.crt"]);
        maps.create(&PostParams::default(), &map("later")).await.unwrap();
        let event = stream.try_next().await.unwrap().unwrap();
        assert!(matches!(&event, watcher::Event::Apply(o) if o.name_any() == "later"), "{event:?}");
        maps.delete("later", &DeleteParams::default()).await.unwrap();
        let event = stream.try_next().await.unwrap().unwrap();
        assert!(
            matches!(&event, watcher::Event::Delete(o) if o.name_any() == "later"),
            "{event:?}"
        );
    }
    server.shutdown().await;
}

#[tokio::test]
async fn leases_pass_between_holders_by_versions() {
    let (server, client) = harness::server().await;
    let leases: Api<Lease> = Api::default_namespaced(client);
    let lease: Lease = serde_json::from_value(json!({"metadata": {"name": "leader"},
        "spec": {"holderIdentity": "a", "leaseDurationSeconds": 15,
                 "renewTime": "2026-01-02T03:04:05.000006Z"}}))
    .unwrap();
    let held = leases.create(&PostParams::default(), &lease).await.unwrap();
    let mut taken = held.clone();
    taken.spec.as_mut().unwrap().holder_identity = Some("b".into());
    leases.replace("leader", &PostParams::default(), &taken).await.unwrap();
    let (code, ..) = refusal(leases.replace("leader", &PostParams::default(), &held).await);
    assert_eq!(code, 409);
    server.shutdown().await;
}

#[tokio::test]
async fn owners_take_their_dependents_along() {
    let (server, client, widgets) = with_widgets().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    for policy in [PropagationPolicy::Background, PropagationPolicy::Foreground] {
        let owner =
            widgets.create(&PostParams::default(), &widget("o", json!({"size": 1}))).await.unwrap();
        let map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "d",
            "ownerReferences": [{"apiVersion": "example.com/v1", "kind": "Widget", "name": "o",
                "uid": owner.uid(), "blockOwnerDeletion": true}]}}))
        .unwrap();
        maps.create(&PostParams::default(), &map).await.unwrap();
        let params = DeleteParams { propagation_policy: Some(policy), ..DeleteParams::default() };
        widgets.delete("o", &params).await.unwrap();
        eventually("both are gone", async || {
            let gone = maps.get_opt("d").await.unwrap().is_none()
                && widgets.get_opt("o").await.unwrap().is_none();
            gone.then_some(())
        })
        .await;
    }
    let orphan: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "d",
        "ownerReferences": [{"apiVersion": "example.com/v1", "kind": "Widget", "name": "o",
            "uid": "no-such-uid"}]}}))
    .unwrap();
    maps.create(&PostParams::default(), &orphan).await.unwrap();
    eventually("an owner of another uid is no owner", async || {
        maps.get_opt("d").await.unwrap().is_none().then_some(())
    })
    .await;
    server.shutdown().await;
}

#[tokio::test]
async fn namespaces_are_furnished_and_emptied() {
    let (server, client, _) = with_widgets().await;
    let spaces: Api<Namespace> = Api::all(client.clone());
    let space = serde_json::from_value(json!({"metadata": {"name": "work"}})).unwrap();
    spaces.create(&PostParams::default(), &space).await.unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "work");
    eventually("the account is there", async || accounts.get_opt("default").await.unwrap()).await;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "work");
    let roots = async || maps.get_opt("kube-root-ca.crt").await.unwrap();
    let roots = eventually("the certificates are there", roots).await;
    let pem = &roots.data.unwrap()["ca.crt"];
    assert!(server.ca_pem().is_none_or(|own| own == pem), "{pem}");

    let mut held = widget("held", json!({"size": 1}));
    held.metadata.finalizers = Some(vec!["example.com/hold".into()]);
    let widgets = Api::namespaced_with(client.clone(), "work", &harness::widget_resource());
    widgets.create(&PostParams::default(), &held).await.unwrap();
    spaces.delete("work", &DeleteParams::default()).await.unwrap();
    eventually("the map is gone", async || {
        maps.get_opt("kube-root-ca.crt").await.unwrap().is_none().then_some(())
    })
    .await;
    let refused =
        refusal(widgets.create(&PostParams::default(), &widget("new", json!({"size": 1}))).await);
    assert_eq!((refused.0, refused.1.as_str()), (403, "Forbidden"));
    assert!(refused.2.contains("because it is being terminated"), "{}", refused.2);
    let release = json!({"metadata": {"finalizers": null}});
    widgets.patch("held", &PatchParams::default(), &Patch::Merge(&release)).await.unwrap();
    eventually("the namespace is gone", async || {
        spaces.get_opt("work").await.unwrap().is_none().then_some(())
    })
    .await;
    let refused = refusal(spaces.delete("default", &DeleteParams::default()).await);
    assert_eq!(refused.0, 403);
    server.shutdown().await;
}

#[tokio::test]
async fn events_are_one_thing_in_two_views() {
    use k8s_openapi::api::events::v1::Event as NewEvent;
    let (server, client) = harness::server().await;
    let new: Api<NewEvent> = Api::default_namespaced(client.clone());
    let core: Api<Event> = Api::default_namespaced(client.clone());
    let event: NewEvent = serde_json::from_value(json!({"metadata": {"name": "e"},
        "eventTime": "2026-01-02T03:04:05.000006Z", "action": "Create", "reason": "Created",
        "note": "made it", "type": "Normal", "reportingController": "c",
        "reportingInstance": "c-1",
        "regarding": {"kind": "Widget", "name": "w", "namespace": client.default_namespace()}}))
    .unwrap();
    new.create(&PostParams::default(), &event).await.unwrap();
    let params = ListParams::default().fields("involvedObject.name=w,involvedObject.kind=Widget");
    let seen = core.list(&params).await.unwrap();
    assert_eq!(seen.items[0].message.as_deref(), Some("made it"));
    let series = json!({"series": {"count": 2, "lastObservedTime": "2026-01-02T03:05:05.000006Z"}});
    let patched = new.patch("e", &PatchParams::default(), &Patch::Merge(&series)).await.unwrap();
    assert_eq!(patched.series.unwrap().count, 2);
    assert_eq!(core.get("e").await.unwrap().series.unwrap().count, Some(2));
    server.shutdown().await;
}
