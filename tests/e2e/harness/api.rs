//! The Kubernetes API as tests use it: objects are JSON, a kind is its name.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch,
    PatchParams, PostParams, ValidationDirective,
};
use serde_json::{Value, json};

use super::stage::Stage;
use super::{SOON, poll};

const OURS: &str = "infrafabric.io/v1alpha1";
/// The kinds that the project owns.
pub(crate) const KINDS: [&str; 3] = ["CloudMachine", "Provider", "ProviderDefinition"];

fn resource(kind: &str) -> (ApiResource, bool) {
    let (api_version, namespaced) = match kind {
        "CloudMachine" | "Provider" => (OURS, true),
        "ProviderDefinition" => (OURS, false),
        "Namespace" => ("v1", false),
        "Secret" | "ConfigMap" => ("v1", true),
        "Event" => ("events.k8s.io/v1", true),
        other => panic!("no kind {other}"),
    };
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    (ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind)), namespaced)
}

/// The `Ready` condition.
pub(crate) fn ready(object: &Value) -> Value {
    condition(object, "Ready")
}

/// A condition; null when there is none.
pub(crate) fn condition(object: &Value, wanted: &str) -> Value {
    let all = object["status"]["conditions"].as_array();
    let found = all.into_iter().flatten().find(|condition| condition["type"] == wanted);
    found.cloned().unwrap_or_default()
}

impl Stage {
    /// The objects of a kind, in the test's namespace where the kind has one.
    pub(crate) fn api(&self, kind: &str) -> Api<DynamicObject> {
        match resource(kind) {
            (resource, true) => {
                Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
            }
            (resource, false) => Api::all_with(self.client.clone(), &resource),
        }
    }

    /// Applies a manifest as kubectl does, under strict validation.
    pub(crate) async fn try_apply(&self, manifest: &Value) -> Result<Value, kube::Error> {
        let kind = manifest["kind"].as_str().expect("a kind");
        let name = manifest["metadata"]["name"].as_str().expect("a name");
        let mut manifest = manifest.clone();
        if let Some(metadata) = manifest["metadata"].as_object_mut() {
            // The test's own namespace, whatever the manifest says.
            metadata.remove("namespace");
        }
        let params = PatchParams {
            field_validation: Some(ValidationDirective::Strict),
            ..PatchParams::apply("e2e").force()
        };
        let applied = self.api(kind).patch(name, &params, &Patch::Apply(&manifest)).await?;
        Ok(serde_json::to_value(applied).expect("JSON"))
    }

    /// Applies a manifest as kubectl does without `--server-side`: a create, or another whole
    /// in its place, under strict validation; once more when somebody else wrote in between.
    pub(crate) async fn apply_by_client(&self, manifest: &Value) -> Result<Value, kube::Error> {
        for _ in 0..5 {
            match self.apply_once(manifest).await {
                Err(kube::Error::Api(status)) if status.is_conflict() => {}
                done => return done,
            }
        }
        self.apply_once(manifest).await
    }

    async fn apply_once(&self, manifest: &Value) -> Result<Value, kube::Error> {
        let kind = manifest["kind"].as_str().expect("a kind");
        let name = manifest["metadata"]["name"].as_str().expect("a name");
        let mut manifest = manifest.clone();
        let namespace = self.api(kind).namespace().map(ToOwned::to_owned);
        manifest["metadata"]["namespace"] = namespace.into();
        let api = self.api(kind);
        let url = kube::core::Request::new(api.resource_url());
        let mut request = if let Some(there) = self.get(kind, name).await {
            manifest["metadata"]["resourceVersion"] = there["metadata"]["resourceVersion"].clone();
            let body = serde_json::to_vec(&manifest).expect("JSON");
            url.replace(name, &PostParams::default(), body).expect("a request")
        } else {
            let body = serde_json::to_vec(&manifest).expect("JSON");
            url.create(&PostParams::default(), body).expect("a request")
        };
        let strict = format!("{}?fieldValidation=Strict", request.uri().path());
        *request.uri_mut() = strict.parse().expect("a path");
        self.client.request(request).await
    }

    /// Applies a manifest that must be accepted.
    pub(crate) async fn apply(&self, manifest: &Value) -> Value {
        let (kind, name) = (&manifest["kind"], &manifest["metadata"]["name"]);
        self.try_apply(manifest).await.unwrap_or_else(|e| panic!("apply {kind} {name}: {e}"))
    }

    /// Applies a manifest that must be refused; gives the refusal.
    pub(crate) async fn refusal(&self, manifest: &Value) -> String {
        match self.apply_by_client(manifest).await {
            Err(error) => error.to_string(),
            Ok(_) => panic!("accepted, and must be refused: {manifest}"),
        }
    }

    /// Merges into an object.
    pub(crate) async fn merge(&self, kind: &str, name: &str, change: Value) {
        let params = PatchParams::default();
        let done = self.api(kind).patch(name, &params, &Patch::Merge(change)).await;
        done.unwrap_or_else(|e| panic!("merge into {kind} {name}: {e}"));
    }

