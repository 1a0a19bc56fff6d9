//! Contract `payments`: money taken and given back.
//!
//! Amounts are whole numbers of the currency's minor unit (ISO 4217), and a card number has no place in
//! any wish: a customer's card is known to its provider alone, and to us by a token.

mod recurring;
mod table;

use serde::{Deserialize, Serialize};

use crate::account::Action;

pub use recurring::{
    Cancel, Customer, CustomerWant, ForgetMethod, Methods, Payout, PayoutState, PayoutTrace,
    SaveMethod, SavedMethod, Setup, SetupState, Subscribe, Subscription, SubscriptionState,
    SyncPayout, SyncSubscription,
};
pub use table::CONTRACT;

/// Money to be taken at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Charge {
    /// In minor units.
    pub amount: u64,
    /// ISO 4217.
    pub currency: String,
    /// What the customer reads on the statement or receipt.
    pub description: String,
    /// Our own number of what is paid, which the provider keeps.
    pub reference: String,
    /// The provider's token of a saved method of payment; without one the customer is sent to `url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The provider's identity of the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// Where the customer comes back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_url: Option<String>,
}

/// Money to be set aside, and taken by a [`Capture`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Authorize(pub Charge);

/// Takes what was set aside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Capture {
    /// In minor units; all of it when absent, and what is not taken is let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<u64>,
    /// The payment's currency.
    pub currency: String,
}

/// Lets go what was set aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Void {}

/// Gives money back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refund {
    /// In minor units.
    pub amount: u64,
    /// The payment's currency.
    pub currency: String,
    /// Why, for the provider's records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Asks what became of a payment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sync {}

/// A payment as its provider knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// The provider's identity for it.
    pub id: String,
    /// What became of it.
    #[serde(default)]
    pub state: PaymentState,
    /// The provider's own word for the state.
    #[serde(default)]
    pub vendor_state: String,
    /// In minor units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<u64>,
    /// What was taken so far, in minor units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured: Option<u64>,
    /// What was given back so far, in minor units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunded: Option<u64>,
    /// ISO 4217.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Where the customer must go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The provider's token of the method that was paid with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
}

/// What became of a payment. The first three may still become another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PaymentState {
    /// The provider or a bank is at it.
    Pending,
    /// The customer must do something first.
    ActionRequired,
    /// The money is set aside.
    Authorized,
    /// The money was taken.
    Paid,
    /// It was let go before any money was taken.
    Voided,
    /// It was refused.
    Failed,
    /// The provider says a word that the definition does not know.
    #[default]
    Unknown,
}

impl PaymentState {
    /// Whether it will stay as it is (but for refunds).
    pub fn is_final(self) -> bool {
        matches!(self, Self::Paid | Self::Voided | Self::Failed)
    }
}

/// Money on its way back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refunded {
    /// The provider's identity for it.
    pub id: String,
    /// What became of it.
    #[serde(default)]
    pub state: RefundState,
    /// The provider's own word for the state.
    #[serde(default)]
    pub vendor_state: String,
    /// In minor units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<u64>,
    /// ISO 4217.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
}

/// What became of a refund.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RefundState {
    /// It is on its way.
    Pending,
    /// The money is back.
    Refunded,
    /// It did not arrive.
    Failed,
    /// The provider says a word that the definition does not know.
    #[default]
    Unknown,
}

impl Action for Charge {
    const NAME: &'static str = "charge";
    type Given = Payment;
}
impl Action for Authorize {
    const NAME: &'static str = "authorize";
    type Given = Payment;
}
impl Action for Capture {
    const NAME: &'static str = "capture";
    type Given = Payment;
}
impl Action for Void {
    const NAME: &'static str = "void";
    type Given = Payment;
}
impl Action for Refund {
    const NAME: &'static str = "refund";
    type Given = Refunded;
}
impl Action for Sync {
    const NAME: &'static str = "sync";
    type Given = Payment;
}

/// What a delivery of the provider is about. It is a hint: what is true is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentEvent {
    /// What it is about.
    #[serde(default)]
    pub kind: PaymentEventKind,
    /// The provider's own word for what happened.
    #[serde(default, rename = "vendorKind")]
    pub vendor_kind: String,
    /// The provider's identity of what it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The provider's identity of the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// In minor units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<u64>,
    /// ISO 4217.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
}

/// What a delivery is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PaymentEventKind {
    /// A payment.
    Payment,
    /// Money on its way back.
    Refund,
    /// A customer disputes a payment.
    Dispute,
    /// A subscription.
    Subscription,
    /// A saved method of payment.
    Method,
    /// Money on its way to our bank.
    Payout,
    /// Something else.
    #[default]
    Other,
}
