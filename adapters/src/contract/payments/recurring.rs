//! Customers, what they saved, what they pay again and again, and what comes to our bank.

use infrafabric_definition::Domain;
use serde::{Deserialize, Serialize};

use crate::account::{Action, Found};
use crate::contract::Kept;

/// What a customer is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomerWant {
    /// RFC 1123 label of at most 63 characters without double hyphens, unique in the account.
    pub name: String,
    /// The provider's region.
    pub region: String,
    /// What people call the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Where receipts go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// What a thing of ours is recognised by.
    #[serde(default)]
    pub marks: Vec<String>,
}

/// Somebody who pays, as the provider knows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// The provider's identity.
    pub id: String,
    /// Our own name of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where receipts go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Its marks.
    #[serde(default)]
    pub marks: Vec<String>,
}

impl Kept for Customer {
    const DOMAIN: Domain = Domain::Payments;
    type Want = CustomerWant;
    const KIND: &'static str = "customer";
    fn id(&self) -> &str {
        &self.id
    }
}

/// Lets a customer save a method of payment, at the provider's own page: nobody else sees a card.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SaveMethod {
    /// The provider's identity of the customer.
    pub customer: String,
    /// Our own number of it.
    pub reference: String,
    /// Where the customer comes back to.
    pub return_url: String,
    /// What will be paid in; ISO 4217.
    pub currency: String,
}

/// A customer is asked to save a method of payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Setup {
    /// The provider's identity of the request.
    pub id: String,
    /// What became of it.
    #[serde(default)]
    pub state: SetupState,
    /// The provider's own word for the state.
    #[serde(default)]
    pub vendor_state: String,
    /// Where the customer must go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The token of the method, once it is saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
}

/// What became of a method that was to be saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SetupState {
    /// The customer must do something first.
    ActionRequired,
    /// The provider or a bank is at it.
    Pending,
    /// It can be paid with.
    Saved,
    /// It was refused, or is good no more.
    Failed,
    /// The provider says a word that the definition does not know.
    #[default]
    Unknown,
}

/// Asks which methods of payment a customer saved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Methods {
    /// The provider's identity of the customer.
    pub customer: String,
    /// The most that are wanted.
    pub limit: u32,
}

/// A method of payment that a customer saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedMethod {
    /// The provider's token of it, which a charge takes.
    pub id: String,
    /// Whether it can be paid with.
    #[serde(default)]
    pub state: SetupState,
    /// The provider's own word for the state.
    #[serde(default)]
    pub vendor_state: String,
    /// `card`, `directdebit` …, in the provider's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What the customer knows it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// Takes a saved method of payment away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgetMethod {
    /// The provider's identity of the customer.
    pub customer: String,
}

/// Takes money again and again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribe {
    /// The provider's identity of the customer.
    pub customer: String,
    /// The token of a saved method; the customer's usual one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Each time, in minor units.
    pub amount: u64,
    /// ISO 4217.
    pub currency: String,
    /// How often: `1 month`, `2 weeks`, `14 days`.
    pub every: String,
    /// How often at most; until it is cancelled when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// What the customer reads.
    pub description: String,
    /// Our own number of it.
    pub reference: String,
    /// What is subscribed to, where the provider keeps such things.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
}

/// Asks what became of a subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncSubscription {
    /// The provider's identity of the customer.
    pub customer: String,
}

/// Ends a subscription at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// The provider's identity of the customer.
    pub customer: String,
}

/// A subscription as its provider knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// The provider's identity.
    pub id: String,
    /// What became of it.
    #[serde(default)]
    pub state: SubscriptionState,
    /// The provider's own word for the state.
    #[serde(default)]
    pub vendor_state: String,
    /// Each time, in minor units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<u64>,
    /// ISO 4217.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// When money is taken next, as the provider writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What became of a subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SubscriptionState {
    /// It begins later.
    Pending,
    /// The customer must do something first.
    ActionRequired,
    /// Money is taken as it should.
    Active,
    /// The last time no money could be taken.
    PastDue,
    /// Nothing is taken for now.
    Paused,
    /// It was cancelled, or ended by itself.
    Ended,
    /// The provider says a word that the definition does not know.
    #[default]
    Unknown,
}

/// Sends money from the provider to our bank.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payout {
    /// In minor units.
    pub amount: u64,
    /// ISO 4217.
    pub currency: String,
    /// What the bank's statement says.
    pub description: String,
    /// Our own number of it.
    pub reference: String,
    /// The provider's token of a bank account; the usual one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
}

/// Asks what became of a payout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncPayout {}

/// Money on its way to our bank.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PayoutTrace {
    /// The provider's identity.
    pub id: String,
    /// What became of it.
    #[serde(default)]
    pub state: PayoutState,
    /// The provider's own word for the state.
    #[serde(default)]
    pub vendor_state: String,
    /// In minor units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<u64>,
    /// ISO 4217.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// When it arrives, as the provider writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrives: Option<String>,
}

/// What became of a payout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PayoutState {
    /// It is on its way.
    Pending,
    /// It arrived.
    Paid,
    /// It did not arrive and will not.
    Failed,
    /// The provider says a word that the definition does not know.
    #[default]
    Unknown,
}

impl Action for SaveMethod {
    const NAME: &'static str = "saveMethod";
    type Given = Setup;
}
impl Action for Methods {
    const NAME: &'static str = "methods";
    type Given = Found<SavedMethod>;
}
impl Action for ForgetMethod {
    const NAME: &'static str = "forgetMethod";
    type Given = crate::contract::chat::Done;
}
impl Action for Subscribe {
    const NAME: &'static str = "subscribe";
    type Given = Subscription;
}
impl Action for SyncSubscription {
    const NAME: &'static str = "syncSubscription";
    type Given = Subscription;
}
impl Action for Cancel {
    const NAME: &'static str = "cancel";
    type Given = crate::contract::chat::Done;
}
impl Action for Payout {
    const NAME: &'static str = "payout";
    type Given = PayoutTrace;
}
impl Action for SyncPayout {
    const NAME: &'static str = "syncPayout";
    type Given = PayoutTrace;
}
