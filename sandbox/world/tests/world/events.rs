//! What simulated devices push, to the project's own client and to who speaks the protocol by hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use infrafabric_adapters::account::{Account, AccountOptions, Act, DeviceEvents};
use infrafabric_adapters::compile::Compiled;
use infrafabric_adapters::pipeline::DeviceEvent;
use infrafabric_definition::Class;
use infrafabric_world::FaultSpec;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::account::Open;
use crate::definitions::built_in;
use crate::harness::Harness;

const DEVICES: [&str; 3] = ["obs-studio", "home-assistant", "vmix"];

/// A simulated device with an account that knows it.
async fn device(name: &str) -> (Harness, Account) {
    let definition = built_in(name);
    let world = Harness::start(vec![Arc::clone(&definition)]).await;
    let accepts = definition.sandbox.as_ref().expect("a sandbox").accepts.clone();
    let account = open(&world, &definition, &accepts).await;
    (world, account)
}

async fn open(
    world: &Harness,
    definition: &Arc<Compiled>,
    secrets: &BTreeMap<String, String>,
) -> Account {
    let secrets = secrets.iter().map(|(key, value)| (key.clone(), value.clone().into()));
    let options = AccountOptions {
        endpoint: Some(format!("{}/p/{}", world.world.url(), definition.name())),
        events_port: world.client.events_port(definition.name()).await.expect("an overview"),
        secrets: secrets.collect(),
        ..AccountOptions::default()
    };
    Account::open(Arc::clone(definition), options).expect("opens")
}

async fn tell(account: &Account, action: &str, want: Value) {
    let done = account.perform(action, &want, Act::new("t", &Open)).await;
    done.unwrap_or_else(|error| panic!("{action} {want}: {error}"));
}

async fn next(events: &mut DeviceEvents) -> Option<DeviceEvent> {
    tokio::time::timeout(Duration::from_secs(10), events.next()).await.expect("in time")
}

#[tokio::test]
async fn what_a_command_changes_is_pushed_to_all_who_listen() {
    let scene = |name: &str| json!({"scene": name});
    let switch = |on: bool| json!({"entity": "switch.haze", "on": on});
    let haze = |state: &str| {
        let state = json!({"entity_id": "switch.haze", "state": state});
        event("state_changed", json!({"entity_id": "switch.haze", "new_state": state}))
    };
    let program = |name: &str| event("CurrentProgramSceneChanged", json!({"sceneName": name}));
    let acts = |data: &str| event("ACTS", json!(data));
    let tally = |data: &str| event("TALLY", json!(data));
    let table = [
        (
            "obs-studio",
            vec![
                ("show", scene("Main"), vec![program("Main")]),
                ("show", scene("Main"), vec![]),
                ("show", scene("Outro"), vec![program("Outro")]),
            ],
        ),
        (
            "home-assistant",
            vec![
                ("switch", switch(true), vec![]),
                ("switch", switch(false), vec![haze("off")]),
                ("switch", switch(false), vec![]),
                ("switch", switch(true), vec![haze("on")]),
            ],
        ),
        (
            "vmix",
            vec![
                ("show", scene("Main"), vec![acts("Input 2 1"), tally("010")]),
                ("show", scene("Main"), vec![]),
                ("prepare", scene("Outro"), vec![acts("InputPreview 3 1"), tally("012")]),
                ("stopStreaming", json!({}), vec![]),
                ("startStreaming", json!({}), vec![acts("Streaming 1")]),
            ],
        ),
    ];
    for (name, commands) in table {
        let (world, account) = device(name).await;
        let definition = account.definition();
        let accepts = definition.sandbox.as_ref().expect("a sandbox").accepts.clone();
        let other = open(&world, definition, &accepts).await;
        let mut wanted = Vec::new();
        let listening = [account.events().await, other.events().await];
        for (action, want, pushed) in commands {
            tell(&account, action, want).await;
            wanted.extend(pushed);
        }
        for events in listening {
            let mut events = events.unwrap_or_else(|error| panic!("{name}: {error}"));
            for event in &wanted {
                assert_eq!(next(&mut events).await.as_ref(), Some(event), "{name}");
            }
        }
    }
}

fn event(kind: &str, data: Value) -> DeviceEvent {
    DeviceEvent { kind: kind.to_owned(), data }
}

#[tokio::test]
async fn what_changed_is_pushed_although_the_answer_is_lost() {
    let (world, account) = device("home-assistant").await;
    let mut events = account.events().await.expect("let in");
    let lost = FaultSpec::new("home-assistant", "lost").on("switch");
    world.client.set_fault(&lost).await.expect("set");
    let want = json!({"entity": "light.stage", "on": true});
    let error = account.perform("switch", &want, Act::new("t", &Open)).await.expect_err("lost");
    assert_eq!(error.class, Class::Unknown, "{error}");
    let event = next(&mut events).await.expect("an event");
    assert_eq!(event.data["new_state"]["state"], "on");
}

