//! Names and marks of the things we make.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// Which object a thing belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Installation id.
    pub installation: String,
    /// Kind in lower case.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
}

impl Owner {
    /// The mark of everything that this installation makes: what lists ask for.
    pub fn installation_mark(&self) -> String {
        installation_mark(&self.installation)
    }

    /// The mark of this very object.
    pub fn uid_mark(&self) -> String {
        format!("{UID_PREFIX}{}", self.uid.to_ascii_lowercase())
    }

    /// The mark of the object by installation, kind, namespace and name: an object restored from
    /// a backup has another UID and the same name.
    pub fn name_mark(&self) -> String {
        let key = [&self.installation, &self.kind, &self.namespace, &self.name].map(String::as_str);
        format!("{NAME_PREFIX}{}", &hex(&Sha256::digest(key.join("\0").as_bytes()))[..32])
    }

    /// All marks, the installation's first. Each has at most 50 characters from `[a-z0-9:_-]`.
    pub fn marks(&self) -> Vec<String> {
        vec![self.installation_mark(), self.uid_mark(), self.name_mark()]
    }

    /// The same as keys and values, for providers that have them.
    pub fn labels(&self) -> BTreeMap<String, String> {
        [
            ("infrafabric-installation", &self.installation),
            ("infrafabric-kind", &self.kind),
            ("infrafabric-namespace", &self.namespace),
            ("infrafabric-name", &self.name),
            ("infrafabric-uid", &self.uid),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.clone()))
        .collect()
    }

    /// A name that every provider accepts: an RFC 1123 label of at most 63 characters without
    /// double hyphens, unique by the UID at its end.
    pub fn thing_name(&self) -> String {
        let unique: String = self.uid.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
        let room = 63 - 1 - unique.len();
        let wanted = format!("{}-{}", self.namespace, self.name);
        let mut label = String::with_capacity(63);
        for c in wanted.chars() {
            let c = if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
            if label.len() < room && !(c == '-' && (label.is_empty() || label.ends_with('-'))) {
                label.push(c);
            }
        }
        let label = label.trim_end_matches('-');
        // Some providers want a letter first.
        let label = if label.starts_with(|c: char| c.is_ascii_alphabetic()) {
            label.to_owned()
        } else {
            format!("m-{label}").chars().take(room).collect()
        };
        format!("{}-{}", label.trim_end_matches('-'), unique.to_ascii_lowercase())
    }
}

const UID_PREFIX: &str = "if-uid:";
const NAME_PREFIX: &str = "if-obj:";

/// Whether a mark says which object a thing belongs to.
pub fn names_an_object(mark: &str) -> bool {
    mark.starts_with(UID_PREFIX) || mark.starts_with(NAME_PREFIX)
}

/// Whether a tag is the mark of an installation, ours or another one.
pub fn is_of_an_installation(tag: &str) -> bool {
    tag.starts_with("if:")
}

/// Whether a tag is one of ours.
pub fn is_mark(tag: &str) -> bool {
    tag.starts_with("if:") || names_an_object(tag)
}

/// The mark of everything that an installation makes.
pub fn installation_mark(installation: &str) -> String {
    format!("if:{installation}")
}

/// The UID in a thing's marks, if it carries one.
pub fn uid_of(marks: &[String]) -> Option<&str> {
    marks.iter().find_map(|mark| mark.strip_prefix(UID_PREFIX))
}

/// The idempotency token of an attempt: 64 hex characters, the same whenever it is derived again.
pub fn token(owner: &Owner, provider: &str, verb: &str, attempt: u32) -> String {
    token_at(owner, provider, verb, &attempt.to_string())
}

/// The idempotency token of an effect that is told from others by a moment and not by a number.
pub fn token_at(owner: &Owner, provider: &str, verb: &str, moment: &str) -> String {
    let key = [&owner.installation, &owner.uid, provider, verb, moment].map(|part| part as &str);
    hex(&Sha256::digest(key.join("\0").as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(namespace: &str, name: &str) -> Owner {
        Owner {
            installation: "0123456789ab".into(),
            kind: "cloudmachine".into(),
            namespace: namespace.into(),
            name: name.into(),
            uid: "7F0D2C1E-1111-2222-3333-444455556666".into(),
        }
    }

    #[test]
    fn names_fit_every_provider() {
        let long = "x".repeat(253);
        let odd = [
            ("default", "web"),
            ("team-a", "a--b.c"),
            ("1", "2"),
            ("n", long.as_str()),
            ("a-", "-b"),
            (&"y".repeat(63), "web"),
        ];
        for (namespace, name) in odd {
            let label = owner(namespace, name).thing_name();
            assert!(label.len() <= 63, "{label}");
            assert!(!label.contains("--"), "{label}");
            assert!(label.ends_with("-7f0d2c1e"), "{label}");
            assert!(label.starts_with(|c: char| c.is_ascii_lowercase()), "{label}");
            assert!(label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{label}");
        }
        assert_eq!(owner("default", "web").thing_name(), "default-web-7f0d2c1e");
    }

    #[test]
    fn marks_fit_the_narrowest_alphabet_and_find_their_object() {
        let owner = owner("default", "web");
        for mark in owner.marks() {
            assert!((3..=50).contains(&mark.len()), "{mark}");
            assert!(
                mark.chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || ":_-".contains(c)),
                "{mark}"
            );
        }
        assert_eq!(uid_of(&owner.marks()), Some("7f0d2c1e-1111-2222-3333-444455556666"));
        assert_eq!(uid_of(&["other".to_owned()]), None);
    }

    #[test]
    fn a_token_is_stable_and_changes_with_the_attempt_and_the_provider() {
        let owner = owner("default", "web");
        assert_eq!(token(&owner, "do", "create", 1), token(&owner, "do", "create", 1));
        assert_eq!(token(&owner, "do", "create", 1).len(), 64);
        assert_ne!(token(&owner, "do", "create", 1), token(&owner, "do", "create", 2));
        assert_ne!(token(&owner, "do", "create", 1), token(&owner, "li", "create", 1));
    }
}
