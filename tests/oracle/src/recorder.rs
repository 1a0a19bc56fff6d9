//! `scripts/recorder.py`: stands before a program and keeps what passes.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cache::own;
use crate::error::{Error, at};
use crate::http;
use crate::process::{Running, free_port};
use crate::tools::plain_python;

const START: Duration = Duration::from_mins(1);

/// Where requests go whose path contains a text.
pub(crate) struct Route {
    /// The text.
    pub(crate) text: &'static str,
    /// The base URL there.
    pub(crate) url: String,
    /// Whether a judge stands there.
    pub(crate) judged: bool,
}

/// A running recorder.
pub(crate) struct Recorder {
    /// Where it listens.
    pub(crate) port: u16,
    record: PathBuf,
    _process: Running,
}

impl Recorder {
    /// Starts one before a loopback port. It never answers the first request whose body contains
    /// `hold`.
    pub(crate) fn start(upstream: u16, hold: Option<&str>, folder: &Path) -> Result<Self, Error> {
        Self::routing(upstream, hold, &[], folder)
    }

    /// The same, where a path that contains a text goes elsewhere.
    pub(crate) fn routing(
        upstream: u16,
        hold: Option<&str>,
        routes: &[Route],
        folder: &Path,
    ) -> Result<Self, Error> {
        let routes: Vec<Value> =
            routes.iter().map(|route| json!([route.text, route.url, route.judged])).collect();
        let port = free_port()?;
        let record = folder.join(format!("exchanges-{port}.jsonl"));
        fs::write(&record, "").map_err(at(&record))?;
        let mut process = Running::start(
            "recorder.py",
            Command::new(plain_python()?)
                .arg(own("scripts/recorder.py"))
                .args([&port.to_string(), &format!("http://127.0.0.1:{upstream}")])
                .arg(&record)
                .args([hold.unwrap_or_default(), &Value::from(routes).to_string()]),
            &folder.join(format!("recorder-{port}.log")),
        )?;
        process.until(START, || TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        Ok(Self { port, record, _process: process })
    }

    /// Its base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Every exchange so far.
    pub(crate) fn exchanges(&self) -> Result<Vec<Value>, Error> {
        let text = fs::read_to_string(&self.record).map_err(at(&self.record))?;
        // A last line without its end is still being written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|line| {
                serde_json::from_str(line).map_err(|source| Error::Json {
                    program: "recorder.py".to_owned(),
                    text: line.to_owned(),
                    source,
                })
            })
            .collect()
    }

    /// Sends a recorded request again, with its credentials.
    pub(crate) fn again(&self, exchange: &Value) -> Result<u16, Error> {
        let field = |name: &str| exchange[name].as_str().unwrap_or_default();
        let headers: Vec<(&str, &str)> = exchange["headers"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
            .collect();
        let (status, _) =
            http::send(self.port, field("method"), field("path"), &headers, field("body"))?;
        Ok(status)
    }

    /// Whether it holds an answer back.
    pub(crate) fn holds(&self) -> bool {
        self.exchanges().is_ok_and(|all| all.iter().any(|one| one["held"] == true))
    }
}
