//! The websocket beneath the protocols that are spoken on one.

use futures::{Stream, StreamExt as _};
use serde_json::Value as Json;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use url::Url;

use super::{Refusal, unreachable};

/// The largest message that is read.
const LIMIT_BYTES: usize = crate::pipeline::BODY_LIMIT_BYTES;

pub(super) type Web = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Opens a websocket at an address as HTTP has it.
pub(super) async fn open(url: &Url) -> Result<Web, Refusal> {
    let mut url = url.clone();
    if url.scheme() == "https" || url.set_scheme("ws").is_err() {
        let reason =
            "a websocket is not spoken over TLS: give an http:// endpoint within the network";
        return Err(Refusal::Unsupported(reason.to_owned()));
    }
    let config = WebSocketConfig::default()
        .max_message_size(Some(LIMIT_BYTES))
        .max_frame_size(Some(LIMIT_BYTES));
    let connected = connect_async_with_config(url.as_str(), Some(config), true).await;
    let refused = |error| Refusal::Unreachable(format!("connect: {}", short(&error)));
    connected.map(|(stream, _)| stream).map_err(refused)
}

/// What a frame is for us.
pub(super) enum Frame {
    /// A message.
    Message(Json),
    /// A message that is none.
    Odd,
    /// It hung up, with a code and its reason if it gave them.
    End(Option<(u16, String)>),
    /// Of no meaning but that it lives.
    Sign,
}

impl From<Option<Result<Message, WsError>>> for Frame {
    fn from(frame: Option<Result<Message, WsError>>) -> Self {
        match frame {
            Some(Ok(Message::Text(text))) => {
                serde_json::from_str(&text).map_or(Self::Odd, Self::Message)
            }
            Some(Ok(Message::Close(frame))) => {
                Self::End(frame.map(|frame| (frame.code.into(), frame.reason.to_string())))
            }
            Some(Err(_)) | None => Self::End(None),
            Some(Ok(_)) => Self::Sign,
        }
    }
}

/// The next message of a device that has not let us in yet; `refused` says what the code means that it
/// hangs up with.
pub(super) async fn greeting(
    into: &mut (impl Stream<Item = Result<Message, WsError>> + Unpin),
    refused: impl Fn(u16, String) -> Refusal,
) -> Result<Json, Refusal> {
    loop {
        match Frame::from(into.next().await) {
            Frame::Message(said) => return Ok(said),
            Frame::Odd => return Err(unreachable("a message that is no JSON")),
            Frame::End(Some((code, reason))) => return Err(refused(code, reason)),
            Frame::End(None) => return Err(unreachable("it hung up before it let us in")),
            Frame::Sign => {}
        }
    }
}

/// A code that means nothing special.
pub(super) fn hung_up(code: u16) -> Refusal {
    Refusal::Unreachable(format!("it hung up with code {code}"))
}

/// What happened, without the address.
fn short(error: &WsError) -> String {
    match error {
        WsError::Io(error) => error.to_string(),
        WsError::Http(answer) => format!("answered HTTP {}", answer.status()),
        _ => "no websocket".to_owned(),
    }
}
