//! The servers that are compared: the embedded one, and the real pair of etcd and kube-apiserver.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kube::Client;
use tempfile::TempDir;

use crate::error::Error;
use crate::process::{Running, Usage, beside, usage};
use crate::site::{client, until};

/// How long a server may take to start; the real one may have to be built first.
const LIMIT: Duration = Duration::from_mins(45);

/// A running API server with nothing of ours in it.
pub(super) struct Server {
    pub(super) client: Client,
    processes: Processes,
    // Dropped last: the processes write into it.
    folder: TempDir,
}

enum Processes {
    Embedded(Running),
    /// The process that holds the others, and these.
    Real(Pair),
}

struct Pair {
    holder: Child,
    pids: Vec<String>,
}

impl Drop for Pair {
    fn drop(&mut self) {
        // It stops the servers and ends when its input does.
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

impl Server {
    /// The embedded server, in memory, on one core alone.
    pub(super) async fn embedded() -> Result<Self, Error> {
        let folder = temporary()?;
        let log = folder.path().join("sandbox.log");
        let dir = format!("--dir={}", folder.path().display());
        let running = Running::on_one_core("ifctl", ["sandbox", "up", &dir], &log)?;
        let state = folder.path().join("sandbox.json");
        let every = Duration::from_millis(1);
        until("the sandbox's start", every, Some(&running), async || {
            Ok(state.exists().then_some(()))
        })
        .await?;
        let client = client(&folder.path().join("kubeconfig")).await?;
        Ok(Self { client, processes: Processes::Embedded(running), folder })
    }

    /// The real pair on all cores, or the reason why there is none.
    pub(super) async fn real() -> Result<Result<Self, String>, Error> {
        let folder = temporary()?;
        let failed = |source| Error::Start { program: "oracle", source };
        let log = folder.path().join("oracle.log");
        let at = |source| Error::File { path: log.clone(), source };
        let output = fs::File::create(&log).map_err(at)?;
        let holder = Command::new(beside("oracle")?)
            .arg("--serve")
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(output.try_clone().map_err(at)?)
            .stderr(output)
            .spawn()
            .map_err(failed)?;
        let mut pair = Pair { holder, pids: Vec::new() };
        let file = folder.path().join("pids");
        let end = Instant::now() + LIMIT;
        loop {
            if let Ok(pids) = fs::read_to_string(&file) {
                pair.pids = pids.split_whitespace().map(ToOwned::to_owned).collect();
                break;
            }
            let gone = pair.holder.try_wait().map_err(failed)?.is_some();
            if gone || Instant::now() >= end {
                let said = fs::read_to_string(&log).unwrap_or_default();
                let last = said.lines().rfind(|line| !line.trim().is_empty());
                return Ok(Err(last.unwrap_or("it said nothing").trim().to_owned()));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let client = client(&folder.path().join("kubeconfig")).await?;
        Ok(Ok(Self { client, processes: Processes::Real(pair), folder }))
    }

    /// CPU time and memory of all its processes together.
    pub(super) fn usage(&self) -> Result<Usage, Error> {
        match &self.processes {
            Processes::Embedded(running) => running.usage(),
            Processes::Real(pair) => {
                let mut all = Usage::default();
                for pid in &pair.pids {
                    let one = usage(pid)?;
                    all.cpu += one.cpu;
                    all.resident_kib += one.resident_kib;
                    all.peak_kib += one.peak_kib;
                }
                Ok(all)
            }
        }
    }

    /// A connection pool of its own, as another client has.
    pub(super) async fn another_client(&self) -> Result<Client, Error> {
        client(&self.folder.path().join("kubeconfig")).await
    }
}

/// From the start of the process to its first answer over TLS.
pub(super) async fn start() -> Result<Duration, Error> {
    let began = Instant::now();
    let server = Server::embedded().await?;
    let mut ready = http::Request::new(Vec::new());
    *ready.uri_mut() = http::Uri::from_static("/readyz");
    server.client.request_text(ready).await.map_err(Error::kube("get /readyz"))?;
    Ok(began.elapsed())
}

fn temporary() -> Result<TempDir, Error> {
    tempfile::tempdir().map_err(|source| Error::File { path: std::env::temp_dir(), source })
}
