//! The operator's own binary as a child process.

use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;

use super::{SOON, poll};

/// A running operator; it is killed when dropped.
pub(crate) struct Operator {
    child: Child,
    /// Address of health and metrics.
    pub(crate) address: SocketAddr,
    /// Its line about itself: verifier key, installation.
    pub(crate) serving: Value,
}

/// The binary beside the test's own, or the one that `INFRAFABRIC_BIN` names.
fn binary() -> PathBuf {
    let beside = || {
        let test = std::env::current_exe().expect("the test's own path");
        test.ancestors().nth(2).expect("target/debug/deps").join("infrafabric")
    };
    let path = std::env::var_os("INFRAFABRIC_BIN").map_or_else(beside, PathBuf::from);
    assert!(
        path.is_file(),
        "{} is missing: run `cargo build -p infrafabric` first, as `cargo xtask test` does",
        path.display()
    );
    path
}

impl Operator {
    /// Starts it and waits until it says where it serves.
    pub(super) async fn start(arguments: &[String], log: &Path, filter: &str) -> Self {
        let started = Self::try_start(arguments, &[], log, filter).await;
        started.unwrap_or_else(|| {
            let said = std::fs::read_to_string(log).unwrap_or_default();
            panic!("the operator does not serve: {said}")
        })
    }

    /// The same with further environment variables; none when it ended before it served.
    pub(super) async fn try_start(
        arguments: &[String],
        environment: &[(&str, &str)],
        log: &Path,
        filter: &str,
    ) -> Option<Self> {
        let file = OpenOptions::new().create(true).append(true).open(log).expect("the log");
        let before = file.metadata().expect("the log").len();
        let mut child = Command::new(binary())
            .arg("run")
            .args(arguments)
            .args(["--listen", "127.0.0.1:0", "--log-format", "json"])
            .env_remove("KUBECONFIG")
            .env_remove("INFRAFABRIC_WORLD")
            .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
            .env("RUST_LOG", filter)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("the operator starts");
        let said = poll(SOON, async || {
            let said = serving(log, before);
            let ended = said.is_none() && child.try_wait().expect("a child").is_some();
            (said.is_some() || ended).then_some(said)
        });
        let Some(serving) = said.await.flatten() else {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        };
        let address = serving["address"].as_str().and_then(|address| address.parse().ok());
        Some(Self { child, address: address.expect("an address"), serving })
    }

    /// How it ended by itself, if it did.
    #[allow(dead_code, reason = "the suites that let the operator die use it")]
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child")
    }

    /// SIGKILL, as a crash is.
    pub(super) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, and how it ended.
    pub(super) async fn terminate(mut self) -> ExitStatus {
        let sent = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill");
        assert!(sent.success(), "kill says {sent}");
        let ended = poll(SOON, async || self.child.try_wait().expect("a child")).await;
        ended.expect("the operator ends after SIGTERM")
    }

    /// Its resident memory in bytes, now and at its highest.
    pub(crate) fn memory_peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("the operator runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
        let kib = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number");
        kib * 1024
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.end();
    }
}

/// The line `serving` that was written after the place in the log.
fn serving(log: &Path, after: u64) -> Option<Value> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = File::open(log).ok()?;
    file.seek(SeekFrom::Start(after)).ok()?;
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut fields = lines.map(|mut line| line["fields"].take());
    fields.find(|fields| fields["message"] == "serving")
}
