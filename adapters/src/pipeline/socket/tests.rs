use std::future::Future;
use std::sync::Mutex;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::*;

const TOKEN: &str = "right";

/// A device that does the same with whoever comes, and hangs up only when that ends.
async fn device<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Url
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(serve(tcp));
        }
    });
    Url::parse(&format!("http://127.0.0.1:{port}")).expect("a URL")
}

async fn say(web: &mut WebSocketStream<TcpStream>, said: Json) {
    web.send(Message::text(said.to_string())).await.expect("it listens");
}

async fn hear(web: &mut WebSocketStream<TcpStream>) -> Json {
    let heard = web.next().await.expect("a message").expect("one");
    serde_json::from_str(heard.to_text().expect("text")).expect("JSON")
}

/// Lets everybody in as OBS does.
async fn obs(tcp: TcpStream) -> WebSocketStream<TcpStream> {
    let mut web = tokio_tungstenite::accept_async(tcp).await.expect("a websocket");
    say(&mut web, json!({"op": 0, "d": {"rpcVersion": 1}})).await;
    hear(&mut web).await;
    say(&mut web, json!({"op": 2, "d": {}})).await;
    web
}

/// Lets in who has the token, and takes the subscription.
async fn home_assistant(tcp: TcpStream) -> WebSocketStream<TcpStream> {
    let mut web = tokio_tungstenite::accept_async(tcp).await.expect("a websocket");
    say(&mut web, json!({"type": "auth_required", "ha_version": "2024.3.3"})).await;
    if hear(&mut web).await != json!({"type": "auth", "access_token": TOKEN}) {
        say(&mut web, json!({"type": "auth_invalid", "message": "Invalid access token"})).await;
        return web;
    }
    say(&mut web, json!({"type": "auth_ok"})).await;
    let asked = hear(&mut web).await;
    assert_eq!(asked["type"], "subscribe_events");
    assert_eq!(asked["event_type"], "state_changed");
    say(&mut web, json!({"id": asked["id"], "type": "result", "success": true})).await;
    web
}

/// Greets and takes the subscriptions, an event in between.
async fn vmix(mut tcp: TcpStream) -> TcpStream {
    tcp.write_all(b"VERSION OK 28.0.0.39\r\n").await.expect("it listens");
    for (asked, answer) in [
        ("SUBSCRIBE ACTS\r\n", "SUBSCRIBE OK ACTS Subscribed\r\n"),
        ("SUBSCRIBE TALLY\r\n", "ACTS OK Input 1 1\r\nSUBSCRIBE OK TALLY\r\n"),
    ] {
        let mut heard = vec![0; asked.len()];
        tcp.read_exact(&mut heard).await.expect("a line");
        assert_eq!(heard, asked.as_bytes());
        tcp.write_all(answer.as_bytes()).await.expect("it listens");
    }
    tcp
}

/// One device of each kind that lets us in, and what becomes of the connection then.
async fn devices<T, F, G>(web: fn(WebSocketStream<TcpStream>) -> F, tcp: T) -> [(Speaks, Url); 3]
where
    T: Fn(TcpStream) -> G + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
    G: Future<Output = ()> + Send + 'static,
{
    [
        (Speaks::Obs, device(move |stream| async move { web(obs(stream).await).await }).await),
        (
            Speaks::HomeAssistant,
            device(move |stream| async move { web(home_assistant(stream).await).await }).await,
        ),
        (
            Speaks::Vmix,
            device(move |stream| {
                let tcp = tcp.clone();
                async move { tcp(vmix(stream).await).await }
            })
            .await,
        ),
    ]
}

fn at<'a>(speaks: Speaks, url: &Url, secret: &'a SecretString) -> Device<'a> {
    Device { speaks, url: url.clone(), secret: Some(secret) }
}

fn quick() -> Socket {
    Socket { quiet: Duration::from_millis(30), ..Socket::default() }
}

#[tokio::test]
async fn a_connection_that_died_silently_is_given_up_and_made_again() {
    let silent = devices(hold, hold).await;
    let token = TOKEN.into();
    for (speaks, url) in silent {
        let socket = quick();
        for _ in 0..2 {
            let device = at(speaks, &url, &token);
            let mut events = socket.events(&device).await.expect("let in");
            let pushed = timeout(Duration::from_secs(5), events.recv()).await.expect("noticed");
            assert_eq!(pushed.expect("who listens is told"), None, "{speaks:?}");
        }
    }
}

/// Keeps a connection and neither says nor hears anything.
async fn hold<T>(stream: T) {
    std::future::pending::<()>().await;
    drop(stream);
}

