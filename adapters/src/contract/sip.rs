//! Contract `sip`: trunks, numbers, calls and text messages.

use infrafabric_definition::Domain;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    ACTION, ActionContract, Does, DomainContract, Field, Kept, Kind, ObjectContract, needed,
    optional,
};
use crate::account::{Action, Found};

/// Asks which numbers can be had.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Search {
    /// ISO 3166-1, `US`.
    pub country: String,
    /// The digits that the national number begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
    /// The most numbers that are wanted.
    pub limit: u32,
}

/// A number that can be had, or that is ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Number {
    /// The provider's identity for it; the number itself while it is not ours.
    pub id: String,
    /// The number as E.164 has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// What became of an order.
    #[serde(default)]
    pub state: NumberState,
    /// The provider's own word for the state.
    #[serde(default)]
    pub vendor_state: String,
    /// What it costs a month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_per_month: Option<Decimal>,
    /// ISO 4217.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
}

/// What became of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NumberState {
    /// It can be had.
    Free,
    /// It is ordered.
    Ordered,
    /// Documents are wanted before it works.
    DocumentsRequired,
    /// It is ours.
    Active,
    /// The order was refused.
    Failed,
    /// The provider does not say, or says a word that the definition does not know.
    #[default]
    Unknown,
}

/// Buys a number: from then on it costs its price a month.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buy {
    /// A number that a search found.
    pub number: String,
    /// Our own name for it, which the provider keeps.
    pub name: String,
}

/// Says where calls to a number go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configure {
    /// The number.
    pub number: String,
    /// The provider's identity of the trunk that its calls go to.
    pub trunk: String,
}

/// Gives a number back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The number.
    pub number: String,
}

/// Asks for the number that is ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    /// The number.
    pub number: String,
}

/// Calls somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dial {
    /// The number that is shown; one of ours.
    pub from: String,
    /// The number that is called.
    pub to: String,
    /// What is said to who answers.
    pub say: String,
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

/// Asks what calls to a number cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// The number that would be called.
    pub to: String,
}

/// What calls cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallPrice {
    /// A minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_minute: Option<Decimal>,
    /// ISO 4217.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
}

/// What a trunk is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrunkWant {
    /// RFC 1123 label of at most 63 characters without double hyphens, unique in the account.
    pub name: String,
    /// The provider's region.
    pub region: String,
    /// The IPv4 addresses that may use it.
    #[serde(default)]
    pub access: Vec<String>,
    /// Lists of addresses that may use it, by their identity, where they are things of their own.
    #[serde(default)]
    pub access_lists: Vec<String>,
    /// Where its calls go.
    #[serde(default)]
    pub origination: Vec<Origination>,
    /// What a thing of ours is recognised by.
    #[serde(default)]
    pub marks: Vec<String>,
}

/// Where calls to a trunk go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origination {
    /// `sip:pbx.example.com:5060`.
    pub uri: String,
    /// The lowest is tried first.
    pub priority: u16,
    /// The share among those of one priority.
    pub weight: u16,
}

/// A trunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trunk {
    /// The provider's identity for it.
    pub id: String,
    /// Its name at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The host that it takes calls at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
}

/// What a list of addresses is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessListWant {
    /// RFC 1123 label of at most 63 characters without double hyphens, unique in the account.
    pub name: String,
    /// The provider's region.
    pub region: String,
    /// The IPv4 addresses.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// What a thing of ours is recognised by.
    #[serde(default)]
    pub marks: Vec<String>,
}

/// A list of addresses from which calls are taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessList {
    /// The provider's identity for it.
    pub id: String,
    /// Its name at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Kept for AccessList {
    const DOMAIN: Domain = Domain::Sip;
    type Want = AccessListWant;
    const KIND: &'static str = "accessList";
    fn id(&self) -> &str {
        &self.id
    }
}

impl Kept for Trunk {
    const DOMAIN: Domain = Domain::Sip;
    type Want = TrunkWant;
    const KIND: &'static str = "trunk";
    fn id(&self) -> &str {
        &self.id
    }
}

impl Action for Search {
    const NAME: &'static str = "search";
    type Given = Found<Number>;
}
impl Action for Buy {
    const NAME: &'static str = "buy";
    type Given = Number;
}
impl Action for Owned {
    const NAME: &'static str = "owned";
    type Given = Found<Number>;
}
impl Action for Configure {
    const NAME: &'static str = "configure";
    type Given = super::chat::Done;
}
impl Action for Release {
    const NAME: &'static str = "release";
    type Given = super::chat::Done;
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
    type Given = super::chat::Done;
}
impl Action for Text {
    const NAME: &'static str = "text";
    type Given = super::chat::Message;
}
impl Action for Rate {
    const NAME: &'static str = "rate";
    type Given = CallPrice;
}

const OURS: Field = needed("number", Kind::Phone, "the number");

const NUMBER: &[Field] = &[
    needed("id", Kind::Text, "the provider's identity, or the number itself"),
    optional("number", Kind::Phone, "the number"),
    optional("state", Kind::State, "what became of it"),
    optional("pricePerMonth", Kind::Decimal, "what it costs a month"),
    optional("currency", Kind::Currency, "of the price"),
];

const NUMBERS: &[&str] = &["Free", "Ordered", "DocumentsRequired", "Active", "Failed", "Unknown"];

const CALL: &[Field] = &[
    needed("id", Kind::Text, "the provider's identity"),
    optional("state", Kind::State, "what it does"),
    optional("price", Kind::Decimal, "what it cost"),
    optional("currency", Kind::Currency, "of the price"),
];

const CALLS: &[&str] = &["Queued", "Ringing", "Talking", "Ended", "Failed", "Unknown"];

