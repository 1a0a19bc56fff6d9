//! Answers with their accidental parts replaced: uids, versions, times, random names.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// What was seen on one side: equal values get equal marks.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    uids: HashMap<String, String>,
    versions: HashMap<String, String>,
}

/// What stands before a version in a sentence.
const VERSION_FOLLOWS: [&str; 5] =
    ["version: ", "version is too old: ", "object meta: ", " at ", " ("];

const TIMES: [&str; 5] =
    ["creationTimestamp", "deletionTimestamp", "time", "lastTransitionTime", "creationTime"];

impl Marks {
    /// A JSON answer with marks instead of what differs between any two servers.
    pub(crate) fn normal(&mut self, mut value: Value) -> Value {
        self.learn(&value);
        self.replace(&mut value);
        value
    }

    /// Gives marks in an order that does not depend on the order of keys.
    fn learn(&mut self, value: &Value) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(uid)) = map.get("uid")
                    && !uid.is_empty()
                    && uid.len() == 36
                {
                    let next = format!("<uid {}>", self.uids.len() + 1);
                    self.uids.entry(uid.clone()).or_insert(next);
                }
                if let Some(Value::String(version)) = map.get("resourceVersion")
                    && is_number(version)
                {
                    let next = format!("<version {}>", self.versions.len() + 1);
                    self.versions.entry(version.clone()).or_insert(next);
                }
                let list = is_list(map) || is_end_of_events(map);
                let mut keys: Vec<&String> = map.keys().collect();
                keys.sort();
                for key in keys {
                    // A list's own version counts other objects' writes too.
                    if !(list && key == "metadata") {
                        self.learn(&map[key]);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn(item)),
            _ => {}
        }
    }

    fn replace(&self, value: &mut Value) {
        match value {
            Value::Object(map) => {
                if is_list(map) || is_end_of_events(map) {
                    let metadata = map.get_mut("metadata").and_then(Value::as_object_mut);
                    for (key, value) in metadata.into_iter().flatten() {
                        if (key == "resourceVersion" || key == "continue") && value != "" {
                            *value = Value::String(format!("<{key}>"));
                        }
                    }
                }
                generated(map);
                causes(map);
                if let Some(Value::Array(resources)) = map.get_mut("resources") {
                    resources.sort_by_cached_key(|resource| resource["name"].to_string());
                }
                if map.keys().any(|key| key.starts_with("k:{\"uid\"")) {
                    *map = std::mem::take(map)
                        .into_iter()
                        .map(|(key, value)| (self.text(&key), value))
                        .collect();
                }
                for (key, value) in map.iter_mut() {
                    match value {
                        Value::String(text) if TIMES.contains(&key.as_str()) && is_time(text) => {
                            "<time>".clone_into(text);
                        }
                        Value::String(text) if key == "resourceVersion" => {
                            if let Some(mark) = self.versions.get(text) {
                                mark.clone_into(text);
                            }
                        }
                        Value::String(text) => *text = self.text(text),
                        Value::Array(entries) if key == "managedFields" => {
                            for entry in entries.iter_mut() {
                                self.replace(entry);
                            }
                            entries.sort_by_cached_key(order);
                        }
                        Value::Array(cells) if key == "cells" => {
                            for cell in cells {
                                age(cell);
                            }
                        }
                        other => self.replace(other),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.replace(item)),
            Value::String(text) => *text = self.text(text),
            _ => {}
        }
    }

    /// A text with known uids and versions replaced.
    pub(crate) fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (uid, mark) in &self.uids {
            if text.contains(uid) {
                text = text.replace(uid, mark);
            }
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            let length =
                rest[start..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - start);
            let (before, number) = (&rest[..start], &rest[start..start + length]);
            out.push_str(before);
            match self.versions.get(number) {
                _ if before.ends_with("current: ") => out.push_str("<now>"),
                // Elsewhere a number that is a version too is so by chance.
                Some(mark)
                    if length > 1 && VERSION_FOLLOWS.iter().any(|text| before.ends_with(text)) =>
                {
                    out.push_str(mark);
                }
                _ => out.push_str(number),
            }
            rest = &rest[start + length..];
        }
        out.push_str(rest);
        sorted_lines(&out)
    }
}

