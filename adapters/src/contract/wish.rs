//! What a contract can know of a wish before anybody is asked.

use infrafabric_definition::{Class, Domain};
use iso_currency::Currency;
use serde_json::Value as Json;

use super::{Field, Kind};

/// Why a wish is none of the contract's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// `Invalid`, or `Policy` for what we will not take.
    pub(crate) class: Class,
    /// What is wrong, where, and what would be right.
    pub(crate) message: String,
}

/// Holds a wish against the contract's inputs.
pub(crate) fn check(domain: Domain, fields: &[Field], want: &Json) -> Result<(), Refusal> {
    let invalid = |message: String| Refusal { class: Class::Invalid, message };
    let nothing = serde_json::Map::new();
    let given = match want {
        Json::Null => &nothing,
        Json::Object(given) => given,
        _ => return Err(invalid("a wish is a map of names to values".to_owned())),
    };
    let strange = |name: &&String| !fields.iter().any(|field| field.name == name.as_str());
    if let Some(name) = given.keys().find(strange) {
        let known: Vec<&str> = fields.iter().map(|field| field.name).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(invalid(format!("unknown `{name}`, here there is {known}")));
    }
    for field in fields {
        match given.get(field.name).filter(|value| !value.is_null()) {
            None if field.required => {
                return Err(invalid(format!("`{}` is missing: {}", field.name, field.about)));
            }
            None => {}
            Some(value) => {
                fits(field.kind, value)
                    .map_err(|wanted| invalid(format!("`{}` is not {wanted}", field.name)))?;
            }
        }
    }
    hold_cards(domain, want)
}

/// Refuses what could be a card's number, wherever it stands in a wish of a payment.
pub(crate) fn hold_cards(domain: Domain, want: &Json) -> Result<(), Refusal> {
    let mut given = want.as_object().into_iter().flatten();
    if domain == Domain::Payments
        && let Some((name, _)) = given.find(|(_, value)| has_card_number(value))
    {
        let message = format!(
            "`{name}` could be a card number, which has no place here: give the provider's token of the \
             saved method"
        );
        return Err(Refusal { class: Class::Policy, message });
    }
    Ok(())
}

/// What was wanted instead.
fn fits(kind: Kind, value: &Json) -> Result<(), String> {
    let say = |holds: bool, wanted: &str| if holds { Ok(()) } else { Err(wanted.to_owned()) };
    let texts = |value: &Json| value.as_array().is_some_and(|all| all.iter().all(Json::is_string));
    let numbers =
        |value: &Json| value.as_array().is_some_and(|all| all.iter().all(Json::is_number));
    let text = value.as_str();
    match kind {
        Kind::Text | Kind::State => say(text.is_some_and(|text| !text.is_empty()), "text"),
        Kind::Int => say(value.is_u64(), "a whole number from 0"),
        Kind::Decimal => say(value.is_number(), "a number"),
        Kind::Bool => say(value.is_boolean(), "true or false"),
        Kind::Texts => say(texts(value), "a list of text"),
        Kind::Labels => say(value.is_object(), "a map"),
        Kind::Numbers => say(numbers(value), "a list of numbers"),
        Kind::Vectors => {
            let all = value.as_array().is_some_and(|all| all.iter().all(numbers));
            say(all, "a list of lists of numbers")
        }
        Kind::Maps(keys) => {
            let entry = |entry: &Json| {
                let map = entry.as_object();
                map.is_some_and(|map| map.keys().all(|key| keys.contains(&key.as_str())))
            };
            let all = value.as_array().is_some_and(|all| all.iter().all(entry));
            say(all, &format!("a list of maps of {}", keys.join(", ")))
        }
        Kind::Addresses => say(value.is_array(), "a list"),
        Kind::Phone => say(
            text.is_some_and(is_e164),
            "a number as E.164 has it: + and 7 to 15 digits, the country's code first, \
             such as +14155550100",
        ),
        Kind::Interval => say(
            text.is_some_and(is_interval),
            "a number and day, week or month, such as 1 month or 14 days",
        ),
        Kind::Currency => {
            say(text.is_some_and(is_currency), "a currency of ISO 4217 such as EUR, in upper case")
        }
        Kind::Amount => say(
            value.as_u64().is_some_and(|amount| amount > 0),
            "an amount in minor units: a whole number from 1 (12.50 EUR is 1250, 500 JPY is 500)",
        ),
    }
}