const NUMBER_EXAMPLE: &str = r#"{"number": "+14155550123"}"#;

/// The contract as data.
pub const CONTRACT: DomainContract = DomainContract {
    objects: &[
        ObjectContract {
            name: "accessList",
            inputs: &[
                needed("name", Kind::Text, "RFC 1123 label, at most 63 characters, unique"),
                needed("region", Kind::Text, "the provider's region"),
                needed("addresses", Kind::Texts, "the IPv4 addresses"),
                needed("marks", Kind::Texts, "what a thing of ours is recognised by"),
            ],
            outputs: &[
                needed("id", Kind::Text, "the provider's identity"),
                optional("name", Kind::Text, "its name at the provider"),
                optional("marks", Kind::Texts, "its tags, our marks among them"),
            ],
            states: &[],
            needs: &["create", "read", "list", "delete"],
            verbs: &[],
        },
        ObjectContract {
            name: "trunk",
            inputs: &[
                needed("name", Kind::Text, "RFC 1123 label, at most 63 characters, unique"),
                needed("region", Kind::Text, "the provider's region"),
                needed("access", Kind::Texts, "the IPv4 addresses that may use it"),
                needed("accessLists", Kind::Texts, "lists of such addresses, by their identity"),
                needed(
                    "origination",
                    Kind::Maps(&["uri", "priority", "weight"]),
                    "where its calls go: uri, priority (the lowest first), weight",
                ),
                needed("marks", Kind::Texts, "what a thing of ours is recognised by"),
            ],
            outputs: &[
                needed("id", Kind::Text, "the provider's identity"),
                optional("name", Kind::Text, "its name at the provider"),
                optional("domain", Kind::Text, "the host that it takes calls at"),
                optional("marks", Kind::Texts, "its tags, our marks among them"),
            ],
            states: &[],
            needs: &["create", "read", "list", "delete"],
            verbs: &[],
        },
    ],
    catalogs: &[],
    actions: &[
        ActionContract {
            name: "search",
            about: "says which numbers can be had",
            inputs: &[
                needed("country", Kind::Text, "ISO 3166-1"),
                optional("area", Kind::Text, "the first digits of the national number"),
                needed("limit", Kind::Int, "the most numbers that are wanted"),
            ],
            outputs: NUMBER,
            states: NUMBERS,
            many: true,
            example: r#"{"country": "US", "area": "415", "limit": 2}"#,
            ..ACTION
        },
        ActionContract {
            name: "buy",
            about: "buys a number, which costs its price a month from then on",
            does: Does::Make("number"),
            inputs: &[OURS, needed("name", Kind::Text, "our own name for it")],
            outputs: NUMBER,
            states: NUMBERS,
            example: r#"{"number": "+14155550123", "name": "stage-line"}"#,
            ..ACTION
        },
        ActionContract {
            name: "owned",
            about: "finds a number among ours",
            inputs: &[OURS],
            outputs: NUMBER,
            states: NUMBERS,
            many: true,
            example: NUMBER_EXAMPLE,
            ..ACTION
        },
        ActionContract {
            name: "configure",
            about: "says where calls to a number go",
            does: Does::Change("number"),
            after: Some("buy"),
            inputs: &[OURS, needed("trunk", Kind::Text, "the trunk's identity")],
            example: r#"{"number": "+14155550123", "trunk": "TK00000000000000000000000000000001"}"#,
            ..ACTION
        },
        ActionContract {
            name: "release",
            about: "gives a number back",
            does: Does::Remove("number"),
            after: Some("configure"),
            inputs: &[OURS],
            example: NUMBER_EXAMPLE,
            ..ACTION
        },
        ActionContract {
            name: "dial",
            about: "calls somebody and says something",
            does: Does::Make("call"),
            inputs: &[
                needed("from", Kind::Phone, "the number that is shown"),
                needed("to", Kind::Phone, "the number that is called"),
                needed("say", Kind::Text, "what is said to who answers"),
                optional("application", Kind::Text, "what else the provider wants to know"),
            ],
            outputs: CALL,
            states: CALLS,
            example: r#"{"from": "+14155550100", "to": "+14155550199", "say": "You are on air"}"#,
            ..ACTION
        },
        ActionContract {
            name: "listen",
            about: "says what a call does",
            does: Does::Ask(Some("call")),
            after: Some("dial"),
            outputs: CALL,
            states: CALLS,
            ..ACTION
        },
        ActionContract {
            name: "hangUp",
            about: "ends a call",
            does: Does::Change("call"),
            after: Some("listen"),
            ..ACTION
        },
        ActionContract {
            name: "text",
            about: "sends a text message",
            does: Does::Make("message"),
            inputs: &[
                needed("from", Kind::Phone, "the number that is shown"),
                needed("to", Kind::Phone, "the number that gets it"),
                needed("text", Kind::Text, "what it says"),
            ],
            outputs: &[
                needed("id", Kind::Text, "the provider's identity"),
                optional("state", Kind::State, "what became of it"),
                optional("price", Kind::Decimal, "what it costs"),
                optional("currency", Kind::Currency, "of the price"),
            ],
            states: &["Accepted", "Delivered", "Read", "Failed", "Unknown"],
            example: r#"{"from": "+14155550100", "to": "+14155550199", "text": "Call time is 18:00"}"#,
            ..ACTION
        },
        ActionContract {
            name: "rate",
            about: "says what calls to a number cost",
            inputs: &[needed("to", Kind::Phone, "the number that would be called")],
            outputs: &[
                optional("perMinute", Kind::Decimal, "a minute"),
                optional("currency", Kind::Currency, "of the price"),
            ],
            example: r#"{"to": "+14155550199"}"#,
            ..ACTION
        },
    ],
};
