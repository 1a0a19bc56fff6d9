//! obs-websocket 5: many requests on the connection at once, and the events that the device pushes.
//!
//! <https://github.com/obsproject/obs-websocket/blob/master/docs/generated/protocol.md>

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use http::HeaderMap;
use secrecy::ExposeSecret as _;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::web::{self, Frame, Web};
use super::{Device, DeviceEvent, Refusal, Said, Socket, Wire, unreachable};
use crate::pipeline::answer::Body;
use crate::pipeline::send::{Received, SendFailure};

/// The version of the protocol's requests that we speak.
const RPC_VERSION: u64 = 1;

type Out = Arc<tokio::sync::Mutex<SplitSink<Web, Message>>>;
/// Who waits for which answer; nothing once the connection has ended.
type Waiting = Arc<Mutex<Option<HashMap<String, oneshot::Sender<Json>>>>>;

/// The writing end of a connection.
pub(super) struct Requests {
    out: Out,
    waiting: Waiting,
    next: AtomicU64,
}

/// The reading end: gives each answer to who waits for it.
pub(super) struct Reader {
    into: SplitStream<Web>,
    out: Out,
    waiting: Waiting,
}

/// Whoever waits learns that nothing comes.
impl Drop for Reader {
    fn drop(&mut self) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Socket {
    /// Makes one request.
    pub(crate) async fn call(
        &self,
        device: &Device<'_>,
        request: (&str, &[u8]),
        deadline: Instant,
    ) -> Result<Received, SendFailure> {
        let live = match tokio::time::timeout_at(deadline, self.live(device)).await {
            Ok(Ok(live)) => live,
            Ok(Err(Refusal::Unreachable(reason))) => return Err(failure(false, &reason)),
            Ok(Err(Refusal::Credentials(comment))) => {
                return Ok(received(401, &json!({"code": 4009, "comment": comment})));
            }
            Ok(Err(Refusal::Unsupported(comment))) => {
                return Ok(received(501, &json!({"code": 4010, "comment": comment})));
            }
            Err(_) => return Err(failure(false, "no connection in time")),
        };
        let requests = live.requests.as_ref();
        let requests = requests.ok_or_else(|| failure(false, "no requests travel on it"))?;
        requests.make(request, deadline).await
    }
}

impl Requests {
    async fn make(
        &self,
        (kind, data): (&str, &[u8]),
        deadline: Instant,
    ) -> Result<Received, SendFailure> {
        let id = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let (tell, told) = oneshot::channel();
        let lost = |sent| failure(sent, "the connection ended before the answer");
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.as_mut().ok_or_else(|| lost(false))?.insert(id.clone(), tell);
        }
        let data: Json = serde_json::from_slice(data).unwrap_or_else(|_| json!({}));
        let message =
            json!({"op": 6, "d": {"requestType": kind, "requestId": id, "requestData": data}});
        let sending =
            async { self.out.lock().await.send(Message::text(message.to_string())).await };
        let answer = async {
            sending.await.map_err(|_| lost(true))?;
            told.await.map_err(|_| lost(true))
        };
        let answer = tokio::time::timeout_at(deadline, answer).await;
        if answer.is_err() {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.iter_mut().for_each(|waiting| drop(waiting.remove(&id)));
        }
        let answer = answer.unwrap_or_else(|_| Err(failure(true, "no answer in time")))?;
        Ok(judged(kind, &answer))
    }
}

/// Opens a connection, for requests and events.
pub(super) async fn connect(device: &Device<'_>) -> Result<(Requests, Reader), Refusal> {
    let (mut out, mut into) = web::open(&device.url).await?.split();
    let hello = web::greeting(&mut into, refusal).await?;
    if hello["op"] != 0 {
        return Err(unreachable("no greeting of obs-websocket 5"));
    }
    let hello = &hello["d"];
    let speaks = hello["rpcVersion"].as_u64().unwrap_or_default();
    if speaks < RPC_VERSION {
        return Err(Refusal::Unsupported(format!(
            "it speaks version {speaks} of the requests, and {RPC_VERSION} is needed: OBS 28 or newer"
        )));
    }
    let mut identify = json!({"rpcVersion": RPC_VERSION});
    if let Some(asked) = hello.get("authentication").filter(|asked| asked.is_object()) {
        let password = device.secret.ok_or(PASSWORD)?;
        let text = |key: &str| asked[key].as_str().unwrap_or_default();
        identify["authentication"] =
            Json::from(proof(password.expose_secret(), text("salt"), text("challenge")));
    }
    let identify = Message::text(json!({"op": 1, "d": identify}).to_string());
    out.send(identify).await.map_err(|_| unreachable("it hung up"))?;
    if web::greeting(&mut into, refusal).await?["op"] != 2 {
        return Err(unreachable("not identified"));
    }
    let waiting: Waiting = Arc::new(Mutex::new(Some(HashMap::new())));
    let out: Out = Arc::new(tokio::sync::Mutex::new(out));
    let reader = Reader { into, out: Arc::clone(&out), waiting: Arc::clone(&waiting) };
    Ok((Requests { out, waiting, next: AtomicU64::new(1) }, reader))
}

