//! Contract `sip` as data.

use crate::contract::{
    ACTION, ActionContract, Does, DomainContract, EventContract, Field, Kind, ObjectContract,
    needed, optional,
};

const OURS: Field = needed("number", Kind::Phone, "the number");

const NUMBER: &[Field] = &[
    needed("id", Kind::Text, "the provider's identity, or the number itself"),
    optional("number", Kind::Phone, "the number"),
    optional("state", Kind::State, "what became of it"),
    optional("pricePerMonth", Kind::Decimal, "what it costs a month"),
    optional("currency", Kind::Currency, "of the price"),
];

const NUMBERS: &[&str] =
    &["Free", "Ordered", "DocumentsRequired", "Reserved", "Active", "Failed", "Unknown"];

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
            name: "credentialList",
            inputs: &[
                needed("name", Kind::Text, "RFC 1123 label, at most 63 characters, unique"),
                needed("region", Kind::Text, "the provider's region"),
                needed("username", Kind::Text, "whose password is in the account's Secret"),
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
                needed("credentialLists", Kind::Texts, "lists of user names, by their identity"),
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
    events: Some(EventContract {
        outputs: &[
            needed("kind", Kind::State, "what it is about"),
            optional("id", Kind::Text, "the provider's identity of that"),
            optional("inbound", Kind::Bool, "whether somebody called or wrote to us"),
            optional("from", Kind::Text, "the number that called or wrote"),
            optional("to", Kind::Text, "the number that was called or written to"),
            optional("text", Kind::Text, "what the text message says"),
            optional("state", Kind::State, "what the call or message does"),
        ],
        kinds: &["Call", "Conference", "Message", "Number", "Other"],
        states: &[
            "Queued",
            "Ringing",
            "Talking",
            "Ended",
            "Accepted",
            "Delivered",
            "Read",
            "Failed",
            "Unknown",
        ],
    }),
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
            name: "reserve",
            about: "holds a number for a while",
            does: Does::Make("reservation"),
            inputs: &[OURS],
            outputs: &[
                needed("id", Kind::Text, "the provider's identity"),
                needed("state", Kind::State, "what became of it"),
                optional("until", Kind::Text, "until when, as the provider writes it"),
            ],
            states: NUMBERS,
            example: NUMBER_EXAMPLE,
            ..ACTION
        },
        ActionContract {
            name: "documents",
            about: "says which papers there are for a country's numbers, and what became of them",
            does: Does::Find("papers"),
            inputs: &[
                needed("country", Kind::Text, "ISO 3166-1"),
                needed("limit", Kind::Int, "the most that are wanted"),
            ],
            outputs: &[
                needed("id", Kind::Text, "the provider's identity, which an order may name"),
                needed("state", Kind::State, "what became of them"),
                optional("title", Kind::Text, "what people call them"),
                optional(
                    "until",
                    Kind::Text,
                    "until when they are good, as the provider writes it",
                ),
            ],
            states: &["Draft", "InReview", "Approved", "Rejected", "Unknown"],
            many: true,
            example: r#"{"country": "DE", "limit": 5}"#,
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
                optional("say", Kind::Text, "what is said to who answers"),
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
            name: "say",
            about: "says something to who is in a call",
            does: Does::Change("call"),
            after: Some("listen"),
            inputs: &[needed("say", Kind::Text, "what is said")],
            example: r#"{"say": "You are on air"}"#,
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
            name: "conference",
            about: "calls somebody into a conference, which is made when it is not there",
            does: Does::Make("conference"),
            inputs: &[
                needed("room", Kind::Text, "our own name of the conference"),
                needed("from", Kind::Phone, "the number that is shown"),
                needed("to", Kind::Phone, "the number that is called"),
            ],
            outputs: &[
                needed("id", Kind::Text, "the provider's identity of the conference"),
                optional("call", Kind::Text, "the provider's identity of the call into it"),
                optional("state", Kind::State, "what that call does"),
            ],
            states: CALLS,
            example: r#"{"room": "green-room", "from": "+14155550100", "to": "+14155550199"}"#,
            ..ACTION
        },
        ActionContract {
            name: "participants",
            about: "says who is in a conference",
            does: Does::Ask(Some("conference")),
            after: Some("conference"),
            inputs: &[needed("limit", Kind::Int, "the most that are wanted")],
            outputs: CALL,
            states: CALLS,
            many: true,
            example: r#"{"limit": 50}"#,
            ..ACTION
        },
        ActionContract {
            name: "endConference",
            about: "ends a conference for everybody",
            does: Does::Change("conference"),
            after: Some("participants"),
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
