//! The outline of a YAML text, and the refusal of scalars that YAML 1.1 and 1.2 read differently.
//!
//! kubectl reads YAML 1.1, where a plain `off` is false; other tools read 1.2, where it is a word.
//! A definition must mean the same to both, so such a scalar has to be quoted.

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span};

use super::load::{LoadError, Place};

/// Where every value of a text stands.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    /// Number of documents.
    pub(crate) documents: usize,
    /// Line and column (from 1) of every key and value, in order, with its path.
    nodes: Vec<((usize, usize), String)>,
}

impl Outline {
    /// The path of what stands at a position, or of the last thing before it.
    pub(crate) fn path(&self, line: usize, column: usize) -> Option<String> {
        let after = self.nodes.partition_point(|(at, _)| *at <= (line, column));
        let (_, path) = self.nodes.get(after.checked_sub(1)?)?;
        (!path.is_empty()).then(|| path.clone())
    }

    /// Where the value of a path stands.
    pub(crate) fn position(&self, path: &str) -> Option<(usize, usize)> {
        self.nodes.iter().rev().find(|(_, known)| known == path).map(|(at, _)| *at)
    }
}

/// A mapping or a sequence that is open.
enum Frame {
    /// A mapping, with the key whose value comes next.
    Map(Option<String>),
    /// A sequence, with the index of the next element.
    List(usize),
}

/// Reads the outline and refuses the first ambiguous scalar.
pub(crate) fn read(text: &str, file: &str) -> Result<Outline, LoadError> {
    let mut outline = Outline::default();
    let mut frames: Vec<Frame> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| LoadError::Syntax {
            place: Place {
                file: file.to_owned(),
                at: Some((error.marker().line(), error.marker().col() + 1)),
                path: None,
            },
            reason: error.info(),
        })?;
        match event {
            Event::DocumentStart(..) => outline.documents += 1,
            Event::MappingStart(..) => {
                open(&mut frames, &mut outline, &span);
                frames.push(Frame::Map(None));
            }
            Event::SequenceStart(..) => {
                open(&mut frames, &mut outline, &span);
                frames.push(Frame::List(0));
            }
            Event::MappingEnd | Event::SequenceEnd => {
                frames.pop();
                close(&mut frames);
            }
            Event::Alias(_) => {
                open(&mut frames, &mut outline, &span);
                close(&mut frames);
            }
            Event::Scalar(value, style, _, tag) => {
                let is_key = matches!(frames.last(), Some(Frame::Map(None)));
                if is_key {
                    if let Some(frame) = frames.last_mut() {
                        *frame = Frame::Map(Some(value.to_string()));
                    }
                    outline.nodes.push((start(&span), path(&frames)));
                } else {
                    open(&mut frames, &mut outline, &span);
                }
                if style == ScalarStyle::Plain && tag.is_none() {
                    refuse_ambiguous(&value, is_key, &frames, &span, file)?;
                }
                if !is_key {
                    close(&mut frames);
                }
            }
            _ => {}
        }
    }
    Ok(outline)
}

/// A value begins.
fn open(frames: &mut [Frame], outline: &mut Outline, span: &Span) {
    // A key that is itself a collection is refused later, by the shape.
    if let Some(frame @ Frame::Map(None)) = frames.last_mut() {
        *frame = Frame::Map(Some(String::new()));
    }
    outline.nodes.push((start(span), path(frames)));
}

/// A value ended.
fn close(frames: &mut [Frame]) {
    match frames.last_mut() {
        Some(Frame::Map(key)) => *key = None,
        Some(Frame::List(index)) => *index += 1,
        None => {}
    }
}

fn start(span: &Span) -> (usize, usize) {
    (span.start.line(), span.start.col() + 1)
}

fn path(frames: &[Frame]) -> String {
    use std::fmt::Write as _;
    let mut path = String::new();
    for frame in frames {
        // Writing to a string cannot fail.
        let _ = match frame {
            Frame::Map(Some(key)) if path.is_empty() => write!(path, "{key}"),
            Frame::Map(Some(key)) => write!(path, ".{key}"),
            Frame::Map(None) => Ok(()),
            Frame::List(index) => write!(path, "[{index}]"),
        };
    }
    path
}

