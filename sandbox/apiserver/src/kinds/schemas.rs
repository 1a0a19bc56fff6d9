//! The fields, list types and keys of the built-in kinds.

use serde_json::{Value, json};

use super::Builtin;
use super::shape::{
    any, atomic, boolean, described, free, integer, keyed, kind, list, map, nullable, object, set,
    string, time,
};

/// Times with six decimals, neither more nor fewer.
pub(super) const MICRO_TIME: &str = "micro-time";

/// The schema of a built-in kind.
pub(super) fn document(builtin: Builtin) -> Value {
    match builtin {
        Builtin::Namespace => namespace(),
        Builtin::Secret => secret(),
        Builtin::ConfigMap => config_map(),
        Builtin::ServiceAccount => service_account(),
        Builtin::Node => node(),
        Builtin::CoreEvent => core_event(),
        Builtin::Event => event(),
        Builtin::Lease => lease(),
        Builtin::CustomResourceDefinition => custom_resource_definition(),
        Builtin::AccessReview => kind(
            "SelfSubjectAccessReview checks whether or not the current user can perform an action.",
            [("spec", free()), ("status", free())],
        ),
        Builtin::RulesReview => kind(
            "SelfSubjectRulesReview enumerates the set of actions the current user can perform.",
            [("spec", object([("namespace", string())])), ("status", free())],
        ),
        Builtin::SubjectReview => kind(
            "SelfSubjectReview contains the user information of the requester.",
            [("status", free())],
        ),
    }
}

fn condition() -> Value {
    object([
        ("type", string()),
        ("status", string()),
        ("reason", string()),
        ("message", string()),
        ("lastTransitionTime", time()),
        ("lastHeartbeatTime", time()),
        ("observedGeneration", integer()),
    ])
}

fn namespace() -> Value {
    kind(
        "Namespace provides a scope for Names.",
        [
            ("spec", object([("finalizers", list(string()))])),
            ("status", object([("phase", string()), ("conditions", keyed(["type"], condition()))])),
        ],
    )
}

fn secret() -> Value {
    kind(
        "Secret holds secret data of a certain type.",
        [
            (
                "data",
                described(
                    map(json!({"type": "string", "format": "byte"})),
                    "Data contains the secret data, base64 encoded.",
                ),
            ),
            ("immutable", boolean()),
            ("stringData", map(string())),
            ("type", string()),
        ],
    )
}

fn config_map() -> Value {
    kind(
        "ConfigMap holds configuration data for pods to consume.",
        [
            ("binaryData", map(json!({"type": "string", "format": "byte"}))),
            ("data", described(map(string()), "Data contains the configuration data.")),
            ("immutable", boolean()),
        ],
    )
}

fn reference() -> Value {
    atomic(object([
        ("apiVersion", string()),
        ("fieldPath", string()),
        ("kind", string()),
        ("name", string()),
        ("namespace", string()),
        ("resourceVersion", string()),
        ("uid", string()),
    ]))
}

fn service_account() -> Value {
    kind(
        "ServiceAccount binds together a name, a principal and a set of secrets.",
        [
            ("automountServiceAccountToken", boolean()),
            ("imagePullSecrets", list(atomic(object([("name", string())])))),
            ("secrets", keyed(["name"], reference())),
        ],
    )
}

fn node() -> Value {
    let address = object([("address", string()), ("type", string())]);
    let ports = object([("kubeletEndpoint", object([("Port", integer())]))]);
    let status = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true,
    "properties": {
        "addresses": keyed(["type"], address),
        "allocatable": map(any()),
        "capacity": map(any()),
        "conditions": keyed(["type"], condition()),
        "daemonEndpoints": ports,
        "nodeInfo": free(),
        "phase": string(),
    }});
    let taint = object([
        ("effect", string()),
        ("key", string()),
        ("timeAdded", time()),
        ("value", string()),
    ]);
    let spec = object([
        ("podCIDR", string()),
        ("podCIDRs", set(string())),
        ("providerID", string()),
        ("taints", list(taint)),
        ("unschedulable", boolean()),
    ]);
    kind("Node is a worker node in Kubernetes.", [("spec", spec), ("status", status)])
}

