//! The domains' vocabularies: what a definition may use, what it must give, and with which types.
//!
//! A contract is data for the checker ([`Field`], [`ObjectContract`]) and typed Rust for callers;
//! tests hold the two together.

pub(crate) mod boot;
pub mod cloud;
pub(crate) mod parse;

use infrafabric_definition::Domain;

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
    /// A list of `{protocol, ports, sources}`.
    Rules,
    /// A list of `{protocol, port, targetPort}`.
    Forwards,
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

/// The contract of one catalog.
#[derive(Clone, Copy, Debug)]
pub struct CatalogContract {
    /// `sizes`.
    pub name: &'static str,
    /// What `as` gives for each row.
    pub columns: &'static [Field],
}

/// The contract of a domain.
#[derive(Clone, Copy, Debug)]
pub struct DomainContract {
    /// Its objects.
    pub objects: &'static [ObjectContract],
    /// Its catalogs.
    pub catalogs: &'static [CatalogContract],
}

/// The contract of a domain.
pub fn of(domain: Domain) -> DomainContract {
    match domain {
        Domain::Cloud => cloud::CONTRACT,
    }
}