/// Several errors of a typed patch have no order.
fn sorted_lines(text: &str) -> String {
    let Some((head, lines)) = text.split_once("errors:\n") else {
        return text.to_owned();
    };
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.sort_unstable();
    format!("{head}errors:\n{}", lines.join("\n"))
}

/// A name that the server made up.
fn generated(map: &mut Map<String, Value>) {
    let prefix = map.get("generateName").and_then(Value::as_str).map(str::to_owned);
    if let (Some(prefix), Some(Value::String(name))) = (prefix, map.get_mut("name"))
        && name.starts_with(&prefix)
    {
        *name = format!("{prefix}<{} letters>", name.len() - prefix.len());
    }
}

/// Several mistakes have no order on the real server; the message lists them once more.
fn causes(map: &mut Map<String, Value>) {
    let Some(Value::Array(causes)) = map.get_mut("details").and_then(|d| d.get_mut("causes"))
    else {
        return;
    };
    if causes.len() < 2 {
        return;
    }
    causes.sort_by_key(|cause| cause["field"].to_string() + &cause["message"].to_string());
    if let Some(Value::String(message)) = map.get_mut("message")
        && let Some(start) = message.find(" is invalid: [")
    {
        message.truncate(start);
        message.push_str(" is invalid: <the causes>");
    }
}

fn is_list(map: &Map<String, Value>) -> bool {
    (map.contains_key("items") || map.contains_key("rows")) && map.contains_key("metadata")
}

fn is_end_of_events(map: &Map<String, Value>) -> bool {
    map.get("metadata").is_some_and(|m| !m["annotations"]["k8s.io/initial-events-end"].is_null())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 20 && bytes[4] == b'-' && bytes[10] == b'T' && bytes.ends_with(b"Z")
}

/// Cells that show how long ago, or when, something was.
fn age(cell: &mut Value) {
    let Value::String(text) = cell else { return };
    let is_age = text.len() < 8
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.ends_with(['s', 'm', 'h', 'd'])
        && text.chars().all(|c| c.is_ascii_digit() || "smhd".contains(c));
    if is_age || is_time(text) {
        "<age>".clone_into(text);
    }
}

fn order(entry: &Value) -> [String; 4] {
    ["manager", "operation", "apiVersion", "subresource"]
        .map(|key| entry[key].as_str().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_values_get_equal_marks() {
        let mut marks = Marks::default();
        let uid = "11111111-2222-3333-4444-555555555555";
        let one = marks.normal(json!({"metadata": {"uid": uid, "resourceVersion": "17"}}));
        assert_eq!(one, json!({"metadata": {"uid": "<uid 1>", "resourceVersion": "<version 1>"}}));
        let same = marks.normal(json!({"metadata": {"resourceVersion": "17"}}));
        assert_eq!(same["metadata"]["resourceVersion"], "<version 1>");
        let other = marks.normal(json!({"metadata": {"resourceVersion": "18"}}));
        assert_eq!(other["metadata"]["resourceVersion"], "<version 2>");
        assert_eq!(
            marks.text(&format!("{uid} at 18, v1.36.17")),
            "<uid 1> at <version 2>, v1.36.17"
        );
    }

    #[test]
    fn lists_and_times_are_not_compared() {
        let mut marks = Marks::default();
        let list = marks
            .normal(json!({"items": [], "metadata": {"resourceVersion": "5", "continue": ""}}));
        assert_eq!(
            list["metadata"],
            json!({"resourceVersion": "<resourceVersion>", "continue": ""})
        );
        let named = marks.normal(json!({"metadata": {"generateName": "a-", "name": "a-x2z4b"}}));
        assert_eq!(named["metadata"]["name"], "a-<5 letters>");
        let table = marks.normal(json!({"cells": ["12s", "x", "2026-01-02T03:04:05Z"]}));
        assert_eq!(table["cells"], json!(["<age>", "x", "<age>"]));
    }
}
