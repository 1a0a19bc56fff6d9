//! The paths of resources.

use percent::{broken, decode};

/// What a path addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResourcePath {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) plural: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) subresource: String,
    /// The old `/watch/` form.
    pub(super) watch: bool,
}

/// Splits `/api/v1/…` and `/apis/<group>/<version>/…`; `None` for anything else.
pub(super) fn resource(path: &str) -> Option<ResourcePath> {
    let segments: Vec<String> = path.trim_matches('/').split('/').map(decode).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (group, version, rest) = match segments.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return None,
    };
    let (watch, rest) = match rest {
        ["watch", rest @ ..] if !rest.is_empty() => (true, rest),
        _ => (false, rest),
    };
    let (namespace, rest) = match rest {
        // `/namespaces/x` and its subresources are the namespace itself.
        ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => ("", rest),
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
        _ => ("", rest),
    };
    let (plural, name, subresource) = match rest {
        [plural] => (*plural, "", ""),
        [plural, name] => (*plural, *name, ""),
        [plural, name, subresource] => (*plural, *name, *subresource),
        _ => return None,
    };
    let own = |text: &str| text.to_owned();
    Some(ResourcePath {
        group: own(group),
        version: own(version),
        plural: own(plural),
        namespace: own(namespace),
        name: own(name),
        subresource: own(subresource),
        watch,
    })
}

/// Query parameters; the first of each name counts.
pub(super) fn query(text: &str) -> std::collections::HashMap<String, String> {
    let mut all = std::collections::HashMap::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        // As there, a pair with a broken escape is no pair.
        if broken(pair) {
            continue;
        }
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = |text: &str| decode(&text.replace('+', " "));
        all.entry(plain(key)).or_insert_with(|| plain(value));
    }
    all
}

mod percent {
    /// Whether a percent sign begins no escape.
    pub(super) fn broken(text: &str) -> bool {
        text.split('%').skip(1).any(|rest| {
            !rest.get(..2).is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
        })
    }

    /// Percent-decoding; what is malformed stays as it is.
    pub(super) fn decode(text: &str) -> String {
        let bytes = text.as_bytes();
        let mut out = Vec::with_capacity(bytes.len());
        let mut at = 0;
        while at < bytes.len() {
            let hex = (bytes[at] == b'%')
                .then(|| text.get(at + 1..at + 3))
                .flatten()
                .and_then(|hex| u8::from_str_radix(hex, 16).ok());
            if let Some(byte) = hex {
                out.push(byte);
                at += 3;
            } else {
                out.push(bytes[at]);
                at += 1;
            }
        }
        String::from_utf8_lossy(&out).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_their_parts() {
        let path = resource("/apis/example.com/v1/namespaces/a/widgets/w/status").unwrap();
        assert_eq!((path.namespace.as_str(), path.name.as_str()), ("a", "w"));
        assert_eq!(path.subresource, "status");
        let path = resource("/api/v1/namespaces/a").unwrap();
        assert_eq!((path.plural.as_str(), path.name.as_str()), ("namespaces", "a"));
        assert_eq!(query("?&a=b%2Fc&d=e+f").get("d").unwrap(), "e f");
        assert!(resource("/apis/example.com/v1").is_none());
    }
}