const PASSWORD: Refusal = Refusal::Credentials("the password is refused");

/// Who is not let in is hung up on, with the reason in the code.
fn refusal(code: u16, reason: String) -> Refusal {
    match code {
        4009 => PASSWORD,
        4010 => Refusal::Unsupported(reason),
        code => web::hung_up(code),
    }
}

fn failure(sent: bool, reason: &str) -> SendFailure {
    SendFailure { sent, reason: reason.to_owned(), source: None }
}

/// Proves the password without showing it.
fn proof(password: &str, salt: &str, challenge: &str) -> String {
    let hashed = |text: String| STANDARD.encode(Sha256::digest(text.as_bytes()));
    let secret = hashed(format!("{password}{salt}"));
    hashed(format!("{secret}{challenge}"))
}

impl Wire for Reader {
    async fn next(&mut self) -> Option<Said> {
        match Frame::from(self.into.next().await) {
            Frame::Message(said) => Some(self.give(&said)),
            Frame::Sign => Some(Said::Sign),
            Frame::Odd | Frame::End(_) => None,
        }
    }

    async fn ask(&mut self) -> Option<()> {
        self.out.lock().await.send(Message::Ping(Bytes::new())).await.ok()
    }
}

impl Reader {
    fn give(&self, message: &Json) -> Said {
        let said = &message["d"];
        match message["op"].as_u64() {
            Some(7) => {
                let id = said["requestId"].as_str().unwrap_or_default();
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let told = waiting.as_mut().and_then(|waiting| waiting.remove(id));
                // Who gave up does not listen.
                let _ = told.map(|tell| tell.send(said.clone()));
                Said::Sign
            }
            Some(5) => {
                let kind = said["eventType"].as_str().unwrap_or_default().to_owned();
                Said::Event(DeviceEvent { kind, data: said["eventData"].clone() })
            }
            _ => Said::Sign,
        }
    }
}

/// A request's answer as HTTP would say it.
fn judged(kind: &str, answer: &Json) -> Received {
    let state = &answer["requestStatus"];
    let code = state["code"].as_u64().unwrap_or_default();
    // It records, streams or rests already: that is what was wanted.
    let so_already =
        (kind.starts_with("Start") && code == 500) || (kind.starts_with("Stop") && code == 501);
    if state["result"] == true || so_already {
        return received(200, answer.get("responseData").unwrap_or(&Json::Null));
    }
    let status = match code {
        4009 => 401,
        204 => 501,
        207 => 503,
        300..=499 | 605 | 606 => 400,
        600 => 404,
        500..=599 | 601..=699 => 409,
        _ => 500,
    };
    received(status, &json!({"code": code, "comment": state["comment"]}))
}

fn received(status: u16, body: &Json) -> Received {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    Received { status, headers: HeaderMap::new(), body: Body::Whole(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the protocol's own text.
    #[test]
    fn a_password_is_proven_as_the_protocol_says() {
        let proof = proof(
            "supersecretpassword",
            "lM1GncleQOaCu9lT1yeUZhFYnqhsLLP1G5lAGo3ixaI=",
            "+IxH4CnCiqpX1rM9scsNynZzbOe4KhDeYcTNS3PDaeY=",
        );
        assert_eq!(proof, "1Ct943GAT+6YQUUX47Ia/ncufilbe6+oD6lY+5kaCu4=");
    }

    #[test]
    fn codes_have_a_status() {
        let answer = |code: u64| json!({"requestStatus": {"result": false, "code": code}});
        for (kind, code, status) in [
            ("StartStream", 500, 200),
            ("StopStream", 501, 200),
            ("StopStream", 500, 409),
            ("SetCurrentProgramScene", 600, 404),
            ("CreateScene", 601, 409),
            ("Nonsense", 204, 501),
            ("GetVersion", 207, 503),
            ("SetCurrentProgramScene", 300, 400),
            ("GetVersion", 702, 500),
        ] {
            assert_eq!(judged(kind, &answer(code)).status, status, "{kind} {code}");
        }
    }
}
