//! Names: made, and judged.

use serde_json::Value;

use crate::status::FieldError;

const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters \
    or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or \
    '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
    characters, '-' or '.', and must start and end with an alphanumeric character (e.g. \
    'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/// What the part of a qualified name after its prefix must be.
pub(crate) const NAME_PART: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must \
                     start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  \
                     or '123-abc', regex used for validation is \
                     '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

/// Five characters that cannot spell a word, as `generateName` appends them.
pub(crate) fn suffix() -> String {
    let random = uuid::Uuid::new_v4();
    random.as_bytes()[..5]
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]))
        .collect()
}

/// `<base><suffix>`, cut so that it stays a label.
pub(crate) fn generate(base: &str) -> String {
    let cut: String = base.chars().take(58).collect();
    format!("{cut}{}", suffix())
}

fn is_label(text: &str) -> bool {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && bytes.iter().all(|byte| alphanumeric(byte) || *byte == b'-')
}

/// An RFC 1123 label of at most 63 characters.
pub(crate) fn check_label(field: &str, text: &str) -> Vec<FieldError> {
    let value = Value::from(text);
    let mut errors = Vec::new();
    if text.len() > 63 {
        errors.push(FieldError::invalid(field, &value, "must be no more than 63 characters"));
    }
    if !is_label(text) {
        errors.push(FieldError::invalid(field, &value, LABEL));
    }
    errors
}

/// An RFC 1123 subdomain of at most 253 characters.
pub(crate) fn check_subdomain(field: &str, text: &str) -> Vec<FieldError> {
    let value = Value::from(text);
    let mut errors = Vec::new();
    if text.len() > 253 {
        errors.push(FieldError::invalid(field, &value, "must be no more than 253 characters"));
    }
    if !text.split('.').all(is_label) {
        errors.push(FieldError::invalid(field, &value, SUBDOMAIN));
    }
    errors
}

/// `[prefix/]name` of label and annotation keys and of finalizers; the reason when it is not one.
pub(crate) fn qualified_problem(key: &str) -> Option<&'static str> {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(p, n)| (Some(p), n));
    if name.contains('/') {
        return Some(
            "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must \
             start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or \
             '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') \
             with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
        );
    }
    if prefix.is_some_and(|prefix| prefix.is_empty() || !prefix.split('.').all(is_label)) {
        return Some(
            "prefix part a lowercase RFC 1123 subdomain must consist of lower case \
                     alphanumeric characters, '-' or '.', and must start and end with an \
                     alphanumeric character (e.g. 'example.com', regex used for validation is \
                     '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        );
    }
    if name.len() > 63 {
        return Some("name part must be no more than 63 characters");
    }
    if name.is_empty() || !is_qualified_text(name) {
        return Some(NAME_PART);
    }
    None
}

fn is_qualified_text(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// The reason why a label value is not one.
pub(crate) fn label_value_problem(value: &str) -> Option<&'static str> {
    if value.len() > 63 {
        return Some("must be no more than 63 bytes");
    }
    (!value.is_empty() && !is_qualified_text(value)).then_some(
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or \
         '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or \
         'my_value',  or '12345', regex used for validation is \
         '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
    )
}
