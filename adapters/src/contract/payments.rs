//! Contract `payments`: money taken and given back.
//!
//! Amounts are whole numbers of the currency's minor unit (ISO 4217), and a card number has no place in
//! any wish: a customer's card is known to its provider alone, and to us by a token.

use serde::{Deserialize, Serialize};

use super::{ACTION, ActionContract, Does, DomainContract, Field, Kind, needed, optional};
use crate::account::Action;

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

const CURRENCY: Field = needed("currency", Kind::Currency, "ISO 4217");

const MONEY: &[Field] = &[
    needed("amount", Kind::Amount, "in minor units of the currency"),
    CURRENCY,
    needed("description", Kind::Text, "what the customer reads"),
    needed("reference", Kind::Text, "our own number of what is paid"),
    optional("method", Kind::Text, "the provider's token of a saved method"),
    optional("customer", Kind::Text, "the provider's identity of the customer"),
    optional("returnUrl", Kind::Text, "where the customer comes back to"),
];

const PAYMENT: &[Field] = &[
    needed("id", Kind::Text, "the provider's identity"),
    needed("state", Kind::State, "what became of it"),
    optional("amount", Kind::Int, "in minor units"),
    optional("captured", Kind::Int, "taken so far, in minor units"),
    optional("refunded", Kind::Int, "given back so far, in minor units"),
    optional("currency", Kind::Currency, "ISO 4217"),
    optional("url", Kind::Text, "where the customer must go"),
    optional("method", Kind::Text, "the token of the method that was paid with"),
];

const STATES: &[&str] =
    &["Pending", "ActionRequired", "Authorized", "Paid", "Voided", "Failed", "Unknown"];

const MONEY_EXAMPLE: &str = r#"{"amount": 1250, "currency": "EUR", "description": "Ticket 7",
    "reference": "order-7", "returnUrl": "https://example.com/back"}"#;

/// The contract as data.
pub const CONTRACT: DomainContract = DomainContract {
    objects: &[],
    catalogs: &[],
    actions: &[
        ActionContract {
            name: "charge",
            about: "takes money",
            does: Does::Make("payment"),
            inputs: MONEY,
            outputs: PAYMENT,
            states: STATES,
            example: MONEY_EXAMPLE,
            ..ACTION
        },
        ActionContract {
            name: "authorize",
            about: "sets money aside",
            does: Does::Make("payment"),
            inputs: MONEY,
            outputs: PAYMENT,
            states: STATES,
            example: MONEY_EXAMPLE,
            ..ACTION
        },
        ActionContract {
            name: "capture",
            about: "takes what was set aside",
            does: Does::Change("payment"),
            after: Some("authorize"),
            inputs: &[
                optional("amount", Kind::Amount, "in minor units; all when absent"),
                CURRENCY,
            ],
            outputs: PAYMENT,
            states: STATES,
            example: r#"{"amount": 1000, "currency": "EUR"}"#,
            ..ACTION
        },
        ActionContract {
            name: "void",
            about: "lets go what was set aside",
            does: Does::Change("payment"),
            after: Some("authorize"),
            outputs: PAYMENT,
            states: STATES,
            ..ACTION
        },
        ActionContract {
            name: "refund",
            about: "gives money back",
            does: Does::Change("payment"),
            after: Some("charge"),
            inputs: &[
                needed("amount", Kind::Amount, "in minor units"),
                CURRENCY,
                optional("reason", Kind::Text, "for the provider's records"),
            ],
            outputs: &[
                needed("id", Kind::Text, "the provider's identity"),
                needed("state", Kind::State, "what became of it"),
                optional("amount", Kind::Int, "in minor units"),
                optional("currency", Kind::Currency, "ISO 4217"),
            ],
            states: &["Pending", "Refunded", "Failed", "Unknown"],
            example: r#"{"amount": 500, "currency": "EUR", "reason": "seat not as described"}"#,
            ..ACTION
        },
        ActionContract {
            name: "sync",
            about: "says what became of a payment",
            does: Does::Ask(Some("payment")),
            after: Some("charge"),
            outputs: PAYMENT,
            states: STATES,
            ..ACTION
        },
    ],
};
