//! moto: an AWS that nobody here wrote. It recomputes every signature, and boto3 counts what the
//! operator made.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::cache::own;
use crate::error::{Error, at};
use crate::http;
use crate::process::{Running, free_port, must};
use crate::report::Report;
use crate::tools::python;

const START: Duration = Duration::from_mins(1);
const SCRIPT: Duration = Duration::from_mins(1);

/// A moto that checks signatures and permissions, with one user who may do what the operator does.
pub(crate) struct Moto {
    python: PathBuf,
    endpoint: String,
    /// Access key id of that user.
    pub(crate) id: String,
    /// Secret access key of that user.
    pub(crate) secret: String,
    _server: Running,
}

impl Moto {
    /// Starts it, makes the user, then switches enforcement on.
    pub(crate) fn start(folder: &Path) -> Result<Self, Error> {
        let bin = python()?;
        let port = free_port()?;
        let mut server = Running::start(
            "moto",
            Command::new(bin.join("moto_server"))
                .args(["-H", "127.0.0.1", "-p", &port.to_string()])
                // Without these a bogus image, type or key pair is accepted.
                .env("MOTO_ENABLE_AMI_VALIDATION", "true")
                .env("MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION", "true")
                .env("MOTO_ENABLE_KEYPAIR_VALIDATION", "true"),
            &folder.join("moto.log"),
        )?;
        server.until(START, || http::answers(port, "/moto-api/"))?;
        let mut moto = Self {
            python: bin.join("python"),
            endpoint: format!("http://127.0.0.1:{port}"),
            id: String::new(),
            secret: String::new(),
            _server: server,
        };
        let user = moto.script(&["setup"])?;
        moto.id = text(&user, "id");
        moto.secret = text(&user, "secret");
        // From here on, no call is let through unsigned or unasked.
        http::ask(port, "POST", "/moto-api/reset-auth", "0")?;
        Ok(moto)
    }

    /// What boto3 says.
    fn script(&self, arguments: &[&str]) -> Result<Value, Error> {
        let mut command = Command::new(&self.python);
        command.arg(own("scripts/ec2.py")).arg(&self.endpoint).args(arguments);
        let out = must(&mut command, SCRIPT)?;
        serde_json::from_str(&out).map_err(|source| Error::Json {
            program: "ec2.py".to_owned(),
            text: out.clone(),
            source,
        })
    }
}

/// The judge itself: does it tell a good signature from a bad one? Without this its consent to ours
/// would say nothing.
pub(crate) fn control(report: &mut Report) -> Result<(), Error> {
    let temporary = tempfile::tempdir().map_err(at("a temporary folder"))?;
    let moto = Moto::start(temporary.path())?;
    let said = moto.script(&["control", &moto.id, &moto.secret])?;
    for (key, wanted) in [
        ("good", "OK"),
        ("wrong secret", "AuthFailure"),
        ("unknown key", "AuthFailure"),
        ("not allowed", "UnauthorizedOperation"),
    ] {
        let found = text(&said, key);
        report.check(&format!("moto answers {wanted} to: {key}"), found == wanted, &found);
    }
    Ok(())
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}
