//! A token in the path: between the base URL and the operation's own path.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use url::Url;

/// What ends a segment or changes its meaning; a colon may stand there, and in tokens it does.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// Inserts a token; an address that has it already (that of a next page) stays.
pub(super) fn put(url: &mut Url, base: &str, prefix: &str, token: &str) {
    let base = base.trim_end_matches('/');
    let segment = format!("{prefix}{}", utf8_percent_encode(token, SEGMENT));
    let path = url.path();
    let rest = path.strip_prefix(base).unwrap_or(path);
    let there = rest.strip_prefix(segment.as_str());
    if there.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return;
    }
    let path = format!("{base}{segment}{rest}");
    url.set_path(&path);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_token(url: &str, base: &str, token: &str) -> String {
        let mut url = Url::parse(url).expect("a URL");
        put(&mut url, base, "/bot", token);
        url.to_string()
    }

    #[test]
    fn a_token_stands_after_the_base_once() {
        let sent = "https://api.example.org/v1/bot7:aB-_/send?x=1";
        assert_eq!(with_token("https://api.example.org/v1/send?x=1", "/v1", "7:aB-_"), sent);
        assert_eq!(with_token(sent, "/v1/", "7:aB-_"), sent);
        assert_eq!(with_token("https://a.example/send", "/", "7"), "https://a.example/bot7/send");
    }

    #[test]
    fn a_token_is_one_segment() {
        let sent = with_token("https://a.example/send", "", "a/../b?c#d%2F\\");
        assert_eq!(sent, "https://a.example/bota%2F..%2Fb%3Fc%23d%252F%5C/send");
    }
}
