//! A JSON tree written as XML: the only key is the root, a list repeats its element.

use std::fmt::Write as _;

use infrafabric_adapters::compile::plain;
use serde_json::Value as Json;

/// The document.
pub(crate) fn document(body: &Json) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    if let Json::Object(entries) = body {
        for (name, value) in entries {
            element(name, value, &mut text);
        }
    }
    text
}

fn element(name: &str, value: &Json, text: &mut String) {
    match value {
        Json::Array(items) => items.iter().for_each(|item| element(name, item, text)),
        Json::Null => {
            let _ = write!(text, "<{name}/>");
        }
        _ => {
            let _ = write!(text, "<{name}");
            for (key, value) in value.as_object().into_iter().flatten() {
                if let Some(attribute) = key.strip_prefix('@') {
                    let _ = write!(text, " {attribute}=\"");
                    escape(&plain(value), text);
                    text.push('"');
                }
            }
            text.push('>');
            content(value, text);
            let _ = write!(text, "</{name}>");
        }
    }
}

fn content(value: &Json, text: &mut String) {
    match value {
        Json::Object(entries) => {
            for (key, inner) in entries.iter().filter(|(key, _)| !key.starts_with('@')) {
                if key == "#text" { escape(&plain(inner), text) } else { element(key, inner, text) }
            }
        }
        Json::String(raw) => escape(raw, text),
        other => {
            let _ = write!(text, "{other}");
        }
    }
}

fn escape(raw: &str, text: &mut String) {
    for c in raw.chars() {
        match c {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            // No XML 1.0 document may hold other control characters, not even escaped.
            c if c.is_control() && !matches!(c, '\t' | '\n' | '\r') => {}
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_repeat_and_text_is_escaped() {
        let body =
            json!({"R": {"set": {"item": [{"id": 1}, {"id": "a<b&c"}]}, "none": [], "ok": true}});
        let text = document(&body);
        let tail = "<R><set><item><id>1</id></item><item><id>a&lt;b&amp;c</id></item></set><ok>true</ok></R>";
        assert!(text.ends_with(tail), "{text}");
    }
}
