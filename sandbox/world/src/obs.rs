//! The socket of obs-websocket 5: requests are carried out as every other, and what they change is
//! pushed as events.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use infrafabric_adapters::compile::Vars;
use infrafabric_definition::Scheme;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::answer::{Answer, Outgoing};
use crate::exchange::exchange;
use crate::provider::{Account, Provider};
use crate::received::Received;
use crate::server::Shared;

/// What obs-websocket of Debian 12 has: no newer fields.
const VERSION: &str = "5.1.0";
const SALT: &str = "lM1GncleQOaCu9lT1yeUZhFYnqhsLLP1G5lAGo3ixaI=";
const CHALLENGE: &str = "+IxH4CnCiqpX1rM9scsNynZzbOe4KhDeYcTNS3PDaeY=";

/// Whether a request wants to become a socket that the provider has.
pub(crate) fn wants(provider: &Provider, request: &Request<Incoming>) -> bool {
    let upgrade = request.headers().get(header::UPGRADE).and_then(|value| value.to_str().ok());
    provider.compiled.spec().auth.scheme == Scheme::Obs
        && upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"))
}

/// Switches the connection and serves it.
pub(crate) fn switch(
    shared: Arc<Shared>,
    provider: Arc<Provider>,
    mut request: Request<Incoming>,
) -> Response<Outgoing> {
    let key = request.headers().get("sec-websocket-key").cloned();
    let Some(key) = key else { return Answer::empty(400).into_response() };
    let upgraded = hyper::upgrade::on(&mut request);
    // It ends with its connection.
    tokio::spawn(async move {
        if let Ok(upgraded) = upgraded.await {
            let io = TokioIo::new(upgraded);
            let stream = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
            serve(&shared, &provider, stream).await;
        }
    });
    let mut response = Answer::empty(101).into_response();
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key.as_bytes())) {
        headers.insert("sec-websocket-accept", accept);
    }
    response
}

type Socket = WebSocketStream<TokioIo<Upgraded>>;

async fn serve(shared: &Shared, provider: &Arc<Provider>, mut socket: Socket) {
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
    while let Some(message) = next(&mut socket).await {
        if message["op"] != 6 {
            return hang_up(&mut socket, 4006, "unknown op code").await;
        }
        // A lost answer is a lost connection.
        let Some(answers) = answer(shared, provider, &account, &message["d"]).await else { return };
        for one in answers {
            if send(&mut socket, &one).await.is_none() {
                return;
            }
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

/// What goes back for a request: its answer, and the event of what it did.
async fn answer(
    shared: &Shared,
    provider: &Arc<Provider>,
    account: &Account,
    asked: &Json,
) -> Option<Vec<Json>> {
    let kind = asked["requestType"].as_str().unwrap_or_default();
    let body = Bytes::from(asked["requestData"].to_string());
    let path = format!("/{kind}");
    let request = Request::post(&path).header("content-type", "application/json").body(());
    let (parts, ()) = request.ok()?.into_parts();
    let mut received = Received::new(parts, path.clone(), body);
    received.session = Some(account.digest.clone());
    let req = received.req.clone();
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
    let mut all = Vec::new();
    if answer.status == 200 {
        all.extend(event(provider, &path, &req));
    }
    all.push(json!({"op": 7, "d": response}));
    Some(all)
}

/// What is pushed when that was done.
fn event(provider: &Provider, path: &str, req: &Json) -> Option<Json> {
    let mut actions = provider.compiled.actions.iter();
    let (name, _) = actions.find(|(_, action)| action.call.path.text == path)?;
    let event = provider.sandbox()?.actions.get(name)?.event.as_ref()?;
    let mut vars = Vars::default();
    vars.set("req", req);
    let event = event.render(&vars).ok().flatten()?;
    let said = json!({"eventType": event["type"], "eventIntent": 0, "eventData": event["data"]});
    Some(json!({"op": 5, "d": said}))
}

async fn next(socket: &mut Socket) -> Option<Json> {
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Text(text) = message {
            return serde_json::from_str(&text).ok();
        }
    }
    None
}

async fn send(socket: &mut Socket, message: &Json) -> Option<()> {
    socket.send(Message::text(message.to_string())).await.ok()
}

async fn hang_up(socket: &mut Socket, code: u16, reason: &'static str) {
    let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
    // It may have hung up first.
    let _ = socket.close(Some(frame)).await;
}
