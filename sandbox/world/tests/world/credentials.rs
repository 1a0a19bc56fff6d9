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

use crate::definitions::{built_in, quay_manifest};
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

/// The schemes that sign with a private key; the values are those of built-in definitions.
fn key_schemes() -> [(Value, Value); 2] {
    let accepts = |name: &str| json!(built_in(name).sandbox.as_ref().expect("a sandbox").accepts);
    [
        (
            json!({"scheme": "oci", "secret": ["tenancy", "user", "fingerprint", "privateKey"]}),
            accepts("oracle-cloud"),
        ),
        (
            json!({"scheme": "jwt-bearer", "secret": ["serviceAccount"], "scope": "all",
                "token": {"post": "/oauth/token"}}),
            accepts("google-cloud"),
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
    for (auth, accepts) in schemes().into_iter().chain(key_schemes()) {
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

/// Another account's key, another account's names, and what is no key at all.
#[tokio::test]
async fn a_wrong_key_is_refused_as_auth_and_not_shown() {
    let [(oci, oci_accepts), (jwt, jwt_accepts)] = key_schemes();
    let pem = |file: &Value| {
        let file: Value = serde_json::from_str(file.as_str().expect("a file")).expect("JSON");
        file["private_key"].as_str().expect("a key").to_owned()
    };
    let other = pem(&jwt_accepts["serviceAccount"]);
    let mut another: Value =
        serde_json::from_str(jwt_accepts["serviceAccount"].as_str().expect("a file"))
            .expect("JSON");
    another["private_key"] = oci_accepts["privateKey"].clone();
    let other_lines = other.lines().nth(3).expect("a line").to_owned();
    let cases = [
        (&oci, &oci_accepts, "privateKey", other),
        (&oci, &oci_accepts, "user", "wrong-value-1".to_owned()),
        (&oci, &oci_accepts, "fingerprint", "wrong-value-1".to_owned()),
        (&jwt, &jwt_accepts, "serviceAccount", another.to_string()),
    ];
    for (auth, accepts, key, value) in cases {
        let definition = quay_with(auth, accepts);
        let world = Harness::start(vec![Arc::clone(&definition)]).await;
        let mut secrets = accepted(&definition);
        secrets.insert(key.to_owned(), value);
        let error = open(&world, &definition, &secrets).verify().await.expect_err("refused");
        assert_eq!(error.class, Class::Auth, "{auth} {key}: {error}");
        assert!(!everything(&error).contains(&other_lines), "{error:?}");
    }
    // What is no key is refused before anything is sent.
    for (auth, accepts, key) in
        [(&oci, &oci_accepts, "privateKey"), (&jwt, &jwt_accepts, "serviceAccount")]
    {
        let definition = quay_with(auth, accepts);
        for value in [
            "hunter2",
            "{\"client_email\": \"a\", \"private_key\": \"hunter2\"}",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----",
        ] {
            let mut secrets = accepted(&definition);
            secrets.insert(key.to_owned(), value.to_owned());
            let secrets = secrets.into_iter().map(|(key, value)| (key, value.into()));
            let options =
                AccountOptions { secrets: secrets.collect(), ..AccountOptions::default() };
            let error = Account::open(Arc::clone(&definition), options).expect_err("refused");
            assert_eq!((error.class, error.sent), (Class::Auth, false));
            assert!(error.message.contains(&format!("`{key}`")), "{error}");
            assert!(!everything(&error).contains("hunter2"), "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_set_by_the_providers() {
    let signing = [&schemes()[6..7], &key_schemes()].concat();
    for (auth, accepts) in signing {
        late(&auth, &accepts).await;
    }
}

async fn late(auth: &Value, accepts: &Value) {
    let definition = quay_with(auth, accepts);
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
    account.verify().await.unwrap_or_else(|error| panic!("{auth}: {error}"));
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
