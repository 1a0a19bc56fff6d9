//! The judge: Prism before a simulated provider, a recorder before Prism.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::error::Error;
use crate::process::{Running, free_port};
use crate::recorder::Recorder;
use crate::tools::{descriptions, prism};

const START: Duration = Duration::from_mins(2);

/// A provider and what is official about it.
pub(crate) struct Official {
    /// The definition.
    pub(crate) definition: &'static str,
    /// The description, beneath the folder of descriptions.
    pub(crate) description: &'static str,
    /// A region that it simulates.
    pub(crate) region: &'static str,
}

/// All that are judged.
pub(crate) const OFFICIAL: [Official; 4] = [
    Official { definition: "digitalocean", description: "cloud/digitalocean.json", region: "fra1" },
    Official {
        definition: "linode",
        description: "cloud/linode-4.151.1.json",
        region: "eu-central",
    },
    Official { definition: "vultr", description: "cloud/vultr.json", region: "fra" },
    Official {
        definition: "ovhcloud",
        description: "cloud/ovh-cloud-subset.openapi.json",
        region: "GRA11",
    },
];

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
        // It listens only when it has read the description.
        judge.until(START, || TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        let recorder = Recorder::start(port, None, folder)?;
        Ok(Self { recorder, _prism: judge })
    }
}
