//! What only a person knows: asked at a terminal, or given as flags.

use std::error::Error;
use std::io::{BufRead as _, IsTerminal as _, Write as _, stderr, stdin};

use infrafabric_adapters::clock::{Clock as _, SystemClock};
use serde_json::{Value as Json, json};

/// What a flag says, or a description, or whoever is asked.
pub(super) fn text(
    flag: &str,
    given: Option<&String>,
    known: Option<String>,
) -> Result<String, Box<dyn Error>> {
    let given = given.cloned().or(known).filter(|text| !text.trim().is_empty());
    if let Some(text) = given {
        return Ok(text.trim().to_owned());
    }
    if !stdin().is_terminal() {
        return Err(format!("--{flag} is missing, and there is no terminal to ask at").into());
    }
    let question = match flag {
        "title" => "The provider's name as its own people write it",
        "docs" => "The address of its API reference (https://…)",
        "endpoint" => "The base URL of its API (https://…)",
        "auth" => "How requests are authenticated (bearer, basic, header:NAME, query:NAME)",
        _ => "The path of an authenticated read that changes nothing (/account)",
    };
    loop {
        write!(stderr(), "{question}: ")?;
        let mut line = String::new();
        if stdin().lock().read_line(&mut line)? == 0 {
            return Err(format!("--{flag} is missing").into());
        }
        if !line.trim().is_empty() {
            return Ok(line.trim().to_owned());
        }
    }
}

/// The authentication that a person names.
pub(super) fn auth(text: &str) -> Result<Json, Box<dyn Error>> {
    let (scheme, name) = text.split_once(':').unwrap_or((text, ""));
    Ok(match (scheme, name) {
        ("bearer", "") => json!({"scheme": "bearer", "secret": ["token"]}),
        ("basic", "") => json!({"scheme": "basic", "secret": ["user", "password"]}),
        ("header" | "query", name) if !name.is_empty() => {
            json!({"scheme": scheme, "name": name, "secret": ["token"]})
        }
        _ => {
            return Err(format!(
                "`{text}` is none of bearer, basic, header:NAME, query:NAME; the other schemes are in \
                 docs/writing-a-provider.md"
            )
            .into());
        }
    })
}

/// The day, in UTC.
pub(super) fn today() -> String {
    SystemClock.now().format("%Y-%m-%d").to_string()
}
