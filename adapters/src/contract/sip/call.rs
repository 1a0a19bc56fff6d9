//! Calls, conferences and text messages.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::account::{Action, Found};

/// Calls somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dial {
    /// The number that is shown; one of ours.
    pub from: String,
    /// The number that is called.
    pub to: String,
    /// What is said to who answers, where the provider can say it at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub say: Option<String>,
    /// What else the provider wants to know of the call: an application, a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
}

/// A call as its provider knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// The provider's identity for it.
    pub id: String,
    /// What it does.
    #[serde(default)]
    pub state: CallState,
    /// The provider's own word for the state.
    #[serde(default)]
    pub vendor_state: String,
    /// What it cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Decimal>,
    /// ISO 4217.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
}

/// What a call does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CallState {
    /// It waits for its turn.
    Queued,
    /// It rings.
    Ringing,
    /// They talk.
    Talking,
    /// It ended as it should.
    Ended,
    /// Nobody was reached.
    Failed,
    /// The provider does not say, or says a word that the definition does not know.
    #[default]
    Unknown,
}

/// Asks what a call does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listen {}

/// Ends a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HangUp {}

/// Sends a text message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// The number that is shown; one of ours.
    pub from: String,
    /// The number that gets it.
    pub to: String,
    /// What it says.
    pub text: String,
}

/// Says something to who is in a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Say {
    /// What is said.
    pub say: String,
}

/// Calls somebody into a conference, which is made when it is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conference {
    /// Our own name of the conference.
    pub room: String,
    /// The number that is shown; one of ours.
    pub from: String,
    /// The number that is called.
    pub to: String,
}

/// A conference as its provider knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meeting {
    /// The provider's identity for it.
    pub id: String,
    /// The provider's identity of the call into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// What that call does.
    #[serde(default)]
    pub state: CallState,
    /// The provider's own word for the state.
    #[serde(default)]
    pub vendor_state: String,
}

/// Asks who is in a conference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participants {
    /// The most that are wanted.
    pub limit: u32,
}

/// Ends a conference for everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndConference {}

/// What a delivery of the carrier says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SipEvent {
    /// What it is about.
    pub kind: SipEventKind,
    /// The carrier's own word for what happened.
    pub vendor_kind: String,
    /// The carrier's identity of what it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Whether somebody called or wrote to us.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inbound: Option<bool>,
    /// The number that called or wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The number that was called or written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What the text message says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What the call or the message does: a state of calls, or of messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The carrier's own word for the state.
    pub vendor_state: String,
}

/// What a delivery is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SipEventKind {
    /// A call.
    Call,
    /// A conference.
    Conference,
    /// A text message.
    Message,
    /// A number, or the order of one.
    Number,
    /// Something else.
    #[default]
    Other,
}

impl Action for Dial {
    const NAME: &'static str = "dial";
    type Given = Call;
}
impl Action for Listen {
    const NAME: &'static str = "listen";
    type Given = Call;
}
impl Action for HangUp {
    const NAME: &'static str = "hangUp";
    type Given = crate::contract::chat::Done;
}
impl Action for Text {
    const NAME: &'static str = "text";
    type Given = crate::contract::chat::Message;
}
impl Action for Say {
    const NAME: &'static str = "say";
    type Given = crate::contract::chat::Done;
}
impl Action for Conference {
    const NAME: &'static str = "conference";
    type Given = Meeting;
}
impl Action for Participants {
    const NAME: &'static str = "participants";
    type Given = Found<Call>;
}
impl Action for EndConference {
    const NAME: &'static str = "endConference";
    type Given = crate::contract::chat::Done;
}
