//! Functions of expressions beyond CEL's standard library and its strings extension.

use std::collections::HashMap;
use std::sync::Arc;

use cel::{ExecutionError, Value as Cel};
use iso_currency::Currency;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use super::value::{to_cel, to_json};

pub(super) type Function = fn(&[Cel]) -> Result<Cel, ExecutionError>;

/// Functions beyond CEL's standard library and its strings extension, by name.
pub const FUNCTIONS: [&str; 16] = [
    "list", "flatten", "keyed", "pairs", "base64", "json", "uuid", "link", "fields", "major",
    "minor", "hash", "dict", "sha256", "ports", "parse",
];

/// What each of them does.
pub(super) const BUILT_IN: [(&str, Function); 16] = [
    ("list", list),
    ("flatten", flatten),
    ("keyed", keyed),
    ("pairs", pairs),
    ("base64", base64),
    ("json", json),
    ("uuid", uuid),
    ("link", link),
    ("fields", fields),
    ("major", major),
    ("minor", minor),
    ("hash", hash),
    ("dict", dict),
    ("sha256", sha256),
    ("ports", ports),
    ("parse", parse),
];

/// `list(x)`: the list itself, or a list of the one thing. XML has one element or many.
fn list(args: &[Cel]) -> Result<Cel, ExecutionError> {
    match args {
        [list @ Cel::List(_)] => Ok(list.clone()),
        [Cel::Null] => Ok(Cel::List(Arc::default())),
        [one] => Ok(Cel::List(Arc::new(vec![one.clone()]))),
        _ => Err(ExecutionError::invalid_argument_count(1, args.len())),
    }
}

/// `flatten(x)`: the elements of the lists in a list, one level down.
fn flatten(args: &[Cel]) -> Result<Cel, ExecutionError> {
    let [Cel::List(items)] = args else {
        return Err(ExecutionError::function_error("flatten", "takes one list"));
    };
    let mut flat = Vec::with_capacity(items.len());
    for item in items.iter() {
        match item {
            Cel::List(inner) => flat.extend(inner.iter().cloned()),
            Cel::Null => {}
            other => flat.push(other.clone()),
        }
    }
    Ok(Cel::List(Arc::new(flat)))
}

/// `keyed(keys, value)`: a map with each text of a list as a key of the value (for labels that are a
/// map).
fn keyed(args: &[Cel]) -> Result<Cel, ExecutionError> {
    let wrong = || ExecutionError::function_error("keyed", "takes a list of strings and a value");
    let [Cel::List(keys), value] = args else { return Err(wrong()) };
    let mut map = HashMap::with_capacity(keys.len());
    for key in keys.iter() {
        let Cel::String(key) = key else { return Err(wrong()) };
        map.insert(key.to_string(), value.clone());
    }
    Ok(Cel::from(map))
}

/// `pairs(map)`: a list of `{"key": …, "value": …}` in the order of the keys. A map itself is walked
/// in any order, and a request must be the same whenever it is written.
fn pairs(args: &[Cel]) -> Result<Cel, ExecutionError> {
    let [Cel::Map(map)] = args else {
        return Err(ExecutionError::function_error("pairs", "takes one map"));
    };
    let mut entries: Vec<(String, &Cel)> =
        map.map.iter().map(|(key, value)| (key.to_string(), value)).collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    let pair = |(key, value): (String, &Cel)| {
        Cel::from(HashMap::from([
            ("key".to_owned(), Cel::from(key)),
            ("value".to_owned(), value.clone()),
        ]))
    };
    Ok(Cel::List(Arc::new(entries.into_iter().map(pair).collect())))
}

/// `dict(list)`: a map of a list of `{"key": …, "value": …}`, the reverse of `pairs`.
fn dict(args: &[Cel]) -> Result<Cel, ExecutionError> {
    let wrong = || ExecutionError::function_error("dict", "takes a list of keys and values");
    let [Cel::List(entries)] = args else { return Err(wrong()) };
    let mut map = HashMap::with_capacity(entries.len());
    for entry in entries.iter() {
        let Cel::Map(entry) = entry else { return Err(wrong()) };
        let field = |name: &str| entry.map.iter().find(|(key, _)| key.to_string() == name);
        let (Some((_, Cel::String(key))), Some((_, value))) = (field("key"), field("value")) else {
            return Err(wrong());
        };
        map.insert(key.to_string(), value.clone());
    }
    Ok(Cel::from(map))
}

/// `base64(s)`: the standard alphabet with padding.
fn base64(args: &[Cel]) -> Result<Cel, ExecutionError> {
    use base64::Engine as _;
    let [Cel::String(text)] = args else {
        return Err(ExecutionError::function_error("base64", "takes one string"));
    };
    let encoded = base64::engine::general_purpose::STANDARD.encode(text.as_bytes());
    Ok(Cel::String(Arc::new(encoded)))
}

/// `json(x)`: compact JSON text of a value (for headers that carry JSON).
fn json(args: &[Cel]) -> Result<Cel, ExecutionError> {
    let [value] = args else {
        return Err(ExecutionError::invalid_argument_count(1, args.len()));
    };
    Ok(Cel::String(Arc::new(to_json(value).unwrap_or(Json::Null).to_string())))
}

/// `parse(s)`: the value of a JSON text, null when it is none.
fn parse(args: &[Cel]) -> Result<Cel, ExecutionError> {
    let [Cel::String(text)] = args else {
        return Err(ExecutionError::function_error("parse", "takes one string"));
    };
    Ok(serde_json::from_str(text).map_or(Cel::Null, |json: Json| to_cel(&json)))
}

