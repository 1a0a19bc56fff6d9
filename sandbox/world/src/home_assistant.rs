//! Home Assistant's websocket API, as far as events go: a token, subscriptions, pings.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::provider::{Account, Provider};
use crate::pushed::{self, Pushed};
use crate::server::Shared;
use crate::websocket::{Socket, next, send};

/// The one whose answers the definition was compared with.
const VERSION: &str = "2024.3.3";

pub(crate) async fn serve(shared: &Shared, provider: &Arc<Provider>, mut socket: Socket) {
    // Before anybody knows that it is there, so that nothing is missed.
    let mut events = provider.pushed.subscribe();
    let Some(account) = let_in(provider, &mut socket).await else { return };
    let mut session = Session::default();
    loop {
        let said = tokio::select! {
            command = next(&mut socket) => match command {
                Some(command) => vec![session.answer(&command)],
                None => return,
            },
            pushed = pushed::next(&mut events) => match pushed {
                Some(pushed) if pushed.account == account.digest => session.tell(shared, &pushed),
                Some(_) => continue,
                None => return,
            },
        };
        for one in said {
            if send(&mut socket, &one).await.is_none() {
                return;
            }
        }
    }
}

/// The account whose token the client has.
async fn let_in(provider: &Provider, socket: &mut Socket) -> Option<Arc<Account>> {
    send(socket, &json!({"type": "auth_required", "ha_version": VERSION})).await?;
    let said = next(socket).await?;
    let token = said["access_token"].as_str().filter(|_| said["type"] == "auth");
    let Some(account) = token.and_then(|token| provider.account(token)) else {
        let message = "Invalid access token or password";
        send(socket, &json!({"type": "auth_invalid", "message": message})).await?;
        // Who is refused is hung up on, if it did not do so first.
        let _ = socket.close(None).await;
        return None;
    };
    send(socket, &json!({"type": "auth_ok", "ha_version": VERSION})).await?;
    Some(account)
}

#[derive(Default)]
struct Session {
    /// The number of the last command: the next one's is greater.
    last: u64,
    /// The kind of events that a subscription is for; all when it names none.
    subscriptions: BTreeMap<u64, Option<String>>,
}

impl Session {
    fn answer(&mut self, command: &Json) -> Json {
        let id = command["id"].as_u64().unwrap_or_default();
        let refused = |code: &str, message: &str| json!({"id": id, "type": "result", "success": false, "error": {"code": code, "message": message}});
        if id <= self.last {
            return refused("id_reuse", "Identifier values have to increase.");
        }
        self.last = id;
        let done = json!({"id": id, "type": "result", "success": true, "result": null});
        match command["type"].as_str() {
            Some("ping") => json!({"id": id, "type": "pong"}),
            Some("subscribe_events") => {
                let kind = command["event_type"].as_str().map(ToOwned::to_owned);
                self.subscriptions.insert(id, kind);
                done
            }
            Some("unsubscribe_events") => {
                let which = command["subscription"].as_u64().unwrap_or_default();
                match self.subscriptions.remove(&which) {
                    Some(_) => done,
                    None => refused("not_found", "Subscription not found."),
                }
            }
            _ => refused("unknown_command", "Unknown command."),
        }
    }

    fn tell(&self, shared: &Shared, pushed: &Pushed) -> Vec<Json> {
        let fired = shared.clock.now().to_rfc3339();
        let event = json!({
            "event_type": pushed.kind, "data": pushed.data, "origin": "LOCAL", "time_fired": fired,
        });
        let wanted = |kind: &Option<String>| kind.as_ref().is_none_or(|kind| *kind == pushed.kind);
        let told = self.subscriptions.iter().filter(|(_, kind)| wanted(kind));
        told.map(|(id, _)| json!({"id": id, "type": "event", "event": event})).collect()
    }
}
