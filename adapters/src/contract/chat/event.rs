//! What platforms tell of themselves.

use serde::{Deserialize, Serialize};

use super::MessageState;

/// What a delivery of the platform says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChatEvent {
    /// What happened.
    pub kind: ChatEventKind,
    /// The platform's own word for it.
    pub vendor_kind: String,
    /// The message's identity within its target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The room or person, as a wish takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Who said or did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// What was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The message or thread that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// What became of a message of ours.
    pub state: MessageState,
    /// Our own token of that message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// When, as the platform writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// What happened at a platform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ChatEventKind {
    /// Somebody said something.
    Message,
    /// Somebody gave a command of ours.
    Command,
    /// Somebody pressed a button of ours.
    Button,
    /// A message has another text.
    Edited,
    /// A message was taken back.
    Deleted,
    /// Somebody reacted to a message.
    Reaction,
    /// Somebody, perhaps we, came into a room.
    Joined,
    /// Somebody, perhaps we, left a room.
    Left,
    /// It says what became of a message of ours.
    Receipt,
    /// Something else.
    #[default]
    Other,
}
