//! Other programs: run to their end, or started and surely stopped.

use std::fs;
use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, at};

const LOOK_EVERY: Duration = Duration::from_millis(50);
const LOG_TAIL: usize = 2000;

/// What a program said and whether it was content.
pub(crate) struct Said {
    pub(crate) success: bool,
    /// Standard output.
    pub(crate) out: String,
    /// Standard output, then standard error.
    pub(crate) all: String,
}

/// Runs a program to its end, but not longer than `limit`.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<Said, Error> {
    run_on(command, Stdio::null(), limit)
}

/// The same with something to read.
pub(crate) fn run_on(command: &mut Command, input: Stdio, limit: Duration) -> Result<Said, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| Error::Start { program: program.clone(), source })?;
    let out = collect(child.stdout.take());
    let err = collect(child.stderr.take());
    let status = within(limit, || child.try_wait())
        .map_err(|source| Error::Start { program: program.clone(), source })?;
    let Some(status) = status else {
        end(&mut child);
        return Err(Error::Slow { program, seconds: limit.as_secs() });
    };
    let out = out.join().unwrap_or_default();
    let all = format!("{out}{}", err.join().unwrap_or_default());
    Ok(Said { success: status.success(), out, all })
}

/// Runs a program that must succeed.
pub(crate) fn must(command: &mut Command, limit: Duration) -> Result<String, Error> {
    let said = run(command, limit)?;
    if said.success {
        return Ok(said.out);
    }
    let program = format!("{command:?}");
    Err(Error::Failed { program, output: tail(&said.all) })
}

/// A started program; it is killed when this is dropped.
pub(crate) struct Running {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Running {
    /// Starts a program with its output in a log file.
    pub(crate) fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self, Error> {
        let file = File::create(log).map_err(at(log))?;
        let again = file.try_clone().map_err(at(log))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(again)
            .spawn()
            .map_err(|source| Error::Start { program: name.to_owned(), source })?;
        Ok(Self { child, name: name.to_owned(), log: log.to_owned() })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `ready` holds; a program that ends before is an error at once.
    pub(crate) fn until(
        &mut self,
        limit: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> Result<(), Error> {
        let child = &mut self.child;
        let ended = within(limit, || {
            if ready() { Ok(Some(true)) } else { Ok(child.try_wait()?.map(|_| false)) }
        });
        if matches!(ended, Ok(Some(true))) {
            return Ok(());
        }
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        Err(Error::NotReady { what: self.name.clone(), seconds: limit.as_secs(), log: tail(&log) })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// A loopback port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16, Error> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|source| Error::Port { source })?;
    Ok(listener.local_addr().map_err(|source| Error::Port { source })?.port())
}

/// The end of a text, as much as helps.
pub(crate) fn tail(text: &str) -> String {
    let start = text.len().saturating_sub(LOG_TAIL);
    let start = (start..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text[start..].trim().to_owned()
}

/// Looks again and again until there is something, `None` when the time is over.
pub(crate) fn within<T>(
    limit: Duration,
    mut look: impl FnMut() -> io::Result<Option<T>>,
) -> io::Result<Option<T>> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look()? {
            return Ok(Some(found));
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        thread::sleep(LOOK_EVERY);
    }
}

fn collect(pipe: Option<impl io::Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What could be read before a failure is still worth showing.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Kills a program; that it has ended already is no failure.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