/// `uuid(s)`: always the same UUID for the same text (version 5), for keys that must be one.
fn uuid(args: &[Cel]) -> Result<Cel, ExecutionError> {
    let [Cel::String(text)] = args else {
        return Err(ExecutionError::function_error("uuid", "takes one string"));
    };
    let uuid = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, text.as_bytes());
    Ok(Cel::String(Arc::new(uuid.to_string())))
}

/// `link(header, rel)`: the address of that relation in a Link header (RFC 8288), null without one.
fn link(args: &[Cel]) -> Result<Cel, ExecutionError> {
    let [Cel::String(header), Cel::String(relation)] = args else {
        return Err(ExecutionError::function_error("link", "takes two strings"));
    };
    // Who took a header that cannot be read for the last page would believe half a list.
    let links = parse_link_header::parse(header)
        .map_err(|_| ExecutionError::function_error("link", "is no Link header"))?;
    let found = links.into_iter().find(|(known, _)| known.as_deref() == Some(relation.as_str()));
    Ok(found.map_or(Cel::Null, |(_, link)| Cel::String(Arc::new(link.raw_uri))))
}

/// `fields(s)`: a map with a list of values for each name of `t=1,v1=a,v1=b` (signature headers).
fn fields(args: &[Cel]) -> Result<Cel, ExecutionError> {
    let [Cel::String(text)] = args else {
        return Err(ExecutionError::function_error("fields", "takes one string"));
    };
    let mut map: HashMap<String, Vec<Cel>> = HashMap::new();
    for (name, value) in text.split(',').filter_map(|pair| pair.split_once('=')) {
        let value = Cel::String(Arc::new(value.trim().to_owned()));
        map.entry(name.trim().to_owned()).or_default().push(value);
    }
    let lists = map.into_iter().map(|(name, values)| (name, Cel::List(Arc::new(values))));
    Ok(Cel::from(lists.collect::<HashMap<String, Cel>>()))
}

/// The decimals of a currency.
fn decimals(code: &str) -> Option<u32> {
    Currency::from_code(code).map(|currency| currency.exponent().unwrap_or(0).into())
}

/// `major(1250, "EUR")`: `12.50`, for APIs that take money as text in the currency's main unit.
fn major(args: &[Cel]) -> Result<Cel, ExecutionError> {
    let wrong = || ExecutionError::function_error("major", "takes a whole number and a currency");
    let [Cel::Int(minor), Cel::String(code)] = args else { return Err(wrong()) };
    let scale = decimals(code).ok_or_else(wrong)?;
    Ok(Cel::String(Arc::new(Decimal::new(*minor, scale).to_string())))
}

/// `minor("12.50", "EUR")`: `1250`.
fn minor(args: &[Cel]) -> Result<Cel, ExecutionError> {
    let wrong = || ExecutionError::function_error("minor", "takes an amount and a currency");
    let [amount, Cel::String(code)] = args else { return Err(wrong()) };
    let text = match to_json(amount) {
        Some(Json::String(text)) => text,
        Some(Json::Number(number)) => number.to_string(),
        _ => return Err(wrong()),
    };
    let amount: Decimal = text.parse().map_err(|_| wrong())?;
    let scale = decimals(code).ok_or_else(wrong)?;
    let minor = amount.checked_mul(Decimal::from(10_u64.pow(scale)));
    // A part of a minor unit is no money that this currency has.
    let minor = minor.filter(Decimal::is_integer).and_then(|minor| minor.to_i64());
    minor.map(Cel::Int).ok_or_else(wrong)
}

/// `hash(s)`: always the same 22 letters and digits for the same text, for keys that may not be longer.
fn hash(args: &[Cel]) -> Result<Cel, ExecutionError> {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let [Cel::String(text)] = args else {
        return Err(ExecutionError::function_error("hash", "takes one string"));
    };
    let digest = Sha256::digest(text.as_bytes());
    let letter = |byte: &u8| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]);
    let short: String = digest.iter().take(22).map(letter).collect();
    Ok(Cel::String(Arc::new(short)))
}

/// `sha256(s)`: in hexadecimal.
fn sha256(args: &[Cel]) -> Result<Cel, ExecutionError> {
    let [Cel::String(text)] = args else {
        return Err(ExecutionError::function_error("sha256", "takes one string"));
    };
    let digits =
        Sha256::digest(text.as_bytes()).into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let hex = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
    Ok(Cel::String(Arc::new(hex.collect())))
}

/// `ports(url)`: the address without a port and with one, its own or that of its scheme: a proxy may have
/// taken it away, or put it there, before somebody signed the address.
fn ports(args: &[Cel]) -> Result<Cel, ExecutionError> {
    let wrong = || ExecutionError::function_error("ports", "takes one address");
    let [Cel::String(text)] = args else { return Err(wrong()) };
    let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
    let usual = match scheme {
        "https" => "443",
        "http" => "80",
        _ => return Err(wrong()),
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if digits(port) => (host, port),
        _ => (authority, usual),
    };
    let text = |address: String| Cel::String(Arc::new(address));
    let bare = text(format!("{scheme}://{host}{path}"));
    Ok(Cel::List(Arc::new(vec![bare, text(format!("{scheme}://{host}:{port}{path}"))])))
}
