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
fn schemes() -> Vec<(Value, Value)> {
    let mut all = vec![
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
    ];
    all.extend(written_schemes());
    all
}

/// The schemes whose credentials stand where the definition writes them.
fn written_schemes() -> [(Value, Value); 9] {
    let login = json!({"user": "quay-user", "password": "quay \"pass&1"});
    [
        (
            json!({"scheme": "headers", "secret": ["id", "secret"],
                "headers": {"X-Quay-Id": "${secret.id}", "Authorization": "quay ${secret.id}:${base64(secret.secret)}"}}),
            json!({"id": "quay-id", "secret": "quay-secret"}),
        ),
        (
            json!({"scheme": "path", "prefix": "/bot", "secret": ["token"]}),
            json!({"token": "12:quay_token-/x"}),
        ),
        (
            json!({"scheme": "hmac", "secret": ["id", "secret"], "sign": {"key": "secret",
                "text": "${method}\n${path}?${query}\n${timestamp}\n${nonce}\n${body}",
                "headers": {"X-Id": "${secret.id}", "X-Time": "${timestamp}", "X-Nonce": "${nonce}",
                            "Authorization": "quay ${signature}"}}}),
            json!({"id": "quay-id", "secret": "quay-secret"}),
        ),
        (
            json!({"scheme": "hmac", "secret": ["id", "secret"], "sign": {"key": "secret",
                "text": "${millis + nonce}", "algorithm": "sha512", "encoding": "base64",
                "query": {"id": "${secret.id}", "time": "${millis}", "nonce": "${nonce}", "sign": "${signature}"}}}),
            json!({"id": "quay-id", "secret": "quay-secret"}),
        ),
        (
            json!({"scheme": "oauth2-refresh", "secret": ["refresh", "id", "secret"],
                "token": {"post": "/oauth/token"}}),
            json!({"refresh": "quay-refresh", "id": "quay-client", "secret": "quay secret&1"}),
        ),
        (
            json!({"scheme": "exchange", "secret": ["user", "password"],
                "token": {"post": "/login", "json": {"login": "${secret.user}", "pass": "${secret.password}"}}}),
            login.clone(),
        ),
        (
            json!({"scheme": "exchange", "secret": ["user", "password"], "carrier": "query", "name": "access",
                "token": {"get": "/login?user=${secret.user}&password=${secret.password}"}}),
            login.clone(),
        ),
        (
            json!({"scheme": "exchange", "secret": ["user", "password"], "carrier": "header", "name": "X-Session",
                "prefix": "s ", "lives": "1h", "token": {"post": "/login", "form": {"a": "b"},
                "headers": {"Authorization": "Basic ${base64(secret.user + ':' + secret.password)}"}}}),
            login.clone(),
        ),
        (
            json!({"scheme": "exchange", "secret": ["user", "password"], "carrier": "path", "prefix": "/s/",
                "token": {"post": "/login", "text": "${secret.user} ${secret.password}"}}),
            login,
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
    let signs = |auth: &Value| matches!(auth["scheme"].as_str(), Some("ovh" | "hmac"));
    let signing = schemes().into_iter().filter(|(auth, _)| signs(auth)).chain(key_schemes());
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
    let oauth2 = schemes().into_iter().find(|(auth, _)| auth["scheme"] == "oauth2");
    let (auth, accepts) = oauth2.expect("oauth2");
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

#[tokio::test]
async fn a_refresh_token_that_the_provider_replaces_is_used_from_then_on() {
    let auth = json!({"scheme": "oauth2-refresh", "secret": ["refresh", "id"],
        "token": {"post": "/oauth/token", "item": "${body.access}"}});
    let mut spec = quay_manifest()["spec"].take();
    spec["auth"] = auth;
    spec["sandbox"]["accepts"] = json!({"refresh": "quay-refresh", "id": "quay-client"});
    spec["sandbox"]["token"] =
        json!({"body": {"access": "${token}", "expires_in": 3600, "refresh_token": "${refresh}"}});
    let spec = serde_json::from_value(spec).expect("a definition");
    let definition = Arc::new(Compiled::new("quay", spec).expect("compiles"));
    let world = Harness::start(vec![Arc::clone(&definition)]).await;
    let account = open(&world, &definition, &accepted(&definition));
    for round in 1..=3 {
        account.verify().await.unwrap_or_else(|error| panic!("{round}: {error}"));
        assert_eq!(world.ledger().await.requests["quay"]["auth.token"], round);
        world.advance(Duration::from_hours(2));
    }
    // Another process has the Secret's alone, which is good no more.
    let error = open(&world, &definition, &accepted(&definition)).verify().await;
    assert_eq!(error.expect_err("refused").class, Class::Auth);
}

#[tokio::test]
async fn without_credentials_there_is_one_account() {
    let definition = quay_with(&json!({"scheme": "none"}), &json!({}));
    let world = Harness::start(vec![Arc::clone(&definition)]).await;
    open(&world, &definition, &BTreeMap::new()).verify().await.expect("verified");
}

/// A clock that is an hour late.
#[derive(Debug)]
struct Late(Arc<dyn infrafabric_adapters::clock::Clock>);

impl infrafabric_adapters::clock::Clock for Late {
    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.0.now() - chrono::TimeDelta::hours(1)
    }
}
