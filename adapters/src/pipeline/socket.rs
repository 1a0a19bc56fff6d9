//! The transport of obs-websocket 5: one connection for an account, many requests on it at once, and the
//! events that the device pushes.
//!
//! <https://github.com/obsproject/obs-websocket/blob/master/docs/generated/protocol.md>

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio::sync::{broadcast, oneshot};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use url::Url;

use super::answer::Body;
use super::send::{Received, SendFailure};

/// The version of the protocol's requests that we speak.
const RPC_VERSION: u64 = 1;
/// How long it may take to reach the device and be let in.
const CONNECT: Duration = Duration::from_secs(5);
/// The largest message that is read.
const LIMIT_BYTES: usize = super::BODY_LIMIT_BYTES;
/// After how long a silence the device is asked whether it is there, and after how long another the
/// connection is given up: a machine that lost its power says no goodbye.
const QUIET: Duration = Duration::from_secs(5);
/// How many events wait for who reads them slowly; the oldest are lost then.
const EVENTS: usize = 256;

/// What a device pushes.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceEvent {
    /// The vendor's name of it.
    pub kind: String,
    /// What it says.
    pub data: Json,
}

/// The connection of an account, made when it is first needed.
pub(crate) struct Socket {
    live: tokio::sync::Mutex<Option<Arc<Live>>>,
    events: broadcast::Sender<Pushed>,
    /// After how long a silence it asks; [`QUIET`] but in tests.
    quiet: Duration,
}

/// An event; nothing when the connection that brought them has ended.
pub(crate) type Pushed = Option<DeviceEvent>;

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socket").finish_non_exhaustive()
    }
}

impl Default for Socket {
    fn default() -> Self {
        Self {
            live: tokio::sync::Mutex::default(),
            events: broadcast::Sender::new(EVENTS),
            quiet: QUIET,
        }
    }
}

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Out = Arc<tokio::sync::Mutex<SplitSink<Stream, Message>>>;
type Waiting = Arc<Mutex<Option<HashMap<String, oneshot::Sender<Json>>>>>;

