//! Signatures byte for byte against the vendors' own SDKs: `tests/signatures/make.py` wrote what is
//! compared here.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value as Json, json};
use url::Url;

use super::*;
use crate::pipeline::request::Request;
use crate::pipeline::send;

const FIXTURES: &str = include_str!("../../../tests/signatures/signatures.json");
const ORACLE: &str = include_str!("../../../providers/cloud/oracle-cloud.yaml");

fn fixtures() -> (DateTime<Utc>, Json) {
    let all: Json = serde_json::from_str(FIXTURES).expect("JSON");
    (all["time"].as_str().expect("a time").parse().expect("a time"), all)
}

/// The sandbox's private key.
fn private_key() -> String {
    let lines = ORACLE.lines().map(str::trim).skip_while(|line| !line.contains("BEGIN PRIVATE"));
    let mut key: Vec<&str> = lines.take_while(|line| !line.contains("END PRIVATE")).collect();
    key.push("-----END PRIVATE KEY-----");
    key.join("\n")
}

fn credentials(auth: Json, secrets: &[(&str, &str)]) -> Credentials {
    let auth: Auth = serde_json::from_value(auth).expect("auth");
    let secrets: BTreeMap<String, SecretString> = secrets
        .iter()
        .map(|(key, value)| ((*key).to_owned(), SecretString::from(*value)))
        .collect();
    Credentials::open(&auth, &secrets).expect("opens")
}

fn of(case: &Json) -> Credentials {
    let key = private_key();
    match case["scheme"].as_str().expect("a scheme") {
        "oci" => credentials(
            json!({"scheme": "oci", "secret": ["t", "u", "f", "k"]}),
            &[
                ("t", "ocid1.tenancy.oc1..aa"),
                ("u", "ocid1.user.oc1..bb"),
                ("f", "20:3b:97"),
                ("k", &key),
            ],
        ),
        "ovh" => credentials(
            json!({"scheme": "ovh", "secret": ["a", "s", "c"]}),
            &[("a", "app"), ("s", "app-secret"), ("c", "consumer")],
        ),
        _ => {
            let mut secrets =
                vec![("id", "AKIDEXAMPLE"), ("secret", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")];
            secrets.extend(case["session"].as_str().map(|session| ("session", session)));
            credentials(
                json!({"scheme": "aws-sigv4", "service": "ec2", "secret": ["id", "secret"],
                    "optionalSecret": ["session"]}),
                &secrets,
            )
        }
    }
}

fn rendered(case: &Json) -> Request {
    let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
    let mut headers = HeaderMap::new();
    if let Some(kind) = case["contentType"].as_str() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(kind).expect("a header"));
    }
    Request {
        method: text("method").parse().expect("a method"),
        url: Url::parse(&text("url")).expect("a URL"),
        base_path: String::new(),
        published: text("url"),
        headers,
        body: text("body").into(),
        service: None,
        region: "eu-central-1".to_owned(),
    }
}

#[test]
fn requests_are_signed_as_the_vendors_sdks_sign_them() {
    let (now, all) = fixtures();
    let registry = crate::registry::Registry::built_in();
    // What it says of authentication is for the schemes that write by templates.
    let (definition, _) = registry.get("aws").expect("aws");
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    for case in all["requests"].as_array().expect("requests") {
        let rendered = rendered(case);
        let mut request = send::prepare(&rendered);
        of(case).apply(&definition, &rendered, &mut request, now, None).expect("signs");
        for (name, wanted) in case["headers"].as_object().expect("headers") {
            let signed = request.headers().get(name).and_then(|value| value.to_str().ok());
            assert_eq!(signed, wanted.as_str(), "{name} of {case}");
        }
        *counted.entry(case["scheme"].as_str().expect("a scheme")).or_default() += 1;
    }
    assert!(counted.len() == 3 && counted.values().all(|count| *count >= 20), "{counted:?}");
}

#[test]
fn requests_for_access_tokens_say_and_sign_what_the_vendors_sdk_does() {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let (now, all) = fixtures();
    let key = private_key();
    let parts = |assertion: &str| -> Vec<Json> {
        let parts = assertion.split('.').take(2);
        let decoded = parts.map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64"));
        decoded.map(|part| serde_json::from_slice(&part).expect("JSON")).collect()
    };
    let grants = all["grants"].as_array().expect("grants");
    assert!(grants.len() >= 20);
    for grant in grants {
        let text = |key: &str| grant[key].as_str().expect("text");
        let theirs = text("assertion");
        let file = KeyFile {
            client_email: text("email").to_owned(),
            private_key: key.clone(),
            private_key_id: Some("kid".to_owned()),
        };
        let account = ServiceAccount::new(&file).expect("an account");
        let ours = account.assertion(text("audience"), text("scope"), now).expect("signs");
        let (mut said, mut wanted) = (parts(&ours), parts(theirs));
        // Ours is good for a shorter time.
        assert!(said[1]["exp"].as_i64() < wanted[1]["exp"].as_i64());
        said[1]["exp"] = json!(0);
        wanted[1]["exp"] = json!(0);
        assert_eq!(said, wanted);
        // JSON has many spellings; the same text has one signature.
        let (signed, signature) = theirs.rsplit_once('.').expect("a signature");
        let made = RsaKey::parse(&key).expect("a key").sign(signed.as_bytes()).expect("signs");
        assert_eq!(URL_SAFE_NO_PAD.encode(made), signature);
    }
}
