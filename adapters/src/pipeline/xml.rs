//! XML answers as JSON, as definitions read them, and XML bodies from what they write.
//!
//! An element with children is a map, a repeated element a list, an element with text a string, an
//! empty element null; attributes (unless asked for) and namespaces are dropped; the root element is the
//! only key.

use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesDecl, BytesEnd, BytesRef, BytesStart, BytesText, Event};
use quick_xml::{Reader, Writer};
use serde_json::{Map, Value as Json};
use thiserror::Error;

use crate::compile::plain;

const MAX_DEPTH: usize = 64;
const MAX_ELEMENTS: usize = 500_000;

/// Why a text is no XML that we take.
#[derive(Debug, Error)]
pub enum XmlError {
    /// The text is not well formed.
    #[error("read XML")]
    Read(#[source] quick_xml::Error),
    /// A document type or an entity of its own: nothing that an API needs, and how bombs are made.
    #[error("XML with a document type or entities of its own")]
    Entities,
    /// Too deep or too many elements.
    #[error("XML with more than {MAX_DEPTH} levels or {MAX_ELEMENTS} elements")]
    Size,
    /// It ends early or has no single root.
    #[error("XML without one complete root element")]
    Incomplete,
}

/// An element that is still open.
struct Open {
    name: String,
    text: String,
    children: Map<String, Json>,
}

impl Open {
    fn value(self) -> Json {
        let text = self.text.trim();
        if !self.children.is_empty() {
            let mut children = self.children;
            if !text.is_empty() && children.keys().any(|key| key.starts_with('@')) {
                children.insert("#text".to_owned(), Json::from(text));
            }
            Json::Object(children)
        } else if text.is_empty() {
            Json::Null
        } else {
            Json::from(text)
        }
    }

