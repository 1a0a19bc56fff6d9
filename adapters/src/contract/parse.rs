//! What `as` gives, as the contract's types.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use thiserror::Error;

use super::cloud::{Address, Image, Machine, MachineState, Region, Size};
use super::{Field, Kept, Kind};
use crate::compile::{EvaluationError, Tree, Vars, plain};

/// Why a thing of the provider is none of the contract.
#[derive(Debug, Error)]
pub(crate) enum ParseError {
    /// An expression fails on it.
    #[error("evaluate `as.{name}`")]
    Evaluate { name: String, source: EvaluationError },
    /// A required value is absent or of another type.
    #[error("`as.{0}` gives nothing of its type")]
    Required(&'static str),
    /// Together they are none of the contract's.
    #[error("read the outputs")]
    Typed(#[source] serde_json::Error),
}

/// The outputs of one thing, rendered.
pub(crate) struct Outputs(BTreeMap<String, Json>);

impl Outputs {
    /// Renders every output; what is absent is left out.
    pub(crate) fn render(trees: &BTreeMap<String, Tree>, vars: &Vars) -> Result<Self, ParseError> {
        let mut values = BTreeMap::new();
        for (name, tree) in trees {
            let value = tree
                .render(vars)
                .map_err(|source| ParseError::Evaluate { name: name.clone(), source })?;
            values.extend(value.map(|value| (name.clone(), value)));
        }
        Ok(Self(values))
    }

    /// Renders every output; what is absent, or cannot be read, is left out.
    pub(crate) fn legible(trees: &BTreeMap<String, Tree>, vars: &Vars) -> Self {
        let value = |(name, tree): (&String, &Tree)| {
            Some((name.clone(), tree.render(vars).ok().flatten()?))
        };
        Self(trees.iter().filter_map(value).collect())
    }

    /// A machine.
    pub(crate) fn machine(&self) -> Result<Machine, ParseError> {
        let (state, vendor_state) = self.state();
        // Where marks are the keys of a map they come in any order; a machine that did not change must
        // look the same.
        let mut marks = self.texts("marks").unwrap_or_default();
        marks.sort_unstable();
        Ok(Machine {
            id: self.text("id").ok_or(ParseError::Required("id"))?,
            state,
            vendor_state,
            name: self.text("name"),
            addresses: self.addresses(),
            size: self.text("size"),
            region: self.text("region"),
            image: self.text("image"),
            marks,
        })
    }

    /// What is kept for us, as its contract has it.
    pub(crate) fn kept<T: Kept>(&self) -> Result<T, ParseError> {
        let contract = super::of(T::DOMAIN).object(T::KIND);
        self.typed(contract.map_or(&[], |contract| contract.outputs))
    }

    /// Anything else: its outputs by name, each of its field's type. `state` comes with `vendorState`.
    pub(crate) fn typed<T: DeserializeOwned>(
        &self,
        fields: &'static [Field],
    ) -> Result<T, ParseError> {
        let json = self.json(fields)?;
        serde_json::from_value(json).map_err(ParseError::Typed)
    }

    /// The outputs by name, each of its field's type.
    pub(crate) fn json(&self, fields: &'static [Field]) -> Result<Json, ParseError> {
        let mut map = serde_json::Map::new();
        for Field { name, kind, required, .. } in fields {
            if *kind == Kind::State {
                let (ours, theirs) = self.word(name);
                map.extend(ours.map(|word| ((*name).to_owned(), word)));
                if !theirs.is_empty() {
                    let vendor = if *name == "kind" { "vendorKind" } else { "vendorState" };
                    map.insert(vendor.to_owned(), Json::from(theirs));
                }
                continue;
            }
            match self.value(name, *kind) {
                Some(value) => {
                    map.insert((*name).to_owned(), value);
                }
                None if *required => return Err(ParseError::Required(name)),
                None => {}
            }
        }
        Ok(Json::Object(map))
    }

    /// One output; `None` when it is absent or of another type.
    fn value(&self, name: &str, kind: Kind) -> Option<Json> {
        match kind {
            Kind::Text | Kind::Phone | Kind::Currency | Kind::Interval => {
                self.text(name).map(Json::from)
            }
            Kind::Int | Kind::Amount => self.whole::<u64>(name).map(Json::from),
            Kind::Decimal => self.decimal(name).map(|number| Json::from(number.to_string())),
            Kind::Bool => self.flag(name).map(Json::from),
            Kind::Texts => self.texts(name).map(Json::from),
            Kind::Labels => self.0.get(name).filter(|value| value.is_object()).cloned(),
            Kind::Maps(_) | Kind::Numbers | Kind::Vectors | Kind::Addresses => {
                self.0.get(name).filter(|value| value.is_array()).cloned()
            }
            Kind::State => None,
        }
    }

    /// The identity alone.
    pub(crate) fn id(&self) -> Option<String> {
        self.text("id")
    }

    /// A row of sizes.
    pub(crate) fn size(&self) -> Result<Size, ParseError> {
        let price = self.decimal("pricePerHour").filter(|price| !price.is_sign_negative());
        Ok(Size {
            name: self.text("name").ok_or(ParseError::Required("name"))?,
            id: self.text("id"),
            cpus: self.whole("cpus").ok_or(ParseError::Required("cpus"))?,
            memory_mib: self.whole("memoryMiB").ok_or(ParseError::Required("memoryMiB"))?,
            disk_gib: self.whole("diskGiB").unwrap_or_default(),
            gpus: self.whole("gpus").unwrap_or_default(),
            price_per_hour: price,
            currency: self.text("currency"),
            regions: self.texts("regions"),
            available: self.flag("available").unwrap_or(true),
        })
    }

    /// A row of prices: the size, what it costs an hour, and in which currency.
    pub(crate) fn price(&self) -> Result<(String, Decimal, String), ParseError> {
        let price = self.decimal("pricePerHour").filter(|price| !price.is_sign_negative());
        let size = self.text("size").ok_or(ParseError::Required("size"))?;
        let price = price.ok_or(ParseError::Required("pricePerHour"))?;
        Ok((size, price, self.text("currency").ok_or(ParseError::Required("currency"))?))
    }

    /// A row of images.
    pub(crate) fn image(&self) -> Result<Image, ParseError> {
        Ok(Image {
            name: self.text("name").ok_or(ParseError::Required("name"))?,
            family: self.text("family").map(|family| family.to_lowercase()),
            version: self.text("version"),
            created: self.text("created"),
            regions: self.texts("regions"),
        })
    }

    /// A row of regions.
    pub(crate) fn region(&self) -> Result<Region, ParseError> {
        Ok(Region {
            name: self.text("name").ok_or(ParseError::Required("name"))?,
            title: self.text("title"),
            available: self.flag("available").unwrap_or(true),
        })
    }

    /// A machine's state. A word that the definition does not know is neither success nor failure.
    fn state(&self) -> (MachineState, String) {
        let (state, word) = self.word("state");
        let state = state.and_then(|state| serde_json::from_value(state).ok());
        (state.unwrap_or(MachineState::Unknown), word)
    }

    /// The contract's word of a state or kind, if the definition knows the vendor's for it, and that.
    fn word(&self, name: &str) -> (Option<Json>, String) {
        let map = match self.0.get(name) {
            Some(Json::Object(map)) => map,
            Some(always @ Json::String(_)) => return (Some(always.clone()), String::new()),
            _ => return (None, String::new()),
        };
        let word = map.get("of").and_then(text).unwrap_or_default();
        (map.get(&word).filter(|_| word != "of").cloned(), word)
    }

    /// Public ones first; what is no IP address is left out.
    fn addresses(&self) -> Vec<Address> {
        let Some(Json::Array(items)) = self.0.get("addresses") else { return Vec::new() };
        let address = |item: &Json| {
            let ip = item.get("ip").and_then(text)?;
            // Some vendors write the network's length behind it.
            let ip = ip.split('/').next().unwrap_or_default().to_owned();
            IpAddr::from_str(&ip).ok()?;
            Some(Address { ip, public: item.get("public").and_then(flag).unwrap_or_default() })
        };
        let mut addresses: Vec<Address> = items.iter().filter_map(address).collect();
        addresses.sort_by_key(|address| !address.public);
        addresses
    }

    fn text(&self, name: &str) -> Option<String> {
        text(self.0.get(name)?)
    }

    fn texts(&self, name: &str) -> Option<Vec<String>> {
        let Json::Array(items) = self.0.get(name)? else { return None };
        Some(items.iter().filter_map(text).collect())
    }

    fn flag(&self, name: &str) -> Option<bool> {
        flag(self.0.get(name)?)
    }

    fn decimal(&self, name: &str) -> Option<Decimal> {
        let text = text(self.0.get(name)?)?;
        let number = Decimal::from_str(&text).or_else(|_| Decimal::from_scientific(&text));
        // Vendors fill up with zeros.
        number.ok().map(|number| number.normalize())
    }

    /// A whole number; a fraction is rounded down (a vendor's 3.75 GiB given in MiB is whole).
    fn whole<T: TryFrom<u64>>(&self, name: &str) -> Option<T> {
        use rust_decimal::prelude::ToPrimitive as _;
        T::try_from(self.decimal(name)?.trunc().to_u64()?).ok()
    }
}

/// Text, or a number or a truth as text; XML knows nothing else.
fn text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) if text.is_empty() => None,
        Json::String(_) | Json::Number(_) | Json::Bool(_) => Some(plain(value)),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

fn flag(value: &Json) -> Option<bool> {
    match text(value)?.as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn outputs(value: Json) -> Outputs {
        Outputs(serde_json::from_value(value).expect("a map"))
    }

    #[test]
    fn a_machine_has_an_identity_or_is_none() {
        let machine = outputs(json!({
            "id": 7, "state": {"of": "new", "new": "Creating"}, "marks": ["a", 1],
            "addresses": [{"ip": "10.0.0.1"}, {"ip": "x"}, {"ip": "2001:db8::1/64", "public": "true"}],
        }));
        let machine = machine.machine().expect("a machine");
        assert_eq!((machine.id.as_str(), machine.state), ("7", MachineState::Creating));
        assert_eq!(machine.addresses[0], Address { ip: "2001:db8::1".to_owned(), public: true });
        assert_eq!((machine.addresses.len(), machine.marks), (2, vec!["1".into(), "a".into()]));
        for id in [json!({}), json!({"id": ""}), json!({"id": {}}), json!({"id": null})] {
            assert!(matches!(outputs(id).machine(), Err(ParseError::Required("id"))));
        }
    }

    #[test]
    fn a_state_that_nobody_knows_is_unknown() {
        for (state, vendor) in [
            (json!({"of": "odd", "new": "Creating"}), "odd"),
            (json!({"of": "of"}), "of"),
            (json!({"of": "x", "x": "Nonsense"}), "x"),
            (json!({"new": "Creating"}), ""),
        ] {
            let machine = outputs(json!({"id": "1", "state": state})).machine().expect("a machine");
            assert_eq!(
                (machine.state, machine.vendor_state.as_str()),
                (MachineState::Unknown, vendor)
            );
        }
    }

    #[test]
    fn sizes_read_numbers_and_numbers_as_text() {
        let row = json!({"name": "s", "cpus": "2", "memoryMiB": 4096, "pricePerHour": 0.006});
        let size = outputs(row).size().expect("a size");
        assert_eq!((size.cpus, size.memory_mib, size.regions), (2, 4096, None));
        assert_eq!(size.price_per_hour, Some(Decimal::new(6, 3)));
        for price in [json!("free"), json!(-1), json!("")] {
            let row = json!({"name": "s", "cpus": 2, "memoryMiB": 1, "pricePerHour": price});
            assert_eq!(outputs(row).size().expect("a size").price_per_hour, None);
        }
        for row in
            [json!({"name": "s", "cpus": 2}), json!({"name": "s", "cpus": -1, "memoryMiB": 1})]
        {
            assert!(outputs(row).size().is_err());
        }
    }
}