fn refuse_ambiguous(
    value: &str,
    is_key: bool,
    frames: &[Frame],
    span: &Span,
    file: &str,
) -> Result<(), LoadError> {
    let Some(why) = difference(value, is_key) else { return Ok(()) };
    Err(LoadError::Ambiguous {
        place: Place { file: file.to_owned(), at: Some(start(span)), path: Some(path(frames)) },
        reason: format!("`{value}` {why}: quote it ('{value}')"),
    })
}

/// What the two versions of YAML make of a plain scalar, when that differs.
fn difference(value: &str, is_key: bool) -> Option<&'static str> {
    const WORDS: [&str; 8] = ["y", "yes", "on", "n", "no", "off", "<<", "="];
    let word = value.to_ascii_lowercase();
    // YAML 1.1 knows three spellings of each: yes, Yes, YES.
    let capitals = value.chars().filter(char::is_ascii_uppercase).count();
    let spelled = match capitals {
        0 => true,
        1 => value.starts_with(|c: char| c.is_ascii_uppercase()),
        _ => value == word.to_ascii_uppercase(),
    };
    if spelled && WORDS.contains(&word.as_str()) {
        return match word.as_str() {
            "<<" | "=" if is_key => Some("has a meaning of its own in YAML 1.1 only"),
            "<<" | "=" => None,
            _ => Some("is a boolean in YAML 1.1 and text in YAML 1.2"),
        };
    }
    let digits = value.trim_start_matches(['-', '+']);
    let all = |allowed: &str| digits.chars().all(|c| allowed.contains(c));
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if digits.len() > 1 && digits.starts_with('0') && all("01234567_") {
        return Some("is octal in YAML 1.1 and decimal in YAML 1.2");
    }
    if digits.starts_with("0o") || digits.starts_with("0b") {
        return Some("is a number in one YAML version and text in the other");
    }
    if digits.contains(':') && all("0123456789:._") {
        return Some("is a number of base 60 in YAML 1.1 and text in YAML 1.2");
    }
    if digits.contains('_') && all("0123456789abcdefABCDEFx_.") {
        return Some("is a number in YAML 1.1 and text in YAML 1.2");
    }
    // YAML 1.1 wants a point in a number with an exponent.
    if digits.contains(['e', 'E']) && !digits.contains('.') && all("0123456789eE+-") {
        return Some("is text in YAML 1.1 and a number in YAML 1.2");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_versions_read_alike_passes() {
        for text in ["a: true", "a: ~", "a: 12", "a: 0.5", "a: 0", "a: 1.5e+3", "'off': 'no'"] {
            assert!(read(text, "x").is_ok(), "{text}");
        }
        for text in
            ["a: 2026-11-22", "a: 10.0.0.1", "a: onward", "a: https://x:1", "a: -x", "a: 7up"]
        {
            assert!(read(text, "x").is_ok(), "{text}");
        }
    }

    #[test]
    fn what_they_read_differently_is_refused_with_its_place() {
        for (text, at, path) in [
            ("a:\n  off: 1", (2, 3), "a.off"),
            ("a: [1, Yes]", (1, 8), "a[1]"),
            ("a: {b: n}", (1, 8), "a.b"),
            ("a: 017", (1, 4), "a"),
            ("a: 0o17", (1, 4), "a"),
            ("a: 12:30:45", (1, 4), "a"),
            ("a: 1_000", (1, 4), "a"),
            ("a: 1e3", (1, 4), "a"),
            ("a: {<<: {b: 1}}", (1, 5), "a.<<"),
        ] {
            match read(text, "x") {
                Err(LoadError::Ambiguous { place, reason }) => {
                    assert_eq!((place.at, place.path.as_deref()), (Some(at), Some(path)), "{text}");
                    assert!(reason.contains("quote it"), "{reason}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn paths_are_found_by_position() {
        let outline = read("a:\n  - b: 1\n    c: {d: 2}\n", "x").expect("parses");
        assert_eq!(outline.path(3, 5).as_deref(), Some("a[0].c"));
        assert_eq!(outline.path(3, 9).as_deref(), Some("a[0].c.d"));
        assert_eq!(outline.position("a[0].b"), Some((2, 8)));
    }
}
