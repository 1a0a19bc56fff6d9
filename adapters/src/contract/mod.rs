//! The domains' vocabularies: what a definition may use, what it must give, and with which types.
//!
//! A contract is data for the checker ([`Field`], [`ObjectContract`]) and typed Rust for callers;
//! tests hold the two together.

pub mod ai;
pub(crate) mod boot;
pub mod chat;
pub mod cloud;
pub(crate) mod parse;
pub mod payments;
pub mod production;
pub mod sip;
pub(crate) mod wish;

use infrafabric_definition::Domain;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The type of a contract's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Int,
    /// A decimal, as a number or text; never a binary fraction once read.
    Decimal,
    /// True or false.
    Bool,
    /// A list of text.
    Texts,
    /// A map of text to text.
    Labels,
    /// A list of maps with these keys.
    Maps(&'static [&'static str]),
    /// A list of numbers.
    Numbers,
    /// A list of lists of numbers.
    Vectors,
    /// A telephone number as E.164 has it, `+14155550100`.
    Phone,
    /// An ISO 4217 code, `EUR`.
    Currency,
    /// A span of a subscription, `1 month`: a number and `day`, `week` or `month`, or their plural.
    Interval,
    /// Money in minor units (cents) of its currency: a whole number from 1.
    Amount,
    /// A list of `{ip, public}`.
    Addresses,
    /// One of the contract's states, given as `{of: …, <vendor's>: <ours>}`.
    State,
}

/// One name of a contract.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The name after `want.` or in `as`.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Whether `as` must give it (inputs: whether it is always there).
    pub required: bool,
    /// What it is, with its unit.
    pub about: &'static str,
}

/// A name that is always there.
pub(crate) const fn needed(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, required: true, about }
}

/// A name that may be absent.
pub(crate) const fn optional(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, required: false, about }
}

/// The contract of one kind of object.
#[derive(Clone, Copy, Debug)]
pub struct ObjectContract {
    /// `machine`.
    pub name: &'static str,
    /// What a create may use as `want.*`.
    pub inputs: &'static [Field],
    /// What `as` gives.
    pub outputs: &'static [Field],
    /// The states that `as.state` may map to.
    pub states: &'static [&'static str],
    /// What must be there of create, read, list and delete for the object to be of use.
    pub needs: &'static [&'static str],
    /// What else can be done with one.
    pub verbs: &'static [VerbContract],
}

/// The contract of something that can be done with an object.
#[derive(Clone, Copy, Debug)]
pub struct VerbContract {
    /// `resize`.
    pub name: &'static str,
    /// What it may use as `want.*`.
    pub inputs: &'static [Field],
}

/// What an action does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// It asks; nothing is changed and nothing is owed. With a word: after one thing of that kind.
    Ask(Option<&'static str>),
    /// It asks which things of that kind there are.
    Find(&'static str),
    /// It asks after the one thing of that kind that the account is.
    See(&'static str),
    /// It says what the one thing of that kind that the account is shall be.
    Set(&'static str),
    /// It is paid for, and leaves nothing behind.
    Spend,
    /// It makes a thing of that kind.
    Make(&'static str),
    /// It changes one of that kind.
    Change(&'static str),
    /// It removes one of that kind; what is gone already is a success.
    Remove(&'static str),
}

impl Does {
    /// Whether the world is another one afterwards, or the account poorer.
    pub fn is_effect(self) -> bool {
        !matches!(self, Self::Ask(_) | Self::Find(_) | Self::See(_))
    }

    /// The kind of thing that it is aimed at.
    pub fn aim(self) -> Option<&'static str> {
        match self {
            Self::Ask(kind) => kind,
            Self::Change(kind) | Self::Remove(kind) => Some(kind),
            Self::Spend | Self::Make(_) | Self::Find(_) | Self::See(_) | Self::Set(_) => None,
        }
    }

    /// The kind of thing that it is about.
    pub fn kind(self) -> Option<&'static str> {
        match self {
            Self::Make(kind) | Self::Find(kind) | Self::See(kind) | Self::Set(kind) => Some(kind),
            other => other.aim(),
        }
    }
}

/// The contract of one action.
#[derive(Clone, Copy, Debug)]
pub struct ActionContract {
    /// `send`.
    pub name: &'static str,
    /// What it is, for a person.
    pub about: &'static str,
    /// What it does.
    pub does: Does,
    /// What it may use as `want.*`.
    pub inputs: &'static [Field],
    /// What `as` gives.
    pub outputs: &'static [Field],
    /// The states that `as.state` may map to.
    pub states: &'static [&'static str],
    /// Whether there are many results, in `items`.
    pub many: bool,
    /// Whether the result comes in pieces as it is made.
    pub streams: bool,
    /// The action whose thing the example is aimed at.
    pub after: Option<&'static str>,
    /// A wish that every provider understands, as JSON: for suites and documentation.
    pub example: &'static str,
}

/// What most actions are: one result, at once.
pub(crate) const ACTION: ActionContract = ActionContract {
    name: "",
    about: "",
    does: Does::Ask(None),
    inputs: &[],
    outputs: &[],
    states: &[],
    many: false,
    streams: false,
    after: None,
    example: "{}",
};

/// The contract of one catalog.
#[derive(Clone, Copy, Debug)]
pub struct CatalogContract {
    /// `sizes`.
    pub name: &'static str,
    /// What `as` gives for each row.
    pub columns: &'static [Field],
}

/// The contract of what a provider's deliveries are about.
#[derive(Clone, Copy, Debug)]
pub struct EventContract {
    /// What `webhook.as` gives for each event.
    pub outputs: &'static [Field],
    /// What `kind` may map to.
    pub kinds: &'static [&'static str],
    /// What `state` may map to.
    pub states: &'static [&'static str],
}

/// The contract of a domain.
#[derive(Clone, Copy, Debug)]
pub struct DomainContract {
    /// Its objects.
    pub objects: &'static [ObjectContract],
    /// Its actions.
    pub actions: &'static [ActionContract],
    /// Its catalogs.
    pub catalogs: &'static [CatalogContract],
    /// What its providers' deliveries are about.
    pub events: Option<EventContract>,
}

/// Something that a provider keeps for us, besides machines.
pub trait Kept: DeserializeOwned {
    /// What it is made from: it has a `name` and a `region`.
    type Want: Serialize;
    /// The contract's domain.
    const DOMAIN: Domain;
    /// The contract's name.
    const KIND: &'static str;
    /// The provider's identity for it.
    fn id(&self) -> &str;
}

/// The contract of a domain.
pub fn of(domain: Domain) -> DomainContract {
    match domain {
        Domain::Ai => ai::CONTRACT,
        Domain::Chat => chat::CONTRACT,
        Domain::Cloud => cloud::CONTRACT,
        Domain::Payments => payments::CONTRACT,
        Domain::Production => production::CONTRACT,
        Domain::Sip => sip::CONTRACT,
    }
}

impl DomainContract {
    /// The contract of one of its kinds of object.
    pub fn object(&self, name: &str) -> Option<&'static ObjectContract> {
        self.objects.iter().find(|object| object.name == name)
    }

    /// The contract of one of its catalogs.
    pub fn catalog(&self, name: &str) -> Option<&'static CatalogContract> {
        self.catalogs.iter().find(|catalog| catalog.name == name)
    }

    /// The contract of one of its actions.
    pub fn action(&self, name: &str) -> Option<&'static ActionContract> {
        self.actions.iter().find(|action| action.name == name)
    }
}
