//! Prism: judges requests and answers by a provider's official description. Requests go
//! recorder → Prism → simulated provider; the recorder keeps Prism's verdicts.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::error::Error;
use crate::http;
use crate::process::{Running, free_port};
use crate::recorder::Recorder;
use crate::report::Report;
use crate::tools::{descriptions, prism};

const START: Duration = Duration::from_mins(2);

/// A provider and what is official about it.
pub(crate) struct Official {
    /// The definition.
    pub(crate) definition: &'static str,
    /// The description, beneath the folder of descriptions.
    pub(crate) description: &'static str,
}

/// All that are judged.
pub(crate) const OFFICIAL: [Official; 3] = [
    Official { definition: "digitalocean", description: "cloud/digitalocean.json" },
    Official { definition: "linode", description: "cloud/linode-4.151.1.json" },
    Official { definition: "vultr-by-hand", description: "cloud/vultr.json" },
];

/// A verdict that is wrong, by name; the judge is never switched off.
struct Accepted {
    definition: &'static str,
    /// What the violation's message contains.
    message: &'static str,
    /// Why the judge is wrong, with the source.
    because: &'static str,
}

const ACCEPTED: [Accepted; 0] = [];

/// Prism before a simulated provider, and the recorder before Prism.
pub(crate) struct Judge {
    /// Where the operator sends its requests.
    pub(crate) recorder: Recorder,
    _prism: Running,
}

impl Judge {
    /// Starts both; `upstream` is the simulated provider.
    pub(crate) fn start(official: &Official, upstream: &str, folder: &Path) -> Result<Self, Error> {
        let description = descriptions()?.join(official.description);
        let program = prism()?;
        let port = free_port()?;
        let mut judge = Running::start(
            "prism",
            Command::new(program)
                .args(["proxy", "-h", "127.0.0.1", "-p", &port.to_string()])
                .arg(&description)
                .arg(upstream),
            &folder.join(format!("prism-{}.log", official.definition)),
        )?;
        judge.until(START, || http::answers(port, "/"))?;
        let recorder = Recorder::start(port, None, folder)?;
        Ok(Self { recorder, _prism: judge })
    }
}

/// What Prism objects to in an exchange, without what is accepted by name.
pub(crate) fn objections(definition: &str, exchange: &Value) -> Vec<String> {
    let violations = exchange["violations"].as_array().map(Vec::as_slice).unwrap_or_default();
    let accepted = |violation: &Value| {
        let message = violation["message"].as_str().unwrap_or_default();
        ACCEPTED.iter().any(|one| one.definition == definition && message.contains(one.message))
    };
    violations.iter().filter(|violation| !accepted(violation)).map(Value::to_string).collect()
}
