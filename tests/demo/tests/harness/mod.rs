//! Runs the demonstration and shells in folders of their own.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_mins(2);

/// The checkout.
pub fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the checkout")
}

/// A program of this build; `cargo xtask test` builds them first.
pub fn binary(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_demo")).with_file_name(name);
    assert!(path.exists(), "{} is missing: run `cargo xtask test`", path.display());
    path
}

/// A running demonstration whose temporary files lie in a folder of its own.
pub struct Demo {
    child: Child,
    lines: Receiver<String>,
    temporary: TempDir,
    home: TempDir,
}

impl Demo {
    pub fn start(arguments: &[&str]) -> Self {
        let temporary = TempDir::new().expect("a folder");
        for name in ["infrafabric", "ifctl"] {
            binary(name);
        }
        let mut child = Command::new(env!("CARGO_BIN_EXE_demo"))
            .args(arguments)
            .env("TMPDIR", temporary.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the demonstration starts");
        let stdout = child.stdout.take().expect("piped");
        let (send, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines, temporary, home: TempDir::new().expect("a folder") }
    }

    /// A home folder for commands that are tried beside it.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The lines up to the first that contains the text.
    pub fn until(&mut self, text: &str) -> Vec<String> {
        let deadline = Instant::now() + LIMIT;
        let mut seen = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("it did not say `{text}`, but:\n{}", seen.join("\n"));
            };
            seen.push(line);
            if seen.last().is_some_and(|line| line.contains(text)) {
                return seen;
            }
        }
    }

    /// Ctrl-C.
    pub fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).expect("it runs");
    }

    /// Waits for the end; gives the exit code. Nothing may be left behind.
    pub fn end(mut self) -> i32 {
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::park_timeout(Duration::from_millis(20));
        };
        let left: Vec<_> = fs::read_dir(self.temporary.path()).expect("the folder").collect();
        assert!(left.is_empty(), "left behind: {left:?}");
        let alive = processes_of(self.temporary.path());
        assert!(alive.is_empty(), "still running: {alive:?}");
        status.code().expect("an exit code")
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // After a failed assertion: it ends what it started by itself.
        if let Ok(None) = self.child.try_wait() {
            let _ = kill_process(Pid::from_child(&self.child), Signal::INT);
        }
        let _ = self.child.wait();
    }
}

/// Processes whose command line names the folder.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.to_string_lossy();
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(&*folder))
        .collect()
}

/// Whether there is a kubectl; a test that checks less without it says so.
#[expect(clippy::print_stderr, reason = "a test that checks less must say so")]
pub fn have_kubectl() -> bool {
    let probe = Command::new("kubectl").args(["version", "--client"]).output();
    let usable = probe.is_ok_and(|output| output.status.success());
    if !usable {
        eprintln!("SKIPPED: no usable kubectl on PATH; its commands were not run");
    }
    usable
}

/// Runs a shell script in the checkout; whether it succeeded, and all that it printed.
pub fn sh(script: &str, home: &Path, variables: &[(&str, &str)]) -> (bool, String) {
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{script}")])
        .current_dir(checkout())
        .env("HOME", home)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("sh runs");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}
