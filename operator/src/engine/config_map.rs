//! Follows one ConfigMap beside the operator.

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watched};

/// Tells of the ConfigMap of that name whenever it may be another, `None` when there is none, for as long as the
/// process lives. What was told last still holds while it cannot be watched.
pub async fn follow(api: Api<ConfigMap>, name: &str, mut tell: impl FnMut(Option<&ConfigMap>)) {
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut events = watched(api, config).default_backoff().boxed();
    let mut listed = None;
    loop {
        match events.try_next().await {
            Ok(Some(Event::Init)) => listed = None,
            Ok(Some(Event::InitApply(map))) => listed = Some(map),
            Ok(Some(Event::InitDone)) => tell(listed.take().as_ref()),
            Ok(Some(Event::Apply(map))) => tell(Some(&map)),
            Ok(Some(Event::Delete(_))) => tell(None),
            // It comes back by itself.
            Err(error) => tracing::warn!(%error, name, "the ConfigMap cannot be watched"),
            Ok(None) => return,
        }
    }
}