fn is_e164(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (7..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0')
}

fn is_interval(text: &str) -> bool {
    text.split_once(' ').is_some_and(|(number, unit)| {
        let counts = number.parse::<u16>().is_ok_and(|number| number > 0);
        counts && matches!(unit, "day" | "days" | "week" | "weeks" | "month" | "months")
    })
}

fn is_currency(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_uppercase()) && Currency::from_code(text).is_some()
}

/// Whether a text anywhere in it could be a card's number.
fn has_card_number(value: &Json) -> bool {
    match value {
        Json::String(text) => card_in(text),
        Json::Number(number) => card_in(&number.to_string()),
        Json::Array(items) => items.iter().any(has_card_number),
        Json::Object(entries) => entries.values().any(has_card_number),
        Json::Null | Json::Bool(_) => false,
    }
}

/// Words of digits, or such words beside each other with a space or hyphen between them.
fn card_in(text: &str) -> bool {
    let phrases = text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ' ' | '-')));
    phrases.into_iter().any(|phrase| {
        let words: Vec<&str> = phrase.split([' ', '-']).collect();
        (0..words.len()).any(|first| {
            let mut digits = String::new();
            words[first..].iter().any(|word| {
                if word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_digit()) {
                    digits.clear();
                    return false;
                }
                digits.push_str(word);
                is_card(&digits)
            })
        })
    })
}

/// A length and a beginning that cards have (ISO/IEC 7812-1), and Luhn's check digit.
fn is_card(digits: &str) -> bool {
    let begins = |size: usize| digits.get(..size).and_then(|head| head.parse::<u32>().ok());
    let (Some(two), Some(four)) = (begins(2), begins(4)) else { return false };
    let issued = match digits.len() {
        13 => two / 10 == 4,
        14 => matches!(two, 30 | 36 | 38 | 39),
        15 => matches!(two, 34 | 37),
        16 => two / 10 == 4 || matches!(two, 35 | 50..=69) || (2221..=2720).contains(&four),
        17..=19 => two / 10 == 4 || matches!(two, 50 | 56..=69),
        _ => false,
    };
    let sum: u32 = digits.bytes().rev().enumerate().fold(0, |sum, (at, byte)| {
        let digit = u32::from(byte - b'0') * if at % 2 == 1 { 2 } else { 1 };
        sum + digit / 10 + digit % 10
    });
    issued && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::contract::{needed, optional};

    const FIELDS: &[Field] = &[
        needed("amount", Kind::Amount, "money"),
        needed("currency", Kind::Currency, "ISO 4217"),
        optional("to", Kind::Phone, "somebody"),
        optional("note", Kind::Text, "anything"),
    ];

    fn said(want: &Json) -> Option<(Class, String)> {
        let refusal = check(Domain::Payments, FIELDS, want).err()?;
        Some((refusal.class, refusal.message))
    }

    #[test]
    fn a_wish_of_the_contract_is_taken() {
        let want = json!({"amount": 1, "currency": "JPY", "to": "+4930123456", "note": null});
        assert_eq!(said(&want), None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (change, wanted) in [
            (json!({"amount": 12.5}), "whole number"),
            (json!({"amount": 0}), "minor units"),
            (json!({"amount": "12"}), "minor units"),
            (json!({"amount": null}), "missing"),
            (json!({"currency": "eur"}), "upper case"),
            (json!({"currency": "XQQ"}), "ISO 4217"),
            (json!({"to": "0049 30 1"}), "E.164"),
            (json!({"to": "+0123456789"}), "E.164"),
            (json!({"colour": "red"}), "unknown `colour`"),
        ] {
            let mut want = json!({"amount": 1, "currency": "EUR"});
            for (key, value) in change.as_object().expect("a map") {
                want[key] = value.clone();
            }
            let (class, message) = said(&want).expect("refused");
            assert_eq!(class, Class::Invalid);
            assert!(message.contains(wanted), "{message}");
        }
    }

    #[test]
    fn a_card_number_is_refused_wherever_it_stands() {
        for note in ["4242424242424242", "seat 7 4242 4242 4242 4242", "3782-822463-10005"] {
            let (class, message) =
                said(&json!({"amount": 1, "currency": "EUR", "note": note})).expect("refused");
            assert_eq!(class, Class::Policy, "{note}");
            assert!(message.contains("`note`") && !message.contains("4242"), "{message}");
        }
        for note in ["4242424242424241", "pm_4242424242424242", "1764288000000", "2026-11-28", "7"]
        {
            let want = json!({"amount": 1, "currency": "EUR", "note": note});
            assert_eq!(said(&want), None, "{note}");
        }
    }
}