#[tokio::test]
async fn a_connection_that_ended_is_told() {
    for name in DEVICES {
        let (world, account) = device(name).await;
        let mut events = account.events().await.unwrap_or_else(|e| panic!("{name}: {e}"));
        world.world.shutdown().await;
        assert_eq!(next(&mut events).await, None, "{name}");
        let error = account.events().await.expect_err("nobody is there");
        assert_eq!(error.class, Class::Unavailable, "{name}: {error}");
    }
}

#[tokio::test]
async fn wrong_credentials_are_class_auth_and_shown_nowhere() {
    for (name, key) in [("obs-studio", "password"), ("home-assistant", "token")] {
        let (world, account) = device(name).await;
        let wrong = BTreeMap::from([(key.to_owned(), "not-it-at-all".to_owned())]);
        let stranger = open(&world, account.definition(), &wrong).await;
        let error = stranger.events().await.expect_err("refused");
        assert_eq!(error.class, Class::Auth, "{name}: {error}");
        assert!(!format!("{error} {error:?}").contains("not-it-at-all"), "{name}: {error}");
    }
}

#[tokio::test]
async fn one_account_sees_nothing_of_another() {
    let (world, account) = device("home-assistant").await;
    let secrets = [("token", "another")];
    world.client.add_account("home-assistant", &secrets, None).await.expect("added");
    let secrets = secrets.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let other = open(&world, account.definition(), &secrets).await;
    let (mut mine, mut theirs) =
        (account.events().await.expect("let in"), other.events().await.expect("let in"));
    let switch = |entity: &str| json!({"entity": entity, "on": false});
    tell(&other, "switch", switch("switch.haze")).await;
    tell(&account, "switch", json!({"entity": "light.stage", "on": true})).await;
    let entity = |event: Option<DeviceEvent>| event.expect("an event").data["entity_id"].clone();
    assert_eq!(entity(next(&mut mine).await), "light.stage");
    assert_eq!(entity(next(&mut theirs).await), "switch.haze");
}

#[tokio::test]
async fn who_pushes_nothing_is_not_asked() {
    let (world, account) = device("discord").await;
    let error = account.events().await.expect_err("refused");
    assert_eq!((error.class, error.sent), (Class::Unsupported, false), "{error}");
    assert!(world.ledger().await.requests.is_empty());
}

/// vMix's port, spoken by hand.
#[tokio::test]
async fn lines_are_answered_as_the_vendor_does() {
    let (world, _account) = device("vmix").await;
    let port = world.client.events_port("vmix").await.expect("an overview").expect("a port");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connects");
    let said = b"VERSION\r\nSUBSCRIBE NOTHING\r\nUNSUBSCRIBE ACTS\r\n\xff\r\nQUIT\r\n";
    stream.write_all(said).await.expect("it listens");
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.expect("lines, and the end");
    let heard: Vec<&str> = heard.split_terminator("\r\n").collect();
    assert_eq!(
        heard[..3],
        ["VERSION OK 28.0.0.39", "VERSION OK 28.0.0.39", "SUBSCRIBE ER Invalid Command"]
    );
    assert_eq!(heard[3], "UNSUBSCRIBE OK ACTS Unsubscribed");
    assert!(heard[4].ends_with("ER Invalid Command") && heard[5] == "QUIT OK Bye", "{heard:?}");
    // A line that has no end is not waited for.
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connects");
    let long = vec![b'x'; 64 * 1024];
    let _ = stream.write_all(&long).await;
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard).await;
    assert!(heard.is_empty() || heard.starts_with(b"VERSION OK"));
}

/// Home Assistant's websocket, spoken by hand.
#[tokio::test]
async fn commands_have_numbers_that_increase() {
    let (world, _account) = device("home-assistant").await;
    let address = world.world.address();
    let url = format!("ws://{address}/p/home-assistant/api/websocket");
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.expect("a websocket");
    let token = built_in("home-assistant").sandbox.as_ref().expect("one").accepts["token"].clone();
    for said in [
        json!({"type": "auth", "access_token": token}),
        json!({"id": 2, "type": "ping"}),
        json!({"id": 2, "type": "ping"}),
        json!({"id": 3, "type": "fly"}),
    ] {
        socket.send(Message::text(said.to_string())).await.expect("it listens");
    }
    let mut heard = Vec::new();
    while heard.len() < 5 {
        let message = socket.next().await.expect("a message").expect("one");
        heard.push(serde_json::from_str::<Value>(message.to_text().expect("text")).expect("JSON"));
    }
    let kinds: Vec<_> = heard.iter().map(|one| one["type"].as_str().unwrap_or_default()).collect();
    assert_eq!(kinds, ["auth_required", "auth_ok", "pong", "result", "result"]);
    assert_eq!(heard[3]["error"]["code"], "id_reuse");
    assert_eq!(heard[4]["error"]["code"], "unknown_command");
    // Another path is no websocket.
    let url = format!("ws://{address}/p/home-assistant/api/other");
    assert!(tokio_tungstenite::connect_async(url).await.is_err());
}
