//! What belongs to this installation: its id and the witness key, kept beside the operator.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, ResourceExt};
use thiserror::Error;
use uuid::Uuid;

use crate::witness::{Keys, KeysError};

/// ConfigMap with the installation id.
const INSTALLATION: &str = "infrafabric-installation";
/// Secret with the witness keys.
const WITNESS_KEY: &str = "infrafabric-witness-key";

/// Why the installation's objects could not be read or made.
#[derive(Debug, Error)]
pub enum InstallationError {
    /// The namespace does not exist.
    #[error("namespace {0} does not exist: create it, or name another one with --namespace")]
    NoNamespace(String),
    /// The API said no.
    #[error("read or create {what} in namespace {namespace}")]
    Api {
        /// Which object.
        what: &'static str,
        /// Where.
        namespace: String,
        /// What it said.
        #[source]
        source: kube::Error,
    },
    /// The object is there and not as it should be.
    #[error("{what} in namespace {namespace} has no usable key {key}")]
    Malformed {
        /// Which object.
        what: &'static str,
        /// Where.
        namespace: String,
        /// Which key.
        key: &'static str,
    },
    /// The keys do not fit.
    #[error("read the witness keys")]
    Keys(#[source] KeysError),
}

/// The installation id: 12 hex characters, made once.
pub async fn id(client: &Client, namespace: &str) -> Result<String, InstallationError> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let new = Uuid::new_v4().simple().to_string()[..12].to_owned();
    let map = ConfigMap {
        metadata: ObjectMeta { name: Some(INSTALLATION.to_owned()), ..ObjectMeta::default() },
        data: Some(BTreeMap::from([("id".to_owned(), new)])),
        ..ConfigMap::default()
    };
    let map = get_or_create(&api, INSTALLATION, &map, namespace).await?;
    let id = map.data.and_then(|mut data| data.remove("id"));
    id.filter(|id| is_id(id)).ok_or_else(|| InstallationError::Malformed {
        what: "ConfigMap infrafabric-installation",
        namespace: namespace.to_owned(),
        key: "id",
    })
}

/// Whether the text can be an installation id: it becomes part of tags.
pub fn is_id(id: &str) -> bool {
    (4..=40).contains(&id.len())
        && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// The witness keys, made once.
pub async fn witness_keys(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Keys, InstallationError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let (signing, digest) = Keys::generate(name).to_parts();
    let data = BTreeMap::from([
        ("signing".to_owned(), ByteString(signing)),
        ("digest".to_owned(), ByteString(digest)),
    ]);
    let secret = Secret {
        metadata: ObjectMeta { name: Some(WITNESS_KEY.to_owned()), ..ObjectMeta::default() },
        data: Some(data),
        ..Secret::default()
    };
    let secret = get_or_create(&api, WITNESS_KEY, &secret, namespace).await?;
    let part = |key: &'static str| {
        secret.data.as_ref().and_then(|data| data.get(key)).map(|bytes| bytes.0.clone()).ok_or_else(
            || InstallationError::Malformed {
                what: "Secret infrafabric-witness-key",
                namespace: namespace.to_owned(),
                key,
            },
        )
    };
    Keys::from_parts(name, &part("signing")?, &part("digest")?).map_err(InstallationError::Keys)
}

async fn get_or_create<K>(
    api: &Api<K>,
    name: &'static str,
    new: &K,
    namespace: &str,
) -> Result<K, InstallationError>
where
    K: kube::Resource + Clone + serde::Serialize + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let error =
        |source| InstallationError::Api { what: name, namespace: namespace.to_owned(), source };
    if let Some(found) = api.get_opt(name).await.map_err(error)? {
        return Ok(found);
    }
    match api.create(&PostParams::default(), new).await {
        Ok(made) => {
            tracing::info!(name = made.name_any(), namespace, "created");
            Ok(made)
        }
        // Another replica was faster.
        Err(kube::Error::Api(status)) if status.code == 409 => api.get(name).await.map_err(error),
        Err(kube::Error::Api(status)) if status.code == 404 => {
            Err(InstallationError::NoNamespace(namespace.to_owned()))
        }
        Err(source) => Err(error(source)),
    }
}
