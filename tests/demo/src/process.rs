//! The operator and the sandbox as processes: started, watched, and surely stopped.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::expect::LOOK_EVERY;
use crate::failure::{Failure, at};

/// How long a process may take to stop by itself.
const STOP: Duration = Duration::from_secs(10);
/// How much of a log a failure shows.
const LINES: usize = 12;

/// A started process with its output in a file. Dropping it kills the process.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program in a process group of its own: Ctrl-C reaches the demonstration alone,
    /// which then stops the others in order.
    pub(crate) fn start(
        name: &'static str,
        command: &mut Command,
        log: &Path,
    ) -> Result<Self, Failure> {
        let file = File::create(log).map_err(at(log))?;
        let again = file.try_clone().map_err(at(log))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(again)
            .process_group(0)
            .spawn()
            .map_err(|source| Failure::Start { program: command.get_program().into(), source })?;
        Ok(Self { name, child, log: log.to_owned() })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `look` finds something in what the process wrote or did.
    pub(crate) async fn until<T>(
        &mut self,
        limit: Duration,
        mut look: impl FnMut(&Path) -> Option<T>,
    ) -> Result<T, Failure> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(found) = look(&self.log) {
                return Ok(found);
            }
            self.must_run()?;
            if Instant::now() > deadline {
                let (name, seconds, log) = (self.name, limit.as_secs(), self.tail());
                return Err(Failure::Silent { name, seconds, log });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Fails when the process has ended.
    pub(crate) fn must_run(&mut self) -> Result<(), Failure> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => {
                let (name, status, log) = (self.name, status.to_string(), self.tail());
                Err(Failure::Ended { name, status, log })
            }
            Err(source) => Err(Failure::Signal { name: self.name, pid: self.pid(), source }),
        }
    }

    /// SIGKILL: the process gets no chance to write anything down.
    pub(crate) fn kill(&mut self) -> Result<(), Failure> {
        let (name, pid) = (self.name, self.pid());
        let ended = self.child.kill().and_then(|()| self.child.wait());
        ended.map(drop).map_err(|source| Failure::Signal { name, pid, source })
    }

    /// SIGTERM, and waits for its end; gives how it ended. After a while it is killed.
    pub(crate) async fn stop(&mut self) -> Result<String, Failure> {
        let (name, pid) = (self.name, self.pid());
        let failed = |source: io::Error| Failure::Signal { name, pid, source };
        if let Some(status) = self.child.try_wait().map_err(failed)? {
            return Ok(status.to_string());
        }
        kill_process(Pid::from_child(&self.child), Signal::TERM).map_err(|e| failed(e.into()))?;
        let deadline = Instant::now() + STOP;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().map_err(failed)? {
                return Ok(status.to_string());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.kill()?;
        Ok(format!("SIGKILL, because it did not end within {} s", STOP.as_secs()))
    }

    /// The last lines that it wrote.
    pub(crate) fn tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
