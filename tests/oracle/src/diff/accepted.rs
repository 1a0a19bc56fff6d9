//! The differences that we live with, each with its reason.

use std::cell::Cell;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::difference::Difference;
use crate::error::{Error, at};

/// One entry of `accepted.yaml`; `*` stands for any text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    case: String,
    at: String,
    #[serde(default = "anything")]
    real: String,
    #[serde(default = "anything")]
    ours: String,
    reason: String,
    #[serde(skip)]
    used: Cell<usize>,
}

fn anything() -> String {
    "*".to_owned()
}

/// The table of accepted differences.
#[derive(Debug)]
pub(crate) struct Accepted(Vec<Entry>);

impl Accepted {
    pub(crate) fn read(file: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(file).map_err(at(file))?;
        let wrong = |reason: String| Error::Case { path: file.to_owned(), reason };
        let entries: Vec<Entry> =
            serde_saphyr::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        match entries.iter().find(|entry| entry.reason.trim().is_empty()) {
            Some(entry) => Err(wrong(format!("{} at {} has no reason", entry.case, entry.at))),
            None => Ok(Self(entries)),
        }
    }

    /// Whether a difference of that case is in the table.
    pub(crate) fn has(&self, case: &str, difference: &Difference) -> bool {
        let entry = self.0.iter().find(|entry| {
            matches(&entry.case, case)
                && matches(&entry.at, &difference.at)
                && matches(&entry.real, &difference.real)
                && matches(&entry.ours, &difference.ours)
        });
        if let Some(entry) = entry {
            entry.used.set(entry.used.get() + 1);
        }
        entry.is_some()
    }

    /// Entries that no difference needed.
    pub(crate) fn unused(&self) -> Vec<String> {
        let unused = self.0.iter().filter(|entry| entry.used.get() == 0);
        unused.map(|entry| format!("{} at {}", entry.case, entry.at)).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Whether a text matches a pattern in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(found) => rest = &rest[found + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(matches("*", "") && matches("a*c", "abbc") && matches("a*b*c", "a1b2c"));
        assert!(!matches("a*c", "ab") && !matches("ab", "abc") && !matches("a*b*c", "ac"));
    }
}
