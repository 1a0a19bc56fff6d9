//! Contract `sip`: trunks, numbers, calls and text messages.

mod call;
mod table;
mod trunk;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::account::{Action, Found};

pub use call::{
    Call, CallState, Conference, Dial, EndConference, HangUp, Listen, Meeting, Participants, Say,
    SipEvent, SipEventKind, Text,
};
pub use table::CONTRACT;
pub use trunk::{
    AccessList, AccessListWant, CredentialList, CredentialListWant, Origination, Trunk, TrunkWant,
};

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
    /// It is held for us for a while.
    Reserved,
    /// It is ours.
    Active,
    /// The order was refused.
    Failed,
    /// The provider does not say, or says a word that the definition does not know.
    #[default]
    Unknown,
}

/// Holds a number for a while, so that nobody else buys it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserve {
    /// A number that a search found.
    pub number: String,
}

/// A number that is held for us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    /// The provider's identity.
    pub id: String,
    /// What became of it.
    #[serde(default)]
    pub state: NumberState,
    /// The provider's own word for the state.
    #[serde(default)]
    pub vendor_state: String,
    /// Until when, as the provider writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// Asks which papers there are for a country's numbers, and what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Documents {
    /// ISO 3166-1, `DE`.
    pub country: String,
    /// The most that are wanted.
    pub limit: u32,
}

/// Papers that a country's regulator wants before its numbers work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Papers {
    /// The provider's identity, which an order may name.
    pub id: String,
    /// What became of them.
    #[serde(default)]
    pub state: PapersState,
    /// The provider's own word for the state.
    #[serde(default)]
    pub vendor_state: String,
    /// What people call them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Until when they are good, as the provider writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// What became of papers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PapersState {
    /// Something is missing: a person must complete them at the provider.
    Draft,
    /// Somebody looks at them.
    InReview,
    /// Numbers may be ordered with them.
    Approved,
    /// They were refused.
    Rejected,
    /// The provider says a word that the definition does not know.
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

impl Action for Search {
    const NAME: &'static str = "search";
    type Given = Found<Number>;
}
impl Action for Reserve {
    const NAME: &'static str = "reserve";
    type Given = Reservation;
}
impl Action for Documents {
    const NAME: &'static str = "documents";
    type Given = Found<Papers>;
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
impl Action for Rate {
    const NAME: &'static str = "rate";
    type Given = CallPrice;
}
