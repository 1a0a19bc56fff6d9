//! A provider that answers as a test tells it, over plain TCP, so that it can also answer wrongly.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One answer.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Status line, headers and body with its true length.
    Http(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// The request is read, and the connection closed.
    Lost,
    /// These bytes, and the connection closed.
    Raw(Vec<u8>),
    /// A body of this many bytes, announced or in chunks without end.
    Flood { bytes: u64, announced: bool },
    /// The request is read, and nothing answered.
    Silence,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Method and target, `GET /v1/things`.
    pub(crate) line: String,
    /// Lower-case name and value.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: String,
}

impl Request {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The provider.
#[derive(Clone)]
pub(crate) struct Provider {
    /// Its base URL.
    pub(crate) url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    replies: Mutex<VecDeque<Reply>>,
    requests: Mutex<Vec<Request>>,
    /// Bytes of floods that the client took.
    taken: Mutex<u64>,
}

impl Provider {
    /// Starts one that gives these answers in their order, and 599 afterwards.
    pub(crate) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(State {
            replies: Mutex::new(replies.into_iter().collect()),
            ..State::default()
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { url, state }
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().expect("lock").clone()
    }

    /// How many bytes of floods went out.
    pub(crate) fn taken(&self) -> u64 {
        *self.state.taken.lock().expect("lock")
    }
}

/// A JSON answer.
pub(crate) fn json(status: u16, body: &serde_json::Value) -> Reply {
    Reply::Http(
        status,
        vec![("content-type", "application/json".to_owned())],
        body.to_string().into(),
    )
}

/// An answer with headers.
pub(crate) fn with(
    status: u16,
    headers: &[(&'static str, &str)],
    body: impl Into<Vec<u8>>,
) -> Reply {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Reply::Http(status, headers, body.into())
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    while let Some(request) = read(&mut stream).await {
        state.requests.lock().expect("lock").push(request);
        let reply = state.replies.lock().expect("lock").pop_front();
        let reply = reply.unwrap_or(Reply::Http(599, Vec::new(), b"no answer is left".to_vec()));
        if answer(&mut stream, reply, &state).await.is_none() {
            return;
        }
    }
}

/// `None` when the connection is to be closed.
async fn answer(stream: &mut TcpStream, reply: Reply, state: &State) -> Option<()> {
    match reply {
        Reply::Http(status, headers, body) => {
            let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
            for (name, value) in headers {
                let _ = write!(head, "{name}: {value}\r\n");
            }
            head.push_str("\r\n");
            stream.write_all(head.as_bytes()).await.ok()?;
            stream.write_all(&body).await.ok()
        }
        Reply::Lost => None,
        Reply::Raw(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
            None
        }
        Reply::Flood { bytes, announced } => {
            flood(stream, bytes, announced, state).await;
            None
        }
        Reply::Silence => {
            // Until the client goes away.
            let mut rest = [0];
            let _ = tokio::time::timeout(Duration::from_secs(30), stream.read(&mut rest)).await;
            None
        }
    }
}

async fn flood(stream: &mut TcpStream, bytes: u64, announced: bool, state: &State) {
    let length = if announced {
        format!("content-length: {bytes}\r\n")
    } else {
        "transfer-encoding: chunked\r\n".to_owned()
    };
    let head = format!("HTTP/1.1 200 OK\r\n{length}\r\n");
    if stream.write_all(head.as_bytes()).await.is_err() {
        return;
    }
    let block = vec![b' '; 64 * 1024];
    for _ in 0..bytes / block.len() as u64 {
        let size = format!("{:x}\r\n", block.len());
        let written = async {
            if !announced {
                stream.write_all(size.as_bytes()).await?;
            }
            stream.write_all(&block).await?;
            if announced { Ok(()) } else { stream.write_all(b"\r\n").await }
        };
        if written.await.is_err() {
            return;
        }
        *state.taken.lock().expect("lock") += block.len() as u64;
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        let mut block = [0; 4096];
        match stream.read(&mut block).await {
            Ok(n) if n > 0 => bytes.extend_from_slice(&block[..n]),
            _ => return None,
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut lines = head.lines();
    let line = lines.next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let mut body = bytes[end + 4..].to_vec();
    while body.len() < length {
        let mut block = [0; 4096];
        match stream.read(&mut block).await {
            Ok(n) if n > 0 => body.extend_from_slice(&block[..n]),
            _ => return None,
        }
    }
    Some(Request { line, headers, body: String::from_utf8_lossy(&body).into_owned() })
}
