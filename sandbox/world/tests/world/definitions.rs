//! Definitions for the tests.

use std::sync::Arc;

use infrafabric_adapters::compile::Compiled;
use infrafabric_adapters::registry::Registry;
use serde_json::{Value, json};

/// A built-in definition.
pub(crate) fn built_in(name: &str) -> Arc<Compiled> {
    Registry::built_in().simulated(name).expect("built in")
}

/// A small JSON provider: ids are text, names are unique, creations carry an idempotency key, a
/// deleted thing lingers, pages are followed by number.
pub(crate) fn quay_manifest() -> Value {
    json!({
        "apiVersion": "infrafabric.io/v1alpha1",
        "kind": "ProviderDefinition",
        "metadata": {"name": "quay"},
        "spec": {
            "title": "Quay", "domain": "cloud", "docs": "https://quay.example/docs",
            "checked": "2026-11-22", "endpoint": "https://api.quay.example/v9",
            "auth": {"scheme": "bearer", "secret": ["token"]},
            "verify": {"get": "/me"},
            "objects": {"machine": {
                "identity": {"find": "tag", "lag": "5s", "key": true},
                "create": {
                    "post": "/boxes",
                    "headers": {"Idempotency-Key": "${token}"},
                    "json": {"name": "${want.name}", "where": {"region": "${want.region}"},
                             "size": "${want.size}", "user_data": "${want.userData}",
                             "tags": "${want.marks + want.tags}"},
                    "item": "${body.box}"
                },
                "read": {"get": "/boxes/${id}", "item": "${body.box}"},
                "list": {"get": "/boxes?tag=${scope.mark}&page=${cursor}", "items": "${body.boxes}",
                         "cursor": "${body.next}"},
                "delete": {"delete": "/boxes/${id}"},
                "as": {"id": "${item.id}", "name": "${item.name}", "marks": "${item.tags}",
                       "state": {"of": "${item.state}", "new": "Creating", "up": "Running",
                                 "going": "Deleting", "gone": "Gone"}}
            }},
            "catalogs": {"regions": {"list": {"get": "/regions", "items": "${body.regions}"},
                                     "as": {"name": "${item.name}"}}},
            "sandbox": {
                "accepts": {"token": "quay-token"},
                "error": {"body": {"status": "${error.status}", "code": "${error.code}",
                                   "message": "${error.message}"}},
                "failures": {"Quota": {"status": 422, "code": "limit", "message": "box limit"}},
                "verify": {"body": {"me": true}},
                "objects": {"machine": {
                    "id": "box-${seq}",
                    "unique": "${req.name}",
                    "lingers": true,
                    "rules": [{"must": "${size(req.name) > 2}", "class": "Invalid",
                               "message": "name is too short"}],
                    "item": {
                        "id": "${id}", "name": "${req.name}", "tags": "${req.?tags.orValue([])}",
                        "region": "${region}", "created": "${created}",
                        "state": "${deleted ? gone('going', 'gone') : phase('new', 'up')}",
                        "ip": "${phase('', '198.18.0.1')}"
                    },
                    "create": {"status": 201, "headers": {"Location": "/boxes/${id}"},
                               "body": {"box": "${item}"}},
                    "read": {"body": {"box": "${item}"}},
                    "list": {
                        "where": "${!has(query.tag) || query.tag in item.tags}",
                        "limit": "2", "page": "${int(query.?page.orValue('1'))}",
                        "headers": {"X-Total": "${total}"},
                        "body": {"boxes": "${items}", "page": "${page}", "pages": "${pages}",
                                 "next": "${next}"}
                    },
                    "delete": {"status": 202, "body": {"state": "${item.state}"}}
                }},
                "catalogs": {"regions": {"body": {"regions": [{"name": "north"}]}}}
            }
        }
    })
}

/// [`quay_manifest`], compiled.
pub(crate) fn quay() -> Arc<Compiled> {
    let spec = serde_json::from_value(quay_manifest()["spec"].take()).expect("a definition");
    Arc::new(Compiled::new("quay", spec).expect("compiles"))
}
