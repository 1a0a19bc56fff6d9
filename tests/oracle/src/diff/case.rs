//! Cases as they stand in `cases/*.http`: requests with captures, in an order.

use std::fs;
use std::path::Path;

use crate::error::{Error, at};

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// A sequence of requests under one sentence.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// `<theme>: <sentence>`.
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Ask(Ask),
    Await(Await),
}

/// One request, whose answers are compared.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ask {
    pub(crate) method: String,
    pub(crate) content_type: Option<String>,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    /// Names for parts of the answer.
    pub(crate) keeps: Vec<(String, String)>,
    pub(crate) body: String,
    /// The body is base64.
    pub(crate) binary: bool,
}

/// A state that must come by itself.
#[derive(Debug, Clone)]
pub(crate) struct Await {
    pub(crate) path: String,
    /// Pointer and value; `None`: 404.
    pub(crate) wanted: Option<(String, String)>,
}

impl Case {
    /// Whether the case needs a namespace of its own.
    pub(crate) fn has_namespace(&self) -> bool {
        self.steps.iter().any(|step| match step {
            Step::Ask(ask) => ask.path.contains("$NS") || ask.body.contains("$NS"),
            Step::Await(wait) => wait.path.contains("$NS"),
        })
    }
}

/// Reads every theme of a folder.
pub(crate) fn all(folder: &Path) -> Result<Vec<Case>, Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        if path.extension().is_some_and(|extension| extension == "http") {
            files.push(path);
        }
    }
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).map_err(at(&file))?;
        let theme = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        cases.extend(parse(&theme, &text).map_err(|reason| Error::Case { path: file, reason })?);
    }
    Ok(cases)
}

fn parse(theme: &str, text: &str) -> Result<Vec<Case>, String> {
    let mut cases: Vec<Case> = Vec::new();
    let mut in_body = false;
    for (number, line) in text.lines().enumerate() {
        let wrong = |what: &str| format!("line {}: {what}: {line}", number + 1);
        if let Some(sentence) = line.strip_prefix("## ") {
            let name = format!("{theme}: {}", sentence.trim());
            if cases.iter().any(|case| case.name == name) {
                return Err(wrong("the sentence stands twice"));
            }
            cases.push(Case { name, steps: Vec::new() });
            in_body = false;
            continue;
        }
        if let Some(step) = opening(line) {
            let case = cases.last_mut().ok_or_else(|| wrong("a request before any heading"))?;
            case.steps.push(step.map_err(|what| wrong(&what))?);
            in_body = false;
            continue;
        }
        let blank = line.trim().is_empty() || (!in_body && line.starts_with('#'));
        let Some(Step::Ask(ask)) = cases.last_mut().and_then(|case| case.steps.last_mut()) else {
            if blank {
                continue;
            }
            return Err(wrong("this belongs to no request"));
        };
        if in_body {
            ask.body.push_str(line);
            ask.body.push('\n');
        } else if let Some(header) = line.strip_prefix("> ") {
            let (name, value) = header.split_once(':').ok_or_else(|| wrong("no header"))?;
            ask.headers.push((name.trim().to_owned(), value.trim().to_owned()));
        } else if let Some(keep) = line.strip_prefix("= ") {
            let (name, pointer) = keep.split_once(' ').ok_or_else(|| wrong("no pointer"))?;
            ask.keeps.push((name.trim().to_owned(), pointer.trim().to_owned()));
        } else if !blank {
            in_body = true;
            ask.body.push_str(line);
            ask.body.push('\n');
        }
    }
    for case in &mut cases {
        for step in &mut case.steps {
            if let Step::Ask(ask) = step {
                ask.body.truncate(ask.body.trim_end().len());
            }
        }
    }
    Ok(cases)
}

/// The line that opens a step, if it is one.
fn opening(line: &str) -> Option<Result<Step, String>> {
    let (first, rest) = line.split_once(' ')?;
    if first == "AWAIT" {
        return Some(wait(rest));
    }
    let (method, form) = first.split_once(':').unwrap_or((first, "json"));
    if !METHODS.contains(&method) || !rest.starts_with('/') {
        return None;
    }
    let content_type = match form {
        "json" => Some("application/json"),
        "yaml" => Some("application/yaml"),
        "text" => Some("text/plain"),
        "merge" => Some("application/merge-patch+json"),
        "strategic" => Some("application/strategic-merge-patch+json"),
        "patch" => Some("application/json-patch+json"),
        "apply" => Some("application/apply-patch+yaml"),
        "protobuf" => Some("application/vnd.kubernetes.protobuf"),
        "none" => None,
        other => return Some(Err(format!("{other} is no form of a body"))),
    };
    Some(Ok(Step::Ask(Ask {
        method: method.to_owned(),
        content_type: content_type.map(str::to_owned),
        path: rest.trim().to_owned(),
        binary: form == "protobuf",
        ..Ask::default()
    })))
}

fn wait(rest: &str) -> Result<Step, String> {
    let mut words = rest.trim().splitn(3, ' ');
    let path = words.next().unwrap_or_default().to_owned();
    let wanted = match (words.next(), words.next()) {
        (Some("gone"), None) => None,
        (Some(pointer), Some(value)) => Some((pointer.to_owned(), value.to_owned())),
        _ => return Err("AWAIT has a path, and `gone` or a pointer and a value".to_owned()),
    };
    Ok(Step::Await(Await { path, wanted }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_headers_captures_and_bodies() {
        let text = "# remark\n## one\nPOST /api/v1/x?a=$NS\n> Accept: a/b\n= n /metadata/name\n\
                    {\"a\":\n\n1}\n\nAWAIT /y /status/phase Active now\nAWAIT /y gone\nPUT:yaml /z\na: 1\n";
        let cases = parse("t", text).expect("it is well-formed");
        let [case] = cases.as_slice() else { panic!("one case") };
        assert_eq!((case.name.as_str(), case.steps.len()), ("t: one", 4));
        assert!(case.has_namespace());
        let Step::Ask(ask) = &case.steps[0] else { panic!("a request") };
        assert_eq!(ask.body, "{\"a\":\n\n1}");
        assert_eq!(ask.headers, [("Accept".to_owned(), "a/b".to_owned())]);
        let Step::Await(wait) = &case.steps[1] else { panic!("a wait") };
        assert_eq!(wait.wanted, Some(("/status/phase".to_owned(), "Active now".to_owned())));
    }

    #[test]
    fn what_is_malformed_is_named_with_its_line() {
        assert!(parse("t", "GET /x\n").is_err_and(|error| error.contains("line 1")));
        assert!(parse("t", "## a\nPOST:soap /x\n").is_err_and(|error| error.contains("soap")));
        assert!(parse("t", "## a\n## a\n").is_err_and(|error| error.contains("twice")));
    }
}
