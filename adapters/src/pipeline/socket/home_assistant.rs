//! Home Assistant's websocket API: a token, a subscription, and the states that change.
//!
//! <https://developers.home-assistant.io/docs/api/websocket>

use futures::{SinkExt as _, StreamExt as _};
use secrecy::ExposeSecret as _;
use serde_json::{Value as Json, json};
use tokio_tungstenite::tungstenite::Message;

use super::web::{self, Frame, Web};
use super::{Device, DeviceEvent, Refusal, Said, Wire, unreachable};

/// What is subscribed to: what happens to devices.
const KIND: &str = "state_changed";
/// The number of the subscription; those of later commands are greater.
const SUBSCRIPTION: u64 = 1;

pub(super) struct HomeAssistant {
    web: Web,
    /// The number of the last command.
    last: u64,
}

/// Opens a connection that brings events.
pub(super) async fn connect(device: &Device<'_>) -> Result<HomeAssistant, Refusal> {
    let token = device.secret.ok_or(Refusal::Credentials("there is no token"))?;
    let mut home = HomeAssistant { web: web::open(&device.url).await?, last: SUBSCRIPTION };
    // Who does not greet as it should is shown no token.
    if home.greeting().await?["type"] != "auth_required" {
        return Err(unreachable("no greeting of Home Assistant"));
    }
    home.say(&json!({"type": "auth", "access_token": token.expose_secret()})).await?;
    let said = home.greeting().await?;
    match said["type"].as_str() {
        Some("auth_ok") => {}
        Some("auth_invalid") => return Err(Refusal::Credentials("the token is refused")),
        _ => return Err(unreachable("it did not say whether the token is good")),
    }
    let subscribe = json!({"id": SUBSCRIPTION, "type": "subscribe_events", "event_type": KIND});
    home.say(&subscribe).await?;
    let said = home.greeting().await?;
    if said["type"] != "result" || said["id"] != SUBSCRIPTION {
        return Err(unreachable("no answer to the subscription"));
    }
    match said["error"]["code"].as_str() {
        _ if said["success"] == true => Ok(home),
        Some("unauthorized") => Err(Refusal::Credentials("its user may not see events")),
        _ => Err(Refusal::Unsupported("it refuses the subscription".to_owned())),
    }
}

impl HomeAssistant {
    async fn greeting(&mut self) -> Result<Json, Refusal> {
        web::greeting(&mut self.web, |code, _| web::hung_up(code)).await
    }

    async fn say(&mut self, message: &Json) -> Result<(), Refusal> {
        let sent = self.web.send(Message::text(message.to_string())).await;
        sent.map_err(|_| unreachable("it hung up before it let us in"))
    }
}

impl Wire for HomeAssistant {
    async fn next(&mut self) -> Option<Said> {
        match Frame::from(self.web.next().await) {
            Frame::Message(said) => Some(event(&said).map_or(Said::Sign, Said::Event)),
            Frame::Sign => Some(Said::Sign),
            Frame::Odd | Frame::End(_) => None,
        }
    }

    async fn ask(&mut self) -> Option<()> {
        self.last += 1;
        let ping = json!({"id": self.last, "type": "ping"});
        self.web.send(Message::text(ping.to_string())).await.ok()
    }
}

fn event(said: &Json) -> Option<DeviceEvent> {
    let event = said.get("event").filter(|_| said["type"] == "event")?;
    let kind = event["event_type"].as_str()?.to_owned();
    Some(DeviceEvent { kind, data: event["data"].clone() })
}
