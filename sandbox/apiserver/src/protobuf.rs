//! The protobuf bodies that `kubectl create namespace|configmap|secret|serviceaccount` and
//! `kubectl auth` send. A field that is not in the tables is refused, never dropped.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// What every Kubernetes protobuf body begins with.
const MAGIC: &[u8] = b"k8s\0";

/// How a field is written in JSON.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    Flag,
    TextMap,
    BytesMap,
    Message(Fields),
    /// Server-owned or empty on creation.
    Ignored,
}

type Fields = &'static [(u64, &'static str, Shape)];

const METADATA: Fields = &[
    (1, "name", Shape::Text),
    (2, "generateName", Shape::Text),
    (3, "namespace", Shape::Text),
    (4, "selfLink", Shape::Ignored),
    (5, "uid", Shape::Ignored),
    (6, "resourceVersion", Shape::Ignored),
    (7, "generation", Shape::Ignored),
    (8, "creationTimestamp", Shape::Ignored),
    (11, "labels", Shape::TextMap),
    (12, "annotations", Shape::TextMap),
];
const CONFIG_MAP: Fields = &[
    (1, "metadata", Shape::Message(METADATA)),
    (2, "data", Shape::TextMap),
    (3, "binaryData", Shape::BytesMap),
    (4, "immutable", Shape::Flag),
];
const SECRET: Fields = &[
    (1, "metadata", Shape::Message(METADATA)),
    (2, "data", Shape::BytesMap),
    (3, "type", Shape::Text),
    (4, "stringData", Shape::TextMap),
    (5, "immutable", Shape::Flag),
];
const NAMED: Fields = &[
    (1, "metadata", Shape::Message(METADATA)),
    (2, "spec", Shape::Ignored),
    (3, "status", Shape::Ignored),
];
const ACCOUNT: Fields = &[(1, "metadata", Shape::Message(METADATA))];

/// Decodes a body; `None` when it is malformed or holds what is not in the tables.
pub(crate) fn decode(body: &[u8]) -> Option<Value> {
    let mut envelope = body.strip_prefix(MAGIC)?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &body[..0]);
    while let Some((number, data)) = next(&mut envelope)? {
        match (number, data) {
            (1, Data::Bytes(mut meta)) => {
                while let Some((number, data)) = next(&mut meta)? {
                    match number {
                        1 => api_version = data.text()?,
                        2 => kind = data.text()?,
                        _ => return None,
                    }
                }
            }
            (2, Data::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let fields = match kind.as_str() {
        "ConfigMap" => CONFIG_MAP,
        "Secret" => SECRET,
        "Namespace"
        | "SelfSubjectAccessReview"
        | "SelfSubjectRulesReview"
        | "SelfSubjectReview" => NAMED,
        "ServiceAccount" => ACCOUNT,
        _ => return None,
    };
    let mut object = message(raw, fields)?;
    object.insert("apiVersion".to_owned(), json!(api_version));
    object.insert("kind".to_owned(), json!(kind));
    Some(Value::Object(object))
}

fn message(mut bytes: &[u8], fields: Fields) -> Option<Map<String, Value>> {
    let mut object = Map::new();
    while let Some((number, data)) = next(&mut bytes)? {
        let (_, name, shape) = fields.iter().find(|(known, ..)| *known == number)?;
        let value = match shape {
            Shape::Ignored => continue,
            Shape::Text => {
                let text = data.text()?;
                if text.is_empty() {
                    continue;
                }
                Value::String(text)
            }
            Shape::Flag => Value::Bool(matches!(data, Data::Number(1))),
            Shape::Message(fields) => Value::Object(message(data.bytes()?, fields)?),
            Shape::TextMap | Shape::BytesMap => {
                let (key, bytes) = entry(data.bytes()?)?;
                let value = if matches!(shape, Shape::TextMap) {
                    String::from_utf8(bytes.to_vec()).ok()?
                } else {
                    STANDARD.encode(bytes)
                };
                let map = object.entry(*name).or_insert_with(|| json!({}));
                map.as_object_mut()?.insert(key, Value::String(value));
                continue;
            }
        };
        object.insert((*name).to_owned(), value);
    }
    Some(object)
}

fn entry(mut bytes: &[u8]) -> Option<(String, &[u8])> {
    let (mut key, mut value) = (String::new(), &bytes[..0]);
    while let Some((number, data)) = next(&mut bytes)? {
        match number {
            1 => key = data.text()?,
            2 => value = data.bytes()?,
            _ => return None,
        }
    }
    Some((key, value))
}

enum Data<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Data<'a> {
    fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Number(_) => None,
        }
    }

    fn text(self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }
}

/// The next field; the inner `None` is the end, the outer one a malformed body.
#[expect(clippy::option_option, reason = "end and mistake are different things")]
fn next<'a>(bytes: &mut &'a [u8]) -> Option<Option<(u64, Data<'a>)>> {
    if bytes.is_empty() {
        return Some(None);
    }
    let tag = varint(bytes)?;
    let data = match tag & 7 {
        0 => Data::Number(varint(bytes)?),
        2 => {
            let length = usize::try_from(varint(bytes)?).ok()?;
            let (data, rest) = bytes.split_at_checked(length)?;
            *bytes = rest;
            Data::Bytes(data)
        }
        _ => return None,
    };
    Some(Some((tag >> 3, data)))
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn malformed_bodies_are_refused_not_guessed() {
        for body in [&b""[..], b"k8s\0", b"k8s\0\x0a\xff", b"k8s\0\x0a\x7f\x01", b"\x80\x80\x80"] {
            assert_eq!(decode(body), None);
        }
    }
}