#[tokio::test]
async fn who_waits_for_an_answer_learns_that_none_comes() {
    let url = device(|tcp| async move { hold(obs(tcp).await).await }).await;
    let (socket, token) = (quick(), TOKEN.into());
    let deadline = Instant::now() + Duration::from_mins(1);
    let device = at(Speaks::Obs, &url, &token);
    let lost = socket.call(&device, ("GetVersion", b"{}"), deadline).await;
    let Err(lost) = lost else { panic!("nobody answers") };
    assert!(lost.sent && lost.reason.contains("ended"), "{}", lost.reason);
}

/// Answers whatever is asked, for longer than a silence may last, and then hangs up.
#[tokio::test]
async fn a_device_that_answers_is_kept() {
    let asked = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&asked);
    let url = device(move |tcp| {
        let counted = Arc::clone(&counted);
        async move {
            let mut web = home_assistant(tcp).await;
            let mut last = 1;
            for _ in 0..3 {
                let ping = hear(&mut web).await;
                let id = ping["id"].as_u64().expect("a number");
                assert!(ping["type"] == "ping" && id > last, "{ping}");
                last = id;
                *counted.lock().expect("one") += 1;
                say(&mut web, json!({"id": id, "type": "pong"})).await;
            }
            let event = json!({"event_type": "state_changed", "data": {"entity_id": "light.a"}});
            say(&mut web, json!({"id": 1, "type": "event", "event": event})).await;
        }
    })
    .await;
    // Long enough for an answer on a busy computer.
    let socket = Socket { quiet: Duration::from_millis(300), ..Socket::default() };
    let token = TOKEN.into();
    let device = at(Speaks::HomeAssistant, &url, &token);
    let mut events = socket.events(&device).await.expect("let in");
    let pushed = events.recv().await.expect("an event").expect("one");
    assert_eq!(
        (pushed.kind.as_str(), &pushed.data["entity_id"]),
        ("state_changed", &json!("light.a"))
    );
    assert_eq!(events.recv().await.expect("the end"), None);
    assert_eq!(*asked.lock().expect("one"), 3);
}

#[tokio::test]
async fn who_is_refused_is_told_why() {
    let url = device(|tcp| async move { hold(home_assistant(tcp).await).await }).await;
    let (socket, wrong) = (quick(), "not-it".into());
    let refusal = socket.events(&at(Speaks::HomeAssistant, &url, &wrong)).await;
    assert_eq!(refusal.expect_err("refused").class(), Class::Auth);
    // What greets otherwise is another thing, and is shown no token.
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let url = device(move |mut tcp| {
        let tell = tell.clone();
        async move {
            tcp.write_all(b"220 mail ESMTP\r\n").await.expect("it listens");
            let mut heard = Vec::new();
            // However it ends: what counts is what was said.
            let _ = tcp.read_to_end(&mut heard).await;
            tell.send(heard).expect("the test listens");
        }
    })
    .await;
    let refusal = socket.events(&at(Speaks::Vmix, &url, &wrong)).await.expect_err("no vMix");
    assert_eq!(refusal, unreachable("no greeting of vMix"));
    assert_eq!(told.recv().await.expect("it hung up"), b"");
    let tls = Url::parse("https://127.0.0.1:1").expect("a URL");
    let refusal = socket.events(&at(Speaks::HomeAssistant, &tls, &wrong)).await;
    assert_eq!(refusal.expect_err("no TLS").class(), Class::Unsupported);
}

/// Garbage is passed over or ends the connection; who listens learns of it either way.
#[tokio::test]
async fn garbage_ends_nothing_but_the_connection() {
    async fn odd(mut web: WebSocketStream<TcpStream>) {
        say(&mut web, json!(["no", "object"])).await;
        say(&mut web, json!({"type": "event", "op": "5", "event": 7})).await;
        web.send(Message::binary(vec![0xff; 64])).await.expect("it listens");
        web.send(Message::text("no JSON")).await.expect("it listens");
        hold(web).await;
    }
    let lines = |mut tcp: TcpStream| async move {
        tcp.write_all(b"\r\n\xff\xfe\r\nTALLY\r\nTALLY OK 01").await.expect("it listens");
        tcp.write_all(b"20\r\n").await.expect("it listens");
        // A line without an end is not kept for ever.
        while tcp.write_all(&[b'x'; 4096]).await.is_ok() {}
    };
    let token = TOKEN.into();
    for (speaks, url) in devices(odd, lines).await {
        let socket = Socket::default();
        let mut events = socket.events(&at(speaks, &url, &token)).await.expect("let in");
        let mut came = Vec::new();
        while let Some(event) = events.recv().await.expect("told") {
            came.push(event.data);
        }
        let wanted = if speaks == Speaks::Vmix { vec![json!("0120")] } else { Vec::new() };
        assert_eq!(came, wanted, "{speaks:?}");
    }
}