/// An open connection.
struct Live {
    out: Out,
    /// Who waits for which answer; nothing once the connection has ended.
    waiting: Waiting,
    next: AtomicU64,
    reader: tokio::task::JoinHandle<()>,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Live {
    fn is_open(&self) -> bool {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

/// Why nobody was let in.
enum Refusal {
    /// The device cannot be reached, or does not speak as it should.
    Unreachable(String),
    /// It refuses the password.
    Password,
    /// It speaks another protocol.
    Version(String),
}

impl Socket {
    /// What the device pushes from now on.
    pub(crate) fn events(&self) -> broadcast::Receiver<Pushed> {
        self.events.subscribe()
    }

    /// Makes one request.
    pub(crate) async fn call(
        &self,
        url: &Url,
        password: Option<&SecretString>,
        (kind, data): (&str, &[u8]),
        deadline: Instant,
    ) -> Result<Received, SendFailure> {
        let live = match tokio::time::timeout_at(deadline, self.live(url, password)).await {
            Ok(Ok(live)) => live,
            Ok(Err(Refusal::Unreachable(reason))) => return Err(unsent(reason)),
            Ok(Err(Refusal::Password)) => {
                let said = json!({"code": 4009, "comment": "the password is refused"});
                return Ok(received(401, &said));
            }
            Ok(Err(Refusal::Version(comment))) => {
                return Ok(received(501, &json!({"code": 4010, "comment": comment})));
            }
            Err(_) => return Err(unsent("no connection in time".to_owned())),
        };
        let id = live.next.fetch_add(1, Ordering::Relaxed).to_string();
        let (tell, told) = oneshot::channel();
        let lost = |sent| SendFailure {
            sent,
            reason: "the connection ended before the answer".to_owned(),
            source: None,
        };
        {
            let mut waiting = live.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.as_mut().ok_or_else(|| lost(false))?.insert(id.clone(), tell);
        }
        let data: Json = serde_json::from_slice(data).unwrap_or_else(|_| json!({}));
        let message =
            json!({"op": 6, "d": {"requestType": kind, "requestId": id, "requestData": data}});
        let sending =
            async { live.out.lock().await.send(Message::text(message.to_string())).await };
        let answer = async {
            sending.await.map_err(|_| lost(true))?;
            told.await.map_err(|_| lost(true))
        };
        let answer = tokio::time::timeout_at(deadline, answer).await;
        if answer.is_err() {
            let mut waiting = live.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.iter_mut().for_each(|waiting| drop(waiting.remove(&id)));
        }
        let answer = answer.unwrap_or_else(|_| {
            Err(SendFailure { sent: true, reason: "no answer in time".to_owned(), source: None })
        })?;
        Ok(judged(kind, &answer))
    }

    /// Connects when it is not.
    pub(crate) async fn open(
        &self,
        url: &Url,
        password: Option<&SecretString>,
    ) -> Result<(), String> {
        self.live(url, password).await.map(drop).map_err(|refusal| match refusal {
            Refusal::Unreachable(reason) | Refusal::Version(reason) => reason,
            Refusal::Password => "the password is refused".to_owned(),
        })
    }

    async fn live(&self, url: &Url, password: Option<&SecretString>) -> Result<Arc<Live>, Refusal> {
        let mut live = self.live.lock().await;
        if let Some(open) = live.as_ref().filter(|live| live.is_open()) {
            return Ok(Arc::clone(open));
        }
        *live = None;
        let opened = tokio::time::timeout(CONNECT, self.connect(url, password));
        let opened = opened.await;
        let opened = opened
            .unwrap_or_else(|_| Err(Refusal::Unreachable("no connection in time".to_owned())))?;
        let opened = Arc::new(opened);
        *live = Some(Arc::clone(&opened));
        Ok(opened)
    }

    async fn connect(&self, url: &Url, password: Option<&SecretString>) -> Result<Live, Refusal> {
        let unreachable = |what: &str| Refusal::Unreachable(what.to_owned());
        let mut url = url.clone();
        let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
        // Both are special schemes, so that one may become the other.
        let _ = url.set_scheme(scheme);
        let config = WebSocketConfig::default()
            .max_message_size(Some(LIMIT_BYTES))
            .max_frame_size(Some(LIMIT_BYTES));
        let connected = connect_async_with_config(url.as_str(), Some(config), true).await;
        let (stream, _) = connected
            .map_err(|error| Refusal::Unreachable(format!("connect: {}", short(&error))))?;
        let (mut out, mut into) = stream.split();
        let hello = next(&mut into).await.ok_or_else(|| unreachable("no greeting"))??;
        if hello["op"] != 0 {
            return Err(unreachable("no greeting of obs-websocket 5"));
        }
        let hello = &hello["d"];
        let speaks = hello["rpcVersion"].as_u64().unwrap_or_default();
        if speaks < RPC_VERSION {
            return Err(Refusal::Version(format!(
                "it speaks version {speaks} of the requests, and {RPC_VERSION} is needed: OBS 28 or newer"
            )));
        }
        let mut identify = json!({"rpcVersion": RPC_VERSION});
        if let Some(asked) = hello.get("authentication").filter(|asked| asked.is_object()) {
            let password = password.ok_or(Refusal::Password)?;
            let text = |key: &str| asked[key].as_str().unwrap_or_default();
            identify["authentication"] =
                Json::from(proof(password.expose_secret(), text("salt"), text("challenge")));
        }
        let identify = Message::text(json!({"op": 1, "d": identify}).to_string());
        out.send(identify).await.map_err(|_| unreachable("it hung up"))?;
        // Who is not let in is hung up on, with the reason in the code.
        match next(&mut into).await {
            Some(Ok(identified)) if identified["op"] == 2 => {}
            Some(Err(refusal)) => return Err(refusal),
            Some(Ok(_)) => return Err(unreachable("not identified")),
            None => return Err(unreachable("it hung up before it let us in")),
        }
        let waiting: Waiting = Arc::new(Mutex::new(Some(HashMap::new())));
        let out: Out = Arc::new(tokio::sync::Mutex::new(out));
        let reader = Reader {
            into,
            out: Arc::clone(&out),
            waiting: Arc::clone(&waiting),
            events: self.events.clone(),
            quiet: self.quiet,
        };
        let reader = tokio::spawn(reader.run());
        Ok(Live { out, waiting, next: AtomicU64::new(1), reader })
    }
}

fn unsent(reason: String) -> SendFailure {
    SendFailure { sent: false, reason, source: None }
}

/// Proves the password without showing it.
fn proof(password: &str, salt: &str, challenge: &str) -> String {
    let hashed = |text: String| STANDARD.encode(Sha256::digest(text.as_bytes()));
    let secret = hashed(format!("{password}{salt}"));
    hashed(format!("{secret}{challenge}"))
}

/// What a frame is for us.
enum Frame {
    /// A message, or why there will be none.
    Message(Result<Json, Refusal>),
    /// It hung up without a word.
    End,
    /// Of no meaning but that it lives.
    Sign,
}

impl From<Result<Message, WsError>> for Frame {
    fn from(frame: Result<Message, WsError>) -> Self {
        match frame {
            Ok(Message::Text(text)) => {
                let odd = |_| Refusal::Unreachable("a message that is no JSON".to_owned());
                Self::Message(serde_json::from_str(&text).map_err(odd))
            }
            Ok(Message::Close(Some(frame))) => Self::Message(Err(match u16::from(frame.code) {
                4009 => Refusal::Password,
                4010 => Refusal::Version(frame.reason.to_string()),
                code => Refusal::Unreachable(format!("it hung up with code {code}")),
            })),
            Ok(Message::Close(None)) | Err(_) => Self::End,
            Ok(_) => Self::Sign,
        }
    }
}

/// The next message; `None` when it hung up.
async fn next(into: &mut SplitStream<Stream>) -> Option<Result<Json, Refusal>> {
    loop {
        match Frame::from(into.next().await?) {
            Frame::Message(said) => return Some(said),
            Frame::End => return None,
            Frame::Sign => {}
        }
    }
}

/// Gives each answer to who waits for it, and events to who listens, until the connection ends.
struct Reader {
    into: SplitStream<Stream>,
    out: Out,
    waiting: Waiting,
    events: broadcast::Sender<Pushed>,
    quiet: Duration,
}

impl Reader {
    async fn run(mut self) {
        while let Some(message) = self.next().await {
            self.give(&message);
        }
        // Whoever waits or listens learns that nothing comes.
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let _ = self.events.send(None);
    }

    /// The next message of a connection that is kept alive.
    async fn next(&mut self) -> Option<Json> {
        let mut asked = false;
        loop {
            match tokio::time::timeout(self.quiet, self.into.next()).await {
                Ok(frame) => {
                    asked = false;
                    match Frame::from(frame?) {
                        Frame::Message(said) => return said.ok(),
                        Frame::End => return None,
                        Frame::Sign => {}
                    }
                }
                Err(_) if asked => return None,
                Err(_) => {
                    asked = true;
                    let ping =
                        async { self.out.lock().await.send(Message::Ping(Bytes::new())).await };
                    tokio::time::timeout(self.quiet, ping).await.ok()?.ok()?;
                }
            }
        }
    }

    fn give(&self, message: &Json) {
        let said = &message["d"];
        match message["op"].as_u64() {
            Some(7) => {
                let id = said["requestId"].as_str().unwrap_or_default();
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let told = waiting.as_mut().and_then(|waiting| waiting.remove(id));
                // Who gave up does not listen.
                let _ = told.map(|tell| tell.send(said.clone()));
            }
            Some(5) => {
                let kind = said["eventType"].as_str().unwrap_or_default().to_owned();
                // Nobody may listen.
                let _ =
                    self.events.send(Some(DeviceEvent { kind, data: said["eventData"].clone() }));
            }
            _ => {}
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

/// What happened, without the address.
fn short(error: &WsError) -> String {
    match error {
        WsError::Io(error) => error.to_string(),
        WsError::Http(answer) => format!("answered HTTP {}", answer.status()),
        _ => "no websocket".to_owned(),
    }
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

    /// Lets in whoever comes, and says nothing more, not even to a ping.
    async fn silent() -> (Url, tokio::task::JoinHandle<()>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let serving = tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let mut stream = tokio_tungstenite::accept_async(tcp).await.expect("a websocket");
                let mut say = async |said: Json| {
                    stream.send(Message::text(said.to_string())).await.expect("it listens");
                };
                say(json!({"op": 0, "d": {"rpcVersion": 1}})).await;
                say(json!({"op": 2, "d": {}})).await;
                kept.push(stream);
            }
        });
        (Url::parse(&format!("http://127.0.0.1:{port}")).expect("a URL"), serving)
    }

    #[tokio::test]
    async fn a_connection_that_died_silently_is_given_up_and_made_again() {
        let (url, serving) = silent().await;
        let socket = Socket { quiet: Duration::from_millis(30), ..Socket::default() };
        for _ in 0..2 {
            let mut events = socket.events();
            socket.open(&url, None).await.expect("let in");
            let asked = Instant::now();
            let deadline = asked + Duration::from_mins(1);
            let lost = socket.call(&url, None, ("GetVersion", b"{}"), deadline).await;
            let Err(lost) = lost else { panic!("nobody answers") };
            assert!(lost.sent && lost.reason.contains("ended"), "{}", lost.reason);
            assert_eq!(events.recv().await.expect("who listens is told"), None);
        }
        serving.abort();
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