    fn add(&mut self, name: String, value: Json) {
        match self.children.get_mut(&name) {
            None => {
                self.children.insert(name, value);
            }
            Some(Json::Array(items)) => items.push(value),
            Some(first) => {
                let items = vec![first.take(), value];
                *first = Json::Array(items);
            }
        }
    }
}

/// Reads a document.
pub fn to_json(text: &str) -> Result<Json, XmlError> {
    read(text, false)
}

/// Reads a document with its attributes, as `@name`.
pub(super) fn to_json_with_attributes(text: &str) -> Result<Json, XmlError> {
    read(text, true)
}

fn read(text: &str, attributes: bool) -> Result<Json, XmlError> {
    let mut reader = Reader::from_str(text);
    let mut document = Open { name: String::new(), text: String::new(), children: Map::new() };
    let mut open: Vec<Open> = Vec::new();
    let mut elements = 0_usize;
    loop {
        match reader.read_event().map_err(XmlError::Read)? {
            Event::Start(start) => {
                elements += 1;
                if open.len() >= MAX_DEPTH || elements > MAX_ELEMENTS {
                    return Err(XmlError::Size);
                }
                let name = local(start.local_name().into_inner());
                let children = if attributes { self::attributes(&start)? } else { Map::new() };
                open.push(Open { name, text: String::new(), children });
            }
            Event::Empty(empty) => {
                elements += 1;
                if elements > MAX_ELEMENTS {
                    return Err(XmlError::Size);
                }
                let name = local(empty.local_name().into_inner());
                let children = if attributes { self::attributes(&empty)? } else { Map::new() };
                let value = Open { name: String::new(), text: String::new(), children }.value();
                open.last_mut().unwrap_or(&mut document).add(name, value);
            }
            Event::End(_) => {
                let mut closed = open.pop().ok_or(XmlError::Incomplete)?;
                let name = std::mem::take(&mut closed.name);
                open.last_mut().unwrap_or(&mut document).add(name, closed.value());
            }
            Event::Text(content) => push(&mut open, &content.xml10_content()),
            Event::CData(content) => push(&mut open, &content.xml10_content()),
            Event::GeneralRef(reference) => push(&mut open, &resolve(&reference)?),
            Event::DocType(_) => return Err(XmlError::Entities),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    let whole = open.is_empty() && document.children.len() == 1 && !is_list(&document);
    if whole { Ok(Json::Object(document.children)) } else { Err(XmlError::Incomplete) }
}

/// The attributes of an element, each as `@name`.
fn attributes(start: &BytesStart<'_>) -> Result<Map<String, Json>, XmlError> {
    let mut map = Map::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| XmlError::Read(error.into()))?;
        let name = local(attribute.key.local_name().into_inner());
        let value = attribute
            .normalized_value(quick_xml::XmlVersion::Implicit1_0)
            .map_err(XmlError::Read)?;
        map.insert(format!("@{name}"), Json::from(value.into_owned()));
    }
    Ok(map)
}

fn is_list(document: &Open) -> bool {
    document.children.values().any(Json::is_array)
}

fn push(open: &mut [Open], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn resolve(reference: &BytesRef<'_>) -> Result<String, XmlError> {
    if let Some(c) = reference.resolve_char_ref().map_err(XmlError::Read)? {
        return Ok(c.to_string());
    }
    resolve_xml_entity(&reference.xml10_content()).map(ToOwned::to_owned).ok_or(XmlError::Entities)
}

fn local(name: &str) -> String {
    name.to_owned()
}

/// Writes a document: the only key is the root, a list repeats its element, `@name` is an
/// attribute and `#text` the text beside attributes.
pub(crate) fn from_json(value: &Json) -> std::io::Result<Vec<u8>> {
    let mut writer = Writer::new(Vec::new());
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    for (name, value) in value.as_object().into_iter().flatten() {
        element(&mut writer, name, value)?;
    }
    Ok(writer.into_inner())
}

fn element(writer: &mut Writer<Vec<u8>>, name: &str, value: &Json) -> std::io::Result<()> {
    if let Json::Array(items) = value {
        return items.iter().try_for_each(|item| element(writer, name, item));
    }
    let mut start = BytesStart::new(name);
    let entries = value.as_object();
    for (key, value) in entries.into_iter().flatten() {
        if let Some(attribute) = key.strip_prefix('@') {
            start.push_attribute((attribute, plain(value).as_str()));
        }
    }
    writer.write_event(Event::Start(start))?;
    match entries {
        Some(entries) => {
            for (key, value) in entries.iter().filter(|(key, _)| !key.starts_with('@')) {
                match key.as_str() {
                    "#text" => text(writer, value)?,
                    key => element(writer, key, value)?,
                }
            }
        }
        None if value.is_null() => {}
        None => text(writer, value)?,
    }
    writer.write_event(Event::End(BytesEnd::new(name)))
}

/// Without the control characters that no XML 1.0 document may hold, not even escaped.
fn text(writer: &mut Writer<Vec<u8>>, value: &Json) -> std::io::Result<()> {
    let mut text = plain(value);
    text.retain(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r'));
    writer.write_event(Event::Text(BytesText::new(&text)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn elements_become_maps_lists_and_text() {
        let text = r#"<?xml version="1.0" encoding="UTF-8"?>
            <ns:R xmlns:ns="http://x/"><set><item a="1"><id>i-1</id></item><item><id> i-2 </id></item></set>
            <one><item><n>a &amp; b &#65; <![CDATA[<c>]]></n></item></one><empty/><also></also></ns:R>"#;
        let expected = json!({"R": {
            "set": {"item": [{"id": "i-1"}, {"id": "i-2"}]},
            "one": {"item": {"n": "a & b A <c>"}},
            "empty": null, "also": null,
        }});
        assert_eq!(to_json(text).expect("reads"), expected);
    }

    #[test]
    fn bombs_and_halves_are_refused() {
        let deep = "<a>".repeat(100);
        let bomb = r#"<!DOCTYPE a [<!ENTITY x "xxxx">]><a>&x;</a>"#;
        assert!(matches!(to_json(bomb), Err(XmlError::Entities)));
        assert!(matches!(to_json("<a>&x;</a>"), Err(XmlError::Entities)));
        assert!(matches!(to_json(&deep), Err(XmlError::Size)));
        for text in ["<a><b></b>", "", "text", "<a/><a/>", "<a/><b/>", "<a></b>", "{\"a\": 1}"] {
            assert!(to_json(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let value = json!({"R": {"@xmlns": "http://x/", "set": {"item": [{"id": "<1>"}, {"id": "a&b\u{1}"}]},
            "one": {"@kind": "k", "#text": "t"}, "empty": null}});
        let written = String::from_utf8(from_json(&value).expect("writes")).expect("text");
        assert!(
            written.contains(r#"<R xmlns="http://x/">"#)
                && written.contains(r#"<one kind="k">t</one>"#)
        );
        let read = json!({"R": {"set": {"item": [{"id": "<1>"}, {"id": "a&b"}]}, "one": "t", "empty": null}});
        assert_eq!(to_json(&written).expect("reads"), read);
    }

    proptest::proptest! {
        /// Tags, entities and garbage in any order are read or refused.
        #[test]
        fn no_document_is_too_odd(parts in proptest::collection::vec(proptest::sample::select(vec![
            "<a>", "</a>", "<b x='1'>", "</b>", "<c/>", "&amp;", "&#0;", "&#x110000;", "&y;", "<![CDATA[",
            "]]>", "<!--", "-->", "<?xml version='1.0'?>", "<!DOCTYPE a>", "text", "<", ">", "\u{0}", "é",
        ]), 0..40)) {
            let text = parts.concat();
            if let Ok(value) = to_json(&text) {
                proptest::prop_assert_eq!(value.as_object().map(serde_json::Map::len), Some(1));
            }
        }
    }
}
