//! The boot data of a machine: the user data, and the public keys for providers that take none.
//!
//! cloud-init reads a MIME message of several parts, and looks itself at what a `text/plain` part
//! is: <https://docs.cloud-init.io/en/latest/explanation/format.html>.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

/// As long as lines of base64 may be in a message.
const LINE: usize = 76;

/// Whether a key is a public key; ids, fingerprints and names have no space.
fn is_public(key: &str) -> bool {
    key.contains(' ')
}

/// User data that installs the public keys among `keys` too; `None` when there is nothing to say.
/// What the user wrote stays as it is, beside a part of ours.
pub(crate) fn boot_data(user_data: Option<&str>, keys: &[String]) -> Option<String> {
    let public: Vec<&str> =
        keys.iter().map(|key| key.trim()).filter(|key| is_public(key)).collect();
    let given = user_data.filter(|text| !text.trim().is_empty());
    match (given, public.is_empty()) {
        (_, true) => user_data.map(ToOwned::to_owned),
        (None, false) => Some(install(&public)),
        (Some(text), false) => Some(message(&[part_of(text), part_of(&install(&public))])),
    }
}

/// A cloud-config that adds keys to those of the other parts.
fn install(keys: &[&str]) -> String {
    let mut text = "#cloud-config\n\
        merge_how: [{name: list, settings: [append]}, {name: dict, settings: [no_replace, recurse_list]}]\n\
        ssh_authorized_keys:\n"
        .to_owned();
    for key in keys {
        // JSON text is YAML: whatever the key has in it stays inside its quotes.
        let _ = writeln!(text, "  - {}", Json::from(*key));
    }
    text
}

/// A part with its headers. A message of the user's own brings its headers along.
fn part_of(text: &str) -> String {
    let start = text.get(..13).unwrap_or(text).to_ascii_lowercase();
    if start.starts_with("content-type:") || start.starts_with("mime-version:") {
        return text.to_owned();
    }
    let plain = |encoding: &str, body: &str| {
        format!(
            "Content-Type: text/plain; charset=\"utf-8\"\nContent-Transfer-Encoding: {encoding}\n\n{body}"
        )
    };
    if text.is_ascii() {
        return plain("7bit", text);
    }
    let encoded = STANDARD.encode(text);
    let lines: Vec<&str> = encoded
        .as_bytes()
        .chunks(LINE)
        .map(|line| std::str::from_utf8(line).unwrap_or_default())
        .collect();
    plain("base64", &lines.join("\n"))
}

fn message(parts: &[String]) -> String {
    // The same wish gives the same text, so that its digest stays.
    let mut boundary = "infrafabric-part".to_owned();
    while parts.iter().any(|part| part.contains(&boundary)) {
        boundary.push('+');
    }
    let mut text =
        format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\nMIME-Version: 1.0\n\n");
    for part in parts {
        let _ = writeln!(text, "--{boundary}\n{part}");
    }
    let _ = writeln!(text, "--{boundary}--");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAA ops@example.com";

    fn boot(user_data: Option<&str>, keys: &[&str]) -> Option<String> {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        boot_data(user_data, &keys)
    }

    #[test]
    fn without_public_keys_the_user_data_stays_as_it_is() {
        assert_eq!(boot(None, &["key-1"]), None);
        assert_eq!(boot(Some("#!/bin/sh\n"), &["key-1"]).as_deref(), Some("#!/bin/sh\n"));
    }

    #[test]
    fn public_keys_alone_are_a_cloud_config() {
        let text = boot(None, &["key-1", KEY]).expect("something");
        assert!(text.starts_with("#cloud-config\n"), "{text}");
        assert!(text.ends_with("\n  - \"ssh-ed25519 AAAA ops@example.com\"\n"), "{text}");
        assert!(!text.contains("key-1"), "{text}");
    }

    #[test]
    fn a_key_cannot_leave_its_line() {
        let text = boot(None, &["ssh-rsa AAAA x\nruncmd: [\"rm\"]"]).expect("something");
        assert_eq!(text.lines().count(), 4, "{text}");
    }

    #[test]
    fn user_data_and_keys_are_two_parts() {
        let text = boot(Some("#!/bin/sh\necho hi"), &[KEY]).expect("something");
        assert!(text.starts_with("Content-Type: multipart/mixed; boundary=\"infrafabric-part\"\n"));
        let parts: Vec<&str> = text.split("--infrafabric-part").collect();
        assert_eq!(parts.len(), 4, "{text}");
        assert!(parts[1].ends_with("\n\n#!/bin/sh\necho hi\n"), "{text}");
        assert!(parts[2].contains("ssh_authorized_keys"), "{text}");
        assert_eq!(parts[3], "--\n");
    }

    #[test]
    fn a_boundary_is_not_in_the_text() {
        let text = boot(Some("#!/bin/sh\n# infrafabric-part"), &[KEY]).expect("something");
        assert!(text.contains("boundary=\"infrafabric-part+\""), "{text}");
    }

    #[test]
    fn other_letters_and_messages_of_the_users_own_pass_unharmed() {
        let text = boot(Some("#!/bin/sh\necho grüße"), &[KEY]).expect("something");
        assert!(text.is_ascii() && text.contains("Encoding: base64"), "{text}");
        let own = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b\"\n\n--b--\n";
        let text = boot(Some(own), &[KEY]).expect("something");
        assert!(
            text.contains(&format!("--infrafabric-part\n{own}\n--infrafabric-part\n")),
            "{text}"
        );
    }
}