fn micro_time() -> Value {
    json!({"type": "string", "format": MICRO_TIME, "nullable": true})
}

fn series() -> Value {
    object([("count", integer()), ("lastObservedTime", micro_time())])
}

fn source() -> Value {
    object([("component", string()), ("host", string())])
}

fn core_event() -> Value {
    kind(
        "Event is a report of an event somewhere in the cluster.",
        [
            ("action", string()),
            ("count", integer()),
            ("eventTime", micro_time()),
            ("firstTimestamp", nullable(time())),
            ("involvedObject", reference()),
            ("lastTimestamp", nullable(time())),
            ("message", string()),
            ("reason", string()),
            ("related", reference()),
            ("reportingComponent", string()),
            ("reportingInstance", string()),
            ("series", series()),
            ("source", source()),
            ("type", string()),
        ],
    )
}

fn event() -> Value {
    kind(
        "Event is a report of an event somewhere in the cluster.",
        [
            ("action", string()),
            ("deprecatedCount", integer()),
            ("deprecatedFirstTimestamp", nullable(time())),
            ("deprecatedLastTimestamp", nullable(time())),
            ("deprecatedSource", source()),
            ("eventTime", micro_time()),
            ("note", string()),
            ("reason", string()),
            ("regarding", reference()),
            ("related", reference()),
            ("reportingController", string()),
            ("reportingInstance", string()),
            ("series", series()),
            ("type", string()),
        ],
    )
}

fn lease() -> Value {
    kind(
        "Lease defines a lease concept.",
        [(
            "spec",
            object([
                ("acquireTime", micro_time()),
                ("holderIdentity", string()),
                ("leaseDurationSeconds", integer()),
                ("leaseTransitions", integer()),
                ("preferredHolder", string()),
                ("renewTime", micro_time()),
                ("strategy", string()),
            ]),
        )],
    )
}

fn definition_names() -> Value {
    object([
        ("categories", list(string())),
        ("kind", string()),
        ("listKind", string()),
        ("plural", string()),
        ("shortNames", list(string())),
        ("singular", string()),
    ])
}

fn definition_version() -> Value {
    let column = object([
        ("description", string()),
        ("format", string()),
        ("jsonPath", string()),
        ("name", string()),
        ("priority", integer()),
        ("type", string()),
    ]);
    let scale = object([
        ("labelSelectorPath", string()),
        ("specReplicasPath", string()),
        ("statusReplicasPath", string()),
    ]);
    object([
        ("additionalPrinterColumns", list(column)),
        ("deprecated", boolean()),
        ("deprecationWarning", string()),
        ("name", string()),
        // Checked by the schema parser, which knows its form better than a table of fields.
        ("schema", object([("openAPIV3Schema", any())])),
        ("selectableFields", list(object([("jsonPath", string())]))),
        ("served", boolean()),
        ("storage", boolean()),
        ("subresources", object([("scale", scale), ("status", free())])),
    ])
}

fn custom_resource_definition() -> Value {
    kind(
        "CustomResourceDefinition represents a resource that should be exposed on the API server.",
        [
            (
                "spec",
                object([
                    ("conversion", object([("strategy", string()), ("webhook", free())])),
                    ("group", string()),
                    ("names", definition_names()),
                    ("preserveUnknownFields", boolean()),
                    ("scope", string()),
                    ("versions", list(definition_version())),
                ]),
            ),
            (
                "status",
                object([
                    ("acceptedNames", definition_names()),
                    ("conditions", nullable(keyed(["type"], condition()))),
                    ("observedGeneration", integer()),
                    ("storedVersions", list(string())),
                ]),
            ),
        ],
    )
}
