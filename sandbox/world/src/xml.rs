//! A JSON tree written as XML: the only key is the root, a list repeats its element.

use std::fmt::Write as _;

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
            let _ = write!(text, "<{name}>");
            content(value, text);
            let _ = write!(text, "</{name}>");
        }
    }
}

fn content(value: &Json, text: &mut String) {
    match value {
        Json::Object(entries) => entries.iter().for_each(|(key, inner)| element(key, inner, text)),
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
