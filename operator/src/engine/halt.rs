//! The global stop: while the ConfigMap `infrafabric-stop` exists beside the operator, no effect starts;
//! reads go on.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;
use kube::{Client, ResourceExt as _};
use tokio::sync::watch;

use super::config_map;

/// The ConfigMap whose presence stops every effect.
pub const STOP: &str = "infrafabric-stop";

/// Whether effects are stopped. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Halt {
    stand: watch::Receiver<Stand>,
}

#[derive(Clone, Debug, PartialEq)]
enum Stand {
    /// Nobody has looked yet.
    Unknown,
    /// Effects go on.
    Free,
    /// They are stopped; why.
    Stopped(String),
}

/// Keeps a [`Halt`] up to date.
pub struct Watch {
    stand: watch::Sender<Stand>,
    api: Api<ConfigMap>,
}

impl Halt {
    /// Stopped until the first look shows that nobody stopped it.
    pub fn new(client: Client, namespace: &str) -> (Self, Watch) {
        let (sender, receiver) = watch::channel(Stand::Unknown);
        let api = Api::namespaced(client, namespace);
        (Self { stand: receiver }, Watch { stand: sender, api })
    }

    /// Why effects are stopped; `None` when they are not.
    pub fn why(&self) -> Option<String> {
        match &*self.stand.borrow() {
            Stand::Unknown => Some("it is not known yet whether effects are stopped".to_owned()),
            Stand::Free => None,
            Stand::Stopped(why) => Some(why.clone()),
        }
    }

    /// Waits until somebody has looked.
    pub async fn known(mut self) {
        // The other end lives as long as the process.
        let _ = self.stand.wait_for(|stand| *stand != Stand::Unknown).await;
    }

    /// Waits until that changes; false when it never will.
    pub async fn changed(&mut self) -> bool {
        self.stand.changed().await.is_ok()
    }
}

impl Watch {
    /// Watches the ConfigMap for as long as the process lives.
    pub async fn run(self) {
        let tell = |map: Option<&ConfigMap>| self.set(map.map_or(Stand::Free, stopped));
        config_map::follow(self.api.clone(), STOP, tell).await;
    }

    fn set(&self, stand: Stand) {
        self.stand.send_if_modified(|now| {
            let changed = *now != stand;
            match &stand {
                Stand::Stopped(why) if changed => tracing::warn!(why, "effects are stopped"),
                _ if changed && *now != Stand::Unknown => tracing::warn!("effects go on"),
                _ => {}
            }
            *now = stand;
            changed
        });
    }
}

/// What the ConfigMap says.
fn stopped(map: &ConfigMap) -> Stand {
    let said = map.data.as_ref().and_then(|data| data.get("reason"));
    let said: String = said.map(|said| said.chars().take(200).collect()).unwrap_or_default();
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    let namespace = map.namespace().unwrap_or_default();
    Stand::Stopped(format!(
        "effects are stopped by the ConfigMap {STOP} in {namespace}{said}; `ifctl resume` lets them go on"
    ))
}
