//! Contract `payments` as data.

use crate::contract::{
    ACTION, ActionContract, Does, DomainContract, EventContract, Field, Kind, ObjectContract,
    needed, optional,
};

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

const CUSTOMER: Field = needed("customer", Kind::Text, "the provider's identity of the customer");
const CUSTOMER_EXAMPLE: &str = r#"{"customer": "cus_sandbox1"}"#;

const SUBSCRIPTION: &[Field] = &[
    needed("id", Kind::Text, "the provider's identity"),
    needed("state", Kind::State, "what became of it"),
    optional("amount", Kind::Int, "each time, in minor units"),
    optional("currency", Kind::Currency, "ISO 4217"),
    optional("next", Kind::Text, "when money is taken next, as the provider writes it"),
];

const SUBSCRIPTIONS: &[&str] =
    &["Pending", "ActionRequired", "Active", "PastDue", "Paused", "Ended", "Unknown"];

const PAYOUT: &[Field] = &[
    needed("id", Kind::Text, "the provider's identity"),
    needed("state", Kind::State, "what became of it"),
    optional("amount", Kind::Int, "in minor units"),
    optional("currency", Kind::Currency, "ISO 4217"),
    optional("arrives", Kind::Text, "when it arrives, as the provider writes it"),
];

const PAYOUTS: &[&str] = &["Pending", "Paid", "Failed", "Unknown"];

const MONEY_EXAMPLE: &str = r#"{"amount": 1250, "currency": "EUR", "description": "Ticket 7",
    "reference": "order-7", "returnUrl": "https://example.com/back"}"#;

/// The contract as data.
pub const CONTRACT: DomainContract = DomainContract {
    objects: &[ObjectContract {
        name: "customer",
        inputs: &[
            needed("name", Kind::Text, "RFC 1123 label, at most 63 characters, unique"),
            needed("region", Kind::Text, "the provider's region"),
            optional("title", Kind::Text, "what people call the customer"),
            optional("email", Kind::Text, "where receipts go"),
            needed("marks", Kind::Texts, "what a thing of ours is recognised by"),
        ],
        outputs: &[
            needed("id", Kind::Text, "the provider's identity"),
            optional("name", Kind::Text, "our own name of it"),
            optional("email", Kind::Text, "where receipts go"),
            optional("marks", Kind::Texts, "its marks"),
        ],
        states: &[],
        needs: &["create", "read", "list", "delete"],
        verbs: &[],
    }],
    catalogs: &[],
    events: Some(EventContract {
        outputs: &[
            needed("kind", Kind::State, "what it is about"),
            optional("id", Kind::Text, "the provider's identity of that"),
            optional("customer", Kind::Text, "the provider's identity of the customer"),
            optional("amount", Kind::Int, "in minor units"),
            optional("currency", Kind::Currency, "ISO 4217"),
        ],
        kinds: &["Payment", "Refund", "Dispute", "Subscription", "Method", "Payout", "Other"],
        states: &[],
    }),
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
        ActionContract {
            name: "saveMethod",
            about: "lets a customer save a method of payment at the provider's own page",
            does: Does::Make("method"),
            inputs: &[
                CUSTOMER,
                needed("reference", Kind::Text, "our own number of it"),
                needed("returnUrl", Kind::Text, "where the customer comes back to"),
                CURRENCY,
            ],
            outputs: &[
                needed("id", Kind::Text, "the provider's identity of the request"),
                needed("state", Kind::State, "what became of it"),
                optional("url", Kind::Text, "where the customer must go"),
                optional("method", Kind::Text, "the token of the method, once it is saved"),
            ],
            states: &["ActionRequired", "Pending", "Saved", "Failed", "Unknown"],
            example: r#"{"customer": "cus_sandbox1", "reference": "seat-7", "currency": "EUR",
                "returnUrl": "https://example.com/back"}"#,
            ..ACTION
        },
        ActionContract {
            name: "methods",
            about: "says which methods of payment a customer saved",
            does: Does::Find("method"),
            inputs: &[CUSTOMER, needed("limit", Kind::Int, "the most that are wanted")],
            outputs: &[
                needed("id", Kind::Text, "the provider's token of it"),
                optional("state", Kind::State, "whether it can be paid with"),
                optional("kind", Kind::Text, "card, directdebit …, in the provider's words"),
                optional("title", Kind::Text, "what the customer knows it by: visa 12/2030"),
            ],
            states: &["Saved", "Pending", "Failed", "Unknown"],
            many: true,
            example: r#"{"customer": "cus_sandbox1", "limit": 10}"#,
            ..ACTION
        },
        ActionContract {
            name: "forgetMethod",
            about: "takes a saved method of payment away",
            does: Does::Remove("method"),
            after: Some("methods"),
            inputs: &[CUSTOMER],
            example: CUSTOMER_EXAMPLE,
            ..ACTION
        },
        ActionContract {
            name: "subscribe",
            about: "takes money again and again",
            does: Does::Make("subscription"),
            inputs: &[
                CUSTOMER,
                optional(
                    "method",
                    Kind::Text,
                    "the token of a saved method; else the customer's own",
                ),
                needed("amount", Kind::Amount, "each time, in minor units"),
                CURRENCY,
                needed("every", Kind::Interval, "how often: 1 month, 2 weeks, 14 days"),
                optional(
                    "times",
                    Kind::Int,
                    "how often at most; until it is cancelled when absent",
                ),
                needed("description", Kind::Text, "what the customer reads"),
                needed("reference", Kind::Text, "our own number of it"),
                optional(
                    "product",
                    Kind::Text,
                    "what is subscribed to, where the provider keeps such things",
                ),
            ],
            outputs: SUBSCRIPTION,
            states: SUBSCRIPTIONS,
            example: r#"{"customer": "cus_sandbox1", "amount": 900, "currency": "EUR",
                "every": "1 month", "description": "Season pass", "reference": "season-7"}"#,
            ..ACTION
        },
        ActionContract {
            name: "syncSubscription",
            about: "says what became of a subscription",
            does: Does::Ask(Some("subscription")),
            after: Some("subscribe"),
            inputs: &[CUSTOMER],
            outputs: SUBSCRIPTION,
            states: SUBSCRIPTIONS,
            example: CUSTOMER_EXAMPLE,
            ..ACTION
        },
        ActionContract {
            name: "cancel",
            about: "ends a subscription at once",
            does: Does::Remove("subscription"),
            after: Some("subscribe"),
            inputs: &[CUSTOMER],
            example: CUSTOMER_EXAMPLE,
            ..ACTION
        },
        ActionContract {
            name: "payout",
            about: "sends money from the provider to our bank",
            does: Does::Make("payout"),
            inputs: &[
                needed("amount", Kind::Amount, "in minor units"),
                CURRENCY,
                needed("description", Kind::Text, "what the bank's statement says"),
                needed("reference", Kind::Text, "our own number of it"),
                optional(
                    "destination",
                    Kind::Text,
                    "the provider's token of a bank account; else the usual one",
                ),
            ],
            outputs: PAYOUT,
            states: PAYOUTS,
            example: r#"{"amount": 5000, "currency": "EUR", "description": "Box office",
                "reference": "payout-7"}"#,
            ..ACTION
        },
        ActionContract {
            name: "syncPayout",
            about: "says what became of a payout",
            does: Does::Ask(Some("payout")),
            after: Some("payout"),
            outputs: PAYOUT,
            states: PAYOUTS,
            ..ACTION
        },
    ],
};
