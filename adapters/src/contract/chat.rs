//! Contract `chat`: messages to people and rooms.
//!
//! A message is known by its `id` together with its `target`: most platforms number messages within a
//! room.

mod event;

use serde::{Deserialize, Serialize};

use super::{
    ACTION, ActionContract, Does, DomainContract, EventContract, Field, Kind, needed, optional,
};
use crate::account::Action;

pub use event::{ChatEvent, ChatEventKind};

/// A message to be sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Send {
    /// The room, person or telephone number, by the platform's own identity.
    pub target: String,
    /// What it says.
    pub text: String,
    /// How the text is marked up; plain when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub markup: Option<Markup>,
    /// The message or thread that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// The approved template that is sent in place of the text, where only those may start a talk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// The template's language, `en_US`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// What the template's gaps are filled with, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<String>,
}

/// How a text is marked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Markup {
    /// Not at all.
    Plain,
    /// As the platform's own dialect of Markdown has it.
    Markdown,
    /// HTML, as far as the platform knows it.
    Html,
}

/// A file to be sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upload {
    /// The room or person.
    pub target: String,
    /// The file's name.
    pub filename: String,
    /// Its media type, `image/png`.
    pub content_type: String,
    /// Its content in base64.
    pub base64: String,
    /// What is said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Another text for a message that was sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Edit {
    /// The room that it was sent to.
    pub target: String,
    /// What it says from now on.
    pub text: String,
    /// How the text is marked up; plain when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub markup: Option<Markup>,
}

/// Takes a message back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delete {
    /// The room that it was sent to.
    pub target: String,
}

/// Asks what became of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The room that it was sent to.
    pub target: String,
}

/// A message as the platform knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Its identity, within its target.
    pub id: String,
    /// What became of it.
    #[serde(default)]
    pub state: MessageState,
    /// The platform's own word for the state.
    #[serde(default)]
    pub vendor_state: String,
    /// The target as the platform names it, which edits and receipts want.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What it costs, where the answer says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<rust_decimal::Decimal>,
    /// ISO 4217.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MessageState {
    /// The platform took it.
    Accepted,
    /// It arrived.
    Delivered,
    /// Somebody read it.
    Read,
    /// It did not arrive and will not.
    Failed,
    /// The platform does not say, or says a word that the definition does not know.
    #[default]
    Unknown,
}

/// Nothing but that it was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {}

impl Action for Send {
    const NAME: &'static str = "send";
    type Given = Message;
}
impl Action for Upload {
    const NAME: &'static str = "upload";
    type Given = Message;
}
impl Action for Edit {
    const NAME: &'static str = "edit";
    type Given = Done;
}
impl Action for Delete {
    const NAME: &'static str = "delete";
    type Given = Done;
}
impl Action for Receipt {
    const NAME: &'static str = "receipt";
    type Given = Message;
}

const TARGET: Field = needed("target", Kind::Text, "the room, person or telephone number");
const MARKUP: Field = optional("markup", Kind::Text, "plain, markdown or html");

const MESSAGE: &[Field] = &[
    needed("id", Kind::Text, "its identity within its target"),
    optional("state", Kind::State, "what became of it"),
    optional("target", Kind::Text, "the target as the platform names it"),
    optional("price", Kind::Decimal, "what it costs"),
    optional("currency", Kind::Currency, "of the price"),
];

const STATES: &[&str] = &["Accepted", "Delivered", "Read", "Failed", "Unknown"];

/// The contract as data.
pub const CONTRACT: DomainContract = DomainContract {
    objects: &[],
    catalogs: &[],
    events: Some(EventContract {
        outputs: &[
            needed("kind", Kind::State, "what happened"),
            optional("id", Kind::Text, "the message's identity within its target"),
            optional("target", Kind::Text, "the room or person, as a wish takes it"),
            optional("author", Kind::Text, "who said or did it"),
            optional("text", Kind::Text, "what was said"),
            optional("thread", Kind::Text, "the message or thread that it answers"),
            optional("state", Kind::State, "what became of a message of ours"),
            optional("reference", Kind::Text, "our own token of that message"),
            optional("at", Kind::Text, "when, as the provider writes it"),
        ],
        kinds: &[
            "Message", "Command", "Button", "Edited", "Deleted", "Reaction", "Joined", "Left",
            "Receipt", "Other",
        ],
        states: STATES,
    }),
    actions: &[
        ActionContract {
            name: "send",
            about: "sends a message",
            does: Does::Make("message"),
            inputs: &[
                TARGET,
                needed("text", Kind::Text, "what it says"),
                MARKUP,
                optional("thread", Kind::Text, "the message or thread that it answers"),
                optional("template", Kind::Text, "an approved template in place of the text"),
                optional("language", Kind::Text, "the template's language, en_US"),
                optional("variables", Kind::Texts, "what fills the template's gaps"),
            ],
            outputs: MESSAGE,
            states: STATES,
            example: r#"{"target": "C0123456789", "text": "Doors open in 10 minutes"}"#,
            ..ACTION
        },
        ActionContract {
            name: "upload",
            about: "sends a file",
            does: Does::Make("message"),
            inputs: &[
                TARGET,
                needed("filename", Kind::Text, "the file's name"),
                needed("contentType", Kind::Text, "its media type"),
                needed("base64", Kind::Text, "its content in base64"),
                optional("text", Kind::Text, "what is said about it"),
            ],
            outputs: MESSAGE,
            states: STATES,
            example: r#"{"target": "C0123456789", "filename": "plan.txt",
                "contentType": "text/plain", "base64": "cGxhbg==", "text": "The plan"}"#,
            ..ACTION
        },
        ActionContract {
            name: "edit",
            about: "gives a message another text",
            does: Does::Change("message"),
            after: Some("send"),
            inputs: &[TARGET, needed("text", Kind::Text, "what it says from now on"), MARKUP],
            example: r#"{"target": "C0123456789", "text": "Doors open in 5 minutes"}"#,
            ..ACTION
        },
        ActionContract {
            name: "delete",
            about: "takes a message back",
            does: Does::Remove("message"),
            after: Some("send"),
            inputs: &[TARGET],
            example: r#"{"target": "C0123456789"}"#,
            ..ACTION
        },
        ActionContract {
            name: "receipt",
            about: "says what became of a message",
            does: Does::Ask(Some("message")),
            after: Some("send"),
            inputs: &[TARGET],
            outputs: MESSAGE,
            states: STATES,
            example: r#"{"target": "C0123456789"}"#,
            ..ACTION
        },
    ],
};
