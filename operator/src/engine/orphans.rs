//! Which objects went while what they made stayed: what was let go on purpose is nobody's leftover.

use std::collections::BTreeMap;

use infrafabric_adapters::contract::cloud::Machine;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;
use thiserror::Error;

use super::naming;

/// The ConfigMap that names them, by their UID.
pub const ORPHANS: &str = "infrafabric-orphans";
/// How many fit: an object of the API has a megabyte.
const ROOM: usize = 2_500;

/// Why it could not be read or written.
#[derive(Debug, Error)]
pub enum OrphansError {
    /// The API said no.
    #[error("read or write ConfigMap {ORPHANS}")]
    Api(#[from] kube::Error),
    /// There is no room for another one.
    #[error(
        "ConfigMap {ORPHANS} names {ROOM} objects, which is all it can hold: take off those whose things are gone"
    )]
    Full,
}

/// The objects that were let go.
pub struct Orphans {
    api: Api<ConfigMap>,
}

impl Orphans {
    /// Those of the installation in that namespace.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self { api: Api::namespaced(client, namespace) }
    }

    /// Writes down that an object went and what it made stays; with the provider's identity of that, when it
    /// is known.
    pub async fn add(&self, uid: &str, object: &str, id: &str) -> Result<(), OrphansError> {
        let object: String = object.chars().take(64).collect();
        let object = &format!("{object} {id}");
        let known = self.api.get_opt(ORPHANS).await?;
        let Some(known) = known else {
            let map = ConfigMap {
                metadata: ObjectMeta { name: Some(ORPHANS.to_owned()), ..ObjectMeta::default() },
                data: Some(BTreeMap::from([(uid.to_owned(), object.to_owned())])),
                ..ConfigMap::default()
            };
            match self.api.create(&PostParams::default(), &map).await {
                Ok(_) => return Ok(()),
                // Somebody was faster: it goes into that one.
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(error.into()),
            }
            return self.put(uid, object).await;
        };
        if known.data.is_some_and(|data| data.len() >= ROOM) {
            return Err(OrphansError::Full);
        }
        self.put(uid, object).await
    }

    async fn put(&self, uid: &str, object: &str) -> Result<(), OrphansError> {
        let patch = json!({"data": {uid: object}});
        self.api.patch(ORPHANS, &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }

    /// All; an error when there may be more than are named.
    pub async fn all(&self) -> Result<Known, OrphansError> {
        let map = self.api.get_opt(ORPHANS).await?;
        let all = map.and_then(|map| map.data).unwrap_or_default();
        if all.len() >= ROOM { Err(OrphansError::Full) } else { Ok(Known(all)) }
    }
}

/// What was let go.
#[derive(Debug, Default)]
pub struct Known(BTreeMap<String, String>);

impl Known {
    /// Whether a thing was: by the object that it was made for, or by itself.
    pub fn has(&self, thing: &Machine) -> bool {
        let uid = naming::uid_of(&thing.marks);
        self.0.iter().any(|(known, said)| {
            let id = said.rsplit_once(' ').map(|(_, id)| id);
            uid.is_some_and(|uid| known.eq_ignore_ascii_case(uid)) || id == Some(thing.id.as_str())
        })
    }
}
