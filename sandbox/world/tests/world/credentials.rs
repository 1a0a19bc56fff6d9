//! Every scheme of authentication, by the project's own client against a simulated account.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use infrafabric_adapters::account::{Account, AccountOptions};
use infrafabric_adapters::compile::Compiled;
use infrafabric_adapters::error::AdapterError;
use infrafabric_definition::Class;
use infrafabric_world::FaultSpec;
use serde_json::{Value, json};

use crate::definitions::quay_manifest;
use crate::harness::Harness;

/// The schemes that need no more than the Secret, with what their simulated account accepts.
fn schemes() -> [(Value, Value); 8] {
    [
        (json!({"scheme": "bearer", "secret": ["token"]}), json!({"token": "quay-token"})),
        (
            json!({"scheme": "basic", "secret": ["user", "password"]}),
            json!({"user": "quay-user", "password": "pass:word"}),
        ),
        (json!({"scheme": "basic", "secret": ["key"]}), json!({"key": "quay-key"})),
        (
            json!({"scheme": "header", "name": "X-Quay-Token", "secret": ["token"]}),
            json!({"token": "quay-token"}),
        ),
        (
            json!({"scheme": "header", "name": "Authorization", "prefix": "Token ", "secret": ["token"]}),
            json!({"token": "quay-token"}),
        ),
        (
            json!({"scheme": "query", "name": "api_key", "secret": ["token"]}),
            json!({"token": "quay&token=1 ~%"}),
        ),
        (
            json!({"scheme": "ovh", "secret": ["application", "secret", "consumer"]}),
            json!({"application": "quay-app", "secret": "quay-secret", "consumer": "quay-user"}),
        ),
        (
            json!({"scheme": "oauth2", "secret": ["id", "secret"],
                "token": {"post": "/oauth/token", "form": {"scope": "all"}}}),
            json!({"id": "quay-client", "secret": "quay secret&1"}),
        ),
    ]
}

fn quay_with(auth: &Value, accepts: &Value) -> Arc<Compiled> {
    let mut spec = quay_manifest()["spec"].take();
    spec["auth"] = auth.clone();
    spec["sandbox"]["accepts"] = accepts.clone();
    let spec = serde_json::from_value(spec).expect("a definition");
    Arc::new(Compiled::new("quay", spec).expect("compiles"))
}

fn open(
    world: &Harness,
    definition: &Arc<Compiled>,
    secrets: &BTreeMap<String, String>,
) -> Account {
    let secrets = secrets.iter().map(|(key, value)| (key.clone(), value.clone().into()));
    let options = AccountOptions {
        endpoint: Some(format!("{}/p/quay", world.world.url())),
        region: Some("north".to_owned()),
        secrets: secrets.collect(),
        timeout: Duration::from_secs(5),
        clock: world.clock.clone(),
        ..AccountOptions::default()
    };
    Account::open(Arc::clone(definition), options).expect("opens")
}

fn accepted(definition: &Compiled) -> BTreeMap<String, String> {
    definition.sandbox.as_ref().expect("a sandbox").accepts.clone()
}

fn everything(error: &AdapterError) -> String {
    format!("{error} {error:?}")
}

#[tokio::test]
async fn every_scheme_is_accepted_with_the_right_values() {
    for (auth, accepts) in schemes() {
        let definition = quay_with(&auth, &accepts);
        let world = Harness::start(vec![Arc::clone(&definition)]).await;
        let account = open(&world, &definition, &accepted(&definition));
        account.verify().await.unwrap_or_else(|error| panic!("{auth}: {error}"));
        let regions = account.regions().await.unwrap_or_else(|error| panic!("{auth}: {error}"));
        assert_eq!(regions.len(), 1, "{auth}");
        let listed = account.list_machines("if-a b&c", "north").await;
        assert!(listed.unwrap_or_else(|error| panic!("{auth}: {error}")).is_empty(), "{auth}");
    }
}

#[tokio::test]
async fn every_wrong_value_is_refused_as_auth_and_not_shown() {
    for (auth, accepts) in schemes() {
        let definition = quay_with(&auth, &accepts);
        let world = Harness::start(vec![Arc::clone(&definition)]).await;
        for key in accepted(&definition).keys() {
            let mut secrets = accepted(&definition);
            secrets.insert(key.clone(), "wrong-value-1".to_owned());
            let error = open(&world, &definition, &secrets).verify().await;
            let error = error.err().unwrap_or_else(|| panic!("{auth}: wrong {key} is accepted"));
            assert_eq!(error.class, Class::Auth, "{auth} {key}: {error}");
            let text = everything(&error);
            assert!(secrets.values().all(|value| !text.contains(value)), "{auth}: {text}");
        }
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_set_by_the_providers() {
    let (auth, accepts) = schemes()[6].clone();
    let definition = quay_with(&auth, &accepts);
    let world = Harness::start(vec![Arc::clone(&definition)]).await;
    let account = {
        let secrets = accepted(&definition);
        let options = AccountOptions {
            endpoint: Some(format!("{}/p/quay", world.world.url())),
            secrets: secrets
                .iter()
                .map(|(key, value)| (key.clone(), value.clone().into()))
                .collect(),
            clock: Arc::new(Late(world.clock.clone())),
            ..AccountOptions::default()
        };
        Account::open(Arc::clone(&definition), options).expect("opens")
    };
    // The first answer refuses and says the time.
    let _ = account.verify().await;
    account.verify().await.expect("the time was learnt");
}

#[tokio::test]
async fn one_access_token_serves_all_and_a_new_one_is_fetched_when_it_ends() {
    let [.., (auth, accepts)] = schemes();
    assert_eq!(auth["scheme"], "oauth2");
    let definition = quay_with(&auth, &accepts);
    let world = Harness::start(vec![Arc::clone(&definition)]).await;
    let account = open(&world, &definition, &accepted(&definition));
    let all = (0..20).map(|_| account.verify());
    for result in futures::future::join_all(all).await {
        result.expect("verified");
    }
    let asked = async || world.ledger().await.requests["quay"]["auth.token"];
    assert_eq!(asked().await, 1, "who came meanwhile waited for the one request");
    // The provider forgets it earlier than it said.
    world.advance(Duration::from_hours(2));
    account.verify().await.expect("with another token");
    assert_eq!(asked().await, 2);
    let down = FaultSpec::new("quay", "503").on("auth.token");
    world.client.set_fault(&down).await.expect("set");
    world.advance(Duration::from_hours(2));
    let error = account.verify().await.expect_err("no token, no request");
    assert_eq!((error.class, error.sent), (Class::Unavailable, false), "{error}");
}

/// A clock that is an hour late.
#[derive(Debug)]
struct Late(Arc<dyn infrafabric_adapters::clock::Clock>);

impl infrafabric_adapters::clock::Clock for Late {
    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.0.now() - chrono::TimeDelta::hours(1)
    }
}