    /// An object, if it exists.
    pub(crate) async fn get(&self, kind: &str, name: &str) -> Option<Value> {
        let found = self.api(kind).get_opt(name).await;
        let found = found.unwrap_or_else(|e| panic!("get {kind} {name}: {e}"))?;
        Some(serde_json::to_value(found).expect("JSON"))
    }

    /// All objects of a kind.
    pub(crate) async fn list(&self, kind: &str) -> Vec<Value> {
        self.try_list(kind).await.unwrap_or_else(|e| panic!("list {kind}: {e}"))
    }

    /// All objects of a kind, where the API may be ill.
    pub(crate) async fn try_list(&self, kind: &str) -> Result<Vec<Value>, kube::Error> {
        let all = self.api(kind).list(&ListParams::default()).await?;
        Ok(all.items.iter().map(|item| serde_json::to_value(item).expect("JSON")).collect())
    }

    /// Begins to delete an object.
    pub(crate) async fn delete(&self, kind: &str, name: &str) {
        let done = self.api(kind).delete(name, &DeleteParams::default()).await;
        done.unwrap_or_else(|e| panic!("delete {kind} {name}: {e}"));
    }

    /// Waits until the object is as wanted.
    pub(crate) async fn until(
        &self,
        kind: &str,
        name: &str,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let found = poll(SOON, async || self.get(kind, name).await.filter(|object| wanted(object)));
        if let Some(found) = found.await {
            return found;
        }
        let last = self.get(kind, name).await.unwrap_or_default();
        let status = serde_json::to_string_pretty(&last["status"]).unwrap_or_default();
        panic!("{kind} {name} did not become {what}: {status}\n{}", self.log_tail());
    }

    /// Waits until the machine runs.
    pub(crate) async fn running(&self, name: &str) -> Value {
        let runs = |machine: &Value| {
            machine["status"]["state"] == "Running" && ready(machine)["status"] == "True"
        };
        self.until("CloudMachine", name, "Running and Ready", runs).await
    }

    /// Waits until `Ready` has the reason.
    pub(crate) async fn reason(&self, kind: &str, name: &str, reason: &str) -> Value {
        self.until(kind, name, reason, |object| ready(object)["reason"] == reason).await
    }

    /// Waits until the object does not exist.
    pub(crate) async fn gone(&self, kind: &str, name: &str) {
        let gone = poll(SOON, async || self.get(kind, name).await.is_none().then_some(())).await;
        if gone.is_none() {
            let last = self.get(kind, name).await.unwrap_or_default();
            panic!("{kind} {name} is still there: {last:#}\n{}", self.log_tail());
        }
    }

    /// Notes of the events about an object.
    pub(crate) async fn events(&self, name: &str) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let events = self.list("Event").await;
        let about = events.iter().filter(|event| event["regarding"]["name"] == name);
        about.map(|event| (text(&event["reason"]), text(&event["note"]))).collect()
    }

    /// Waits until there is an event about the object with the reason; gives its note.
    pub(crate) async fn event(&self, name: &str, reason: &str) -> String {
        let found = poll(SOON, async || {
            let events = self.events(name).await;
            events.into_iter().find(|(found, _)| found == reason).map(|(_, note)| note)
        });
        found.await.unwrap_or_else(|| panic!("no event {reason} about {name}"))
    }

    /// All objects of a kind in all namespaces.
    pub(super) async fn everywhere(&self, kind: &str) -> Vec<DynamicObject> {
        let all: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource(kind).0);
        all.list(&ListParams::default()).await.expect("a list").items
    }

    /// Deletes an object without waiting for anybody.
    pub(super) async fn drop_finalizers(&self, kind: &str, object: &DynamicObject) {
        let (resource, _) = resource(kind);
        let api = match &object.metadata.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::<DynamicObject>::all_with(self.client.clone(), &resource),
        };
        let name = object.metadata.name.clone().unwrap_or_default();
        let change = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        // Another deletion may have been faster.
        let _ = api.patch(&name, &PatchParams::default(), &change).await;
        let _ = api.delete(&name, &DeleteParams::default()).await;
    }

    /// Changes a CustomResourceDefinition in a way that means nothing, as an upgrade does.
    pub(crate) async fn change_crd(&self, name: &str, mark: &str) {
        let crds: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        let change = json!({"metadata": {"annotations": {"changed-by": mark}},
                            "spec": {"names": {"categories": ["infrafabric", mark]}}});
        let changed = crds.patch(name, &PatchParams::default(), &Patch::Merge(change)).await;
        changed.unwrap_or_else(|e| panic!("change {name}: {e}"));
    }

    /// Makes the namespace of the test, and that of the operator.
    pub(super) async fn namespaces(&self) {
        for name in [&self.namespace, &self.system()] {
            let manifest =
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            self.apply(&manifest).await;
        }
    }
}
