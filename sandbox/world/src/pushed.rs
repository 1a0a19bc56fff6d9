//! What simulated devices push: an action that changed one tells everybody who listens.

use infrafabric_adapters::compile::{Tree, Vars};
use serde_json::Value as Json;
use tokio::sync::broadcast;

use crate::answer::Failure;
use crate::exchange::Call;

/// How many events wait for a client that reads slowly.
const WAITING: usize = 256;

/// The events of one provider's devices.
pub(crate) type Events = broadcast::Sender<Pushed>;

/// One event.
#[derive(Clone, Debug)]
pub(crate) struct Pushed {
    /// The account whose device it is, by its digest.
    pub(crate) account: String,
    /// The vendor's name of it.
    pub(crate) kind: String,
    /// What it says.
    pub(crate) data: Json,
}

/// A channel that nobody listens to yet.
pub(crate) fn events() -> Events {
    broadcast::Sender::new(WAITING)
}

/// Pushes what an action's template says.
pub(crate) fn push(call: &Call<'_>, event: &Tree, vars: &Vars) -> Result<(), Failure> {
    let all = match event.render(vars)? {
        Some(Json::Array(all)) => all,
        one => one.into_iter().collect(),
    };
    for one in all {
        let kind = one["type"].as_str().unwrap_or_default().to_owned();
        let pushed =
            Pushed { account: call.account.digest.clone(), kind, data: one["data"].clone() };
        // Nobody may listen.
        let _ = call.provider.pushed.send(pushed);
    }
    Ok(())
}

/// The next event; nothing when there will be none. What came too fast is left out.
pub(crate) async fn next(events: &mut broadcast::Receiver<Pushed>) -> Option<Pushed> {
    use broadcast::error::RecvError;
    loop {
        match events.recv().await {
            Ok(pushed) => return Some(pushed),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}
