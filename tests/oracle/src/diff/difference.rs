//! Where two answers differ.

use serde_json::Value;

use super::side::{Answer, Content};

const SHOWN: usize = 500;

/// One place where the servers disagree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// `<number of the request>` and where in its answer: `status`, `header:<name>`, or a pointer.
    pub(crate) at: String,
    pub(crate) real: String,
    pub(crate) ours: String,
}

/// All differences between two answers of the request with that number.
pub(crate) fn between(
    number: usize,
    real: &Result<Answer, String>,
    ours: &Result<Answer, String>,
) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut note = |at: &str, real: String, ours: String| {
        if real != ours {
            found.push(Difference {
                at: format!("{number} {at}"),
                real: short(&real),
                ours: short(&ours),
            });
        }
    };
    let (real, ours) = match (real, ours) {
        (Ok(real), Ok(ours)) => (real, ours),
        (real, ours) => {
            let said = |side: &Result<Answer, String>| match side {
                Ok(answer) => format!("status {}", answer.status),
                Err(reason) => reason.clone(),
            };
            note("answer", said(real), said(ours));
            return found;
        }
    };
    if real.status != ours.status {
        // What follows from that is no news.
        let said = |answer: &Answer| format!("{} {}", answer.status, message(&answer.body));
        note("status", said(real), said(ours));
        return found;
    }
    let mut names: Vec<&str> =
        real.headers.iter().chain(&ours.headers).map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let values = |answer: &Answer| {
            let values = answer.headers.iter().filter(|(found, _)| found == name);
            values.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" | ")
        };
        note(&format!("header:{name}"), values(real), values(ours));
    }
    match (&real.body, &ours.body) {
        (Content::Json(real), Content::Json(ours)) => values("", real, ours, &mut note),
        (real, ours) => note("body", text(real), text(ours)),
    }
    found
}

fn message(content: &Content) -> String {
    match content {
        Content::Json(value) => value["message"].as_str().unwrap_or_default().to_owned(),
        Content::Text(text) => text.trim().to_owned(),
    }
}

fn text(content: &Content) -> String {
    match content {
        Content::Json(value) => value.to_string(),
        Content::Text(text) => text.clone(),
    }
}

fn values(at: &str, real: &Value, ours: &Value, note: &mut impl FnMut(&str, String, String)) {
    const ABSENT: &str = "(absent)";
    match (real, ours) {
        (Value::Object(one), Value::Object(other)) => {
            let mut keys: Vec<&String> = one.keys().chain(other.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                match (one.get(key), other.get(key)) {
                    (Some(real), Some(ours)) => values(&at, real, ours, note),
                    (real, ours) => {
                        let said = |value: Option<&Value>| {
                            value.map_or(ABSENT.to_owned(), Value::to_string)
                        };
                        note(&at, said(real), said(ours));
                    }
                }
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (real, ours)) in one.iter().zip(other).enumerate() {
                values(&format!("{at}/{index}"), real, ours, note);
            }
        }
        (real, ours) if real == ours => {}
        (real, ours) => {
            note(if at.is_empty() { "/" } else { at }, real.to_string(), ours.to_string());
        }
    }
}

fn short(text: &str) -> String {
    if text.len() <= SHOWN {
        return text.to_owned();
    }
    let end = (0..=SHOWN).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}… ({} bytes)", &text[..end], text.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: Value) -> Answer {
        Answer { status, headers: Vec::new(), body: Content::Json(body) }
    }

    #[test]
    fn differences_name_their_place() {
        let real = Ok(answer(200, json!({"a": [{"b/c": 1}], "d": 1})));
        let ours = Ok(answer(200, json!({"a": [{"b/c": 2}]})));
        let found = between(3, &real, &ours);
        let at: Vec<&str> = found.iter().map(|one| one.at.as_str()).collect();
        assert_eq!(at, ["3 /a/0/b~1c", "3 /d"]);
        let other = between(1, &real, &Ok(answer(404, json!({"message": "gone"}))));
        assert_eq!((other.len(), other[0].ours.as_str()), (1, "404 gone"));
        assert!(between(1, &real, &real).is_empty());
    }
}
