//! The websockets of simulated devices: which provider has one, and how a connection becomes it.

use std::sync::Arc;

use futures::{SinkExt as _, StreamExt as _};
use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use infrafabric_definition::Scheme;
use serde_json::Value as Json;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::answer::{Answer, Outgoing};
use crate::provider::Provider;
use crate::server::Shared;
use crate::{home_assistant, obs};

/// What is spoken on a websocket.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Speaks {
    Obs,
    HomeAssistant,
}

/// What a request wants to speak that comes to become a socket, if the provider has one there.
pub(crate) fn wanted(provider: &Provider, request: &Request<Incoming>) -> Option<Speaks> {
    let upgrade = request.headers().get(header::UPGRADE)?.to_str().ok()?;
    if !upgrade.eq_ignore_ascii_case("websocket") {
        return None;
    }
    let spec = provider.compiled.spec();
    if spec.auth.scheme == Scheme::Obs {
        return Some(Speaks::Obs);
    }
    let path = spec.events.as_ref()?.home_assistant.as_ref()?;
    let below = request.uri().path().strip_prefix("/p/")?.split_once('/')?.1;
    (path.as_str().strip_prefix('/') == Some(below)).then_some(Speaks::HomeAssistant)
}

/// Switches the connection and serves it until the world stops.
pub(crate) fn switch(
    shared: Arc<Shared>,
    provider: Arc<Provider>,
    mut request: Request<Incoming>,
    speaks: Speaks,
) -> Response<Outgoing> {
    let key = request.headers().get("sec-websocket-key").cloned();
    let Some(key) = key else { return Answer::empty(400).into_response() };
    let upgraded = hyper::upgrade::on(&mut request);
    let mut stopped = shared.stopped.clone();
    // It ends with its connection, or with the world.
    tokio::spawn(async move {
        let serving = async {
            let Ok(upgraded) = upgraded.await else { return };
            let io = TokioIo::new(upgraded);
            let socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
            match speaks {
                Speaks::Obs => obs::serve(&shared, &provider, socket).await,
                Speaks::HomeAssistant => home_assistant::serve(&shared, &provider, socket).await,
            }
        };
        tokio::select! {
            () = serving => {}
            _ = stopped.changed() => {}
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

pub(crate) type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// The next message; nothing when the client hung up or says what is no message.
pub(crate) async fn next(socket: &mut Socket) -> Option<Json> {
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Text(text) = message {
            return serde_json::from_str(&text).ok();
        }
    }
    None
}

pub(crate) async fn send(socket: &mut Socket, message: &Json) -> Option<()> {
    socket.send(Message::text(message.to_string())).await.ok()
}

pub(crate) async fn hang_up(socket: &mut Socket, code: u16, reason: &'static str) {
    let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
    // It may have hung up first.
    let _ = socket.close(Some(frame)).await;
}
