//! The socket of obs-websocket 5: requests are carried out as every other, and what they change is
//! pushed as events.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::exchange::exchange;
use crate::provider::{Account, Provider};
use crate::pushed;
use crate::received::Received;
use crate::server::Shared;
use crate::websocket::{Socket, hang_up, next, send};

/// What obs-websocket of Debian 12 has: no newer fields.
const VERSION: &str = "5.1.0";
const SALT: &str = "lM1GncleQOaCu9lT1yeUZhFYnqhsLLP1G5lAGo3ixaI=";
const CHALLENGE: &str = "+IxH4CnCiqpX1rM9scsNynZzbOe4KhDeYcTNS3PDaeY=";

pub(crate) async fn serve(shared: &Shared, provider: &Arc<Provider>, mut socket: Socket) {
    let mut events = provider.pushed.subscribe();
    let hello = json!({"op": 0, "d": {
        "obsWebSocketVersion": VERSION, "rpcVersion": 1,
        "authentication": {"challenge": CHALLENGE, "salt": SALT},
    }});
    if send(&mut socket, &hello).await.is_none() {
        return;
    }
    let Some(identify) = next(&mut socket).await else { return };
    let said = &identify["d"];
    if identify["op"] != 1 {
        return hang_up(&mut socket, 4007, "not identified").await;
    }
    if said["rpcVersion"] != 1 {
        return hang_up(&mut socket, 4010, "unsupported RPC version").await;
    }
    let proof = said["authentication"].as_str().unwrap_or_default();
    let Some(account) = let_in(provider, proof) else {
        return hang_up(&mut socket, 4009, "authentication failed").await;
    };
    let identified = json!({"op": 2, "d": {"negotiatedRpcVersion": 1}});
    if send(&mut socket, &identified).await.is_none() {
        return;
    }
    loop {
        let said = tokio::select! {
            message = next(&mut socket) => {
                let Some(message) = message else { return };
                if message["op"] != 6 {
                    return hang_up(&mut socket, 4006, "unknown op code").await;
                }
                // A lost answer is a lost connection.
                let answer = answer(shared, provider, &account, &message["d"]).await;
                let Some(answer) = answer else { return };
                answer
            }
            pushed = pushed::next(&mut events) => match pushed {
                Some(pushed) if pushed.account == account.digest => json!({"op": 5, "d": {
                    "eventType": pushed.kind, "eventIntent": 0, "eventData": pushed.data,
                }}),
                Some(_) => continue,
                None => return,
            },
        };
        if send(&mut socket, &said).await.is_none() {
            return;
        }
    }
}

/// The account whose password the proof is made of.
fn let_in(provider: &Provider, proof: &str) -> Option<Arc<Account>> {
    let hashed = |text: String| STANDARD.encode(Sha256::digest(text.as_bytes()));
    let key = provider.compiled.spec().auth.secret.first()?.as_str();
    provider.accounts().into_iter().find(|account| {
        let password = account.secrets.get(key).map(String::as_str).unwrap_or_default();
        hashed(format!("{}{CHALLENGE}", hashed(format!("{password}{SALT}")))) == proof
    })
}

/// What goes back for a request.
async fn answer(
    shared: &Shared,
    provider: &Arc<Provider>,
    account: &Account,
    asked: &Json,
) -> Option<Json> {
    let kind = asked["requestType"].as_str().unwrap_or_default();
    let body = Bytes::from(asked["requestData"].to_string());
    let path = format!("/{kind}");
    let request = Request::post(&path).header("content-type", "application/json").body(());
    let (parts, ()) = request.ok()?.into_parts();
    let mut received = Received::new(parts, path, body);
    received.session = Some(account.digest.clone());
    let answer = exchange(shared, provider, received).await?;
    let mut said: Option<Json> = serde_json::from_slice(&answer.body).ok();
    if answer.body.is_empty() {
        said = Some(Json::Null);
    }
    // What a fault sent in place of an answer goes out as it is, and is none.
    let said = said?;
    let mut response = json!({
        "requestType": kind, "requestId": asked["requestId"],
        "requestStatus": {"result": true, "code": 100},
    });
    if answer.status == 200 {
        response["responseData"] = said;
    } else {
        let code = said["code"].as_u64().unwrap_or(u64::from(answer.status));
        response["requestStatus"] =
            json!({"result": false, "code": code, "comment": said["comment"]});
    }
    Some(json!({"op": 7, "d": response}))
}
