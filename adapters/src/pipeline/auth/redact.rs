//! Hides secret values in texts that come from outside.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

/// The longest text that is shown to people.
const SHOWN_BYTES: usize = 300;

/// What shorter values hide would be every other word.
const SHORTEST_SECRET: usize = 4;

/// Every form in which the secret values of an account could come back.
pub(crate) struct Redactor {
    forms: Vec<SecretString>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

impl Redactor {
    pub(super) fn new<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let mut forms = Vec::new();
        for value in values.filter(|value| value.len() >= SHORTEST_SECRET) {
            forms.push(value.to_owned());
            forms.push(utf8_percent_encode(value, NON_ALPHANUMERIC).to_string());
            forms.push(form_urlencoded::byte_serialize(value.as_bytes()).collect());
            forms.push(serde_json::Value::from(value).to_string().trim_matches('"').to_owned());
            for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
                forms.push(engine.encode(value));
            }
        }
        // The longest first: a form may begin with a shorter one.
        forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        Self { forms: forms.into_iter().map(SecretString::from).collect() }
    }

    /// The text for people: secrets hidden, control characters gone, one line of at most 300 bytes.
    pub(crate) fn show(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for form in &self.forms {
            if text.contains(form.expose_secret()) {
                text = text.replace(form.expose_secret(), "[secret]");
            }
        }
        let visible: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mut line = visible.split_whitespace().collect::<Vec<_>>().join(" ");
        if line.len() > SHOWN_BYTES {
            let end =
                (0..=SHOWN_BYTES - '…'.len_utf8()).rev().find(|at| line.is_char_boundary(*at));
            line.truncate(end.unwrap_or(0));
            line.push('…');
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_secret_is_hidden() {
        let redactor =
            Redactor::new(["k+/y =\"1".to_owned(), "abc".to_owned()].iter().map(String::as_str));
        let base64 = STANDARD.encode("k+/y =\"1");
        for form in ["k+/y =\"1", "k%2B%2Fy%20%3D%221", "k%2B%2Fy+%3D%221", "k+/y =\\\"1", &base64]
        {
            assert_eq!(redactor.show(&format!("bad key {form}!")), "bad key [secret]!", "{form}");
        }
    }

    #[test]
    fn what_is_shown_is_one_short_line() {
        let redactor = Redactor::new(std::iter::empty());
        assert_eq!(redactor.show("a\r\n\u{1b}[31mb\u{0}"), "a [31mb");
        let long = redactor.show(&"ä".repeat(1000));
        assert!(long.len() <= SHOWN_BYTES && long.ends_with('…'), "{}", long.len());
    }
}
