//! The string formats that are checked; others are notes for people.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine;

/// Whether `text` has the format; unknown formats accept everything.
pub(crate) fn holds(format: &str, text: &str) -> bool {
    match format {
        "date" => chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok(),
        // Times with six decimals, as Go writes them.
        "micro-time" => {
            let bytes = text.as_bytes();
            let exact = bytes.get(19) == Some(&b'.')
                && bytes.iter().skip(20).take_while(|b| b.is_ascii_digit()).count() == 6;
            exact && chrono::DateTime::parse_from_rfc3339(text).is_ok()
        }
        "date-time" | "datetime" => chrono::DateTime::parse_from_rfc3339(text).is_ok(),
        "duration" => is_duration(text),
        "byte" => base64::engine::general_purpose::STANDARD.decode(text).is_ok(),
        "email" => text.split_once('@').is_some_and(|(user, host)| {
            !user.is_empty() && !host.is_empty() && !text.contains(char::is_whitespace)
        }),
        "hostname" => {
            !text.is_empty()
                && text.len() <= 255
                && text.trim_end_matches('.').split('.').all(|label| {
                    !label.is_empty()
                        && label.len() <= 63
                        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                        && !label.starts_with('-')
                        && !label.ends_with('-')
                })
        }
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => text.split_once('/').is_some_and(|(address, bits)| {
            let bits = bits.parse::<u8>().ok();
            address.parse::<Ipv4Addr>().is_ok() && bits.is_some_and(|bits| bits <= 32)
                || address.parse::<Ipv6Addr>().is_ok() && bits.is_some_and(|bits| bits <= 128)
        }),
        "mac" => {
            let parts: Vec<&str> = text.split([':', '-']).collect();
            matches!(parts.len(), 6 | 8)
                && parts.iter().all(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()))
        }
        "uri" => {
            text.split_once(':').is_some_and(|(scheme, rest)| {
                !rest.is_empty()
                    && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                    && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
            }) || text.starts_with('/')
        }
        "uuid" | "uuid3" | "uuid4" | "uuid5" => uuid::Uuid::try_parse(text).is_ok(),
        _ => true,
    }
}

/// Go's durations (`1h30m`, `1.5s`, `-2ms`) and those in words with a space (`3 days`).
fn is_duration(text: &str) -> bool {
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return true;
    }
    let mut left = rest;
    let mut parts = 0;
    while !left.is_empty() {
        let digits = left.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(left.len());
        let (number, after) = left.split_at(digits);
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at(letters);
        let known = matches!(
            unit,
            "ns" | "us"
                | "µs"
                | "μs"
                | "ms"
                | "s"
                | "m"
                | "h"
                | "d"
                | "w"
                | "second"
                | "seconds"
                | "minute"
                | "minutes"
                | "hour"
                | "hours"
                | "day"
                | "days"
                | "week"
                | "weeks"
        );
        if number.parse::<f64>().is_err() || !known {
            return false;
        }
        parts += 1;
        left = next;
    }
    parts > 0
}

#[cfg(test)]
mod tests {
    use super::holds;

    #[test]
    fn formats_accept_and_refuse() {
        for (format, good, bad) in [
            ("date-time", "2026-01-02T03:04:05Z", "yesterday"),
            ("duration", "1h30m", "1x"),
            ("ipv4", "10.0.0.1", "10.0.0.256"),
            ("cidr", "10.0.0.0/8", "10.0.0.0/33"),
            ("byte", "aGk=", "???"),
            ("uuid", "5b9c8a52-3f40-4bd2-9d5b-0a0a0a0a0a0a", "x"),
            ("hostname", "a.example", "-a"),
        ] {
            assert!(holds(format, good), "{format} {good}");
            assert!(!holds(format, bad), "{format} {bad}");
        }
        assert!(holds("no-such-format", "anything"));
    }
}
