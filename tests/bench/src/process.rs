//! Programs that are measured: started, looked at through `/proc`, and surely stopped.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::error::Error;

/// Clock ticks per second in `/proc/*/stat`: `USER_HZ`, 100 on every Linux that Rust supports here.
const TICKS: u32 = 100;

/// The core of what is confined to one.
const CORE: &str = "0";

const LOG_TAIL: usize = 2000;

/// A started program; it is killed when this is dropped.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// User and system time of all its threads.
    pub(crate) cpu: Duration,
    /// Resident memory now, in KiB.
    pub(crate) resident_kib: u64,
    /// Resident memory at its highest, in KiB.
    pub(crate) peak_kib: u64,
}

impl Running {
    /// Starts a program that was built beside this one, with its output in a log file.
    pub(crate) fn start<A: AsRef<OsStr>>(
        program: &'static str,
        arguments: impl IntoIterator<Item = A>,
        log: &Path,
    ) -> Result<Self, Error> {
        Self::spawn(program, Command::new(beside(program)?).args(arguments), log)
    }

    /// The same, confined to one core.
    pub(crate) fn on_one_core<A: AsRef<OsStr>>(
        program: &'static str,
        arguments: impl IntoIterator<Item = A>,
        log: &Path,
    ) -> Result<Self, Error> {
        // It becomes the program itself, so that the process number is that of the program.
        let mut taskset = Command::new("taskset");
        taskset.args(["--cpu-list", CORE]).arg(beside(program)?).args(arguments);
        Self::spawn("taskset", &mut taskset, log)
    }

    fn spawn(program: &'static str, command: &mut Command, log: &Path) -> Result<Self, Error> {
        let at = |source| Error::File { path: log.to_owned(), source };
        let file = File::create(log).map_err(at)?;
        let again = file.try_clone().map_err(at)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(again)
            .spawn()
            .map_err(|source| Error::Start { program, source })?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// What it has used so far.
    pub(crate) fn usage(&self) -> Result<Usage, Error> {
        usage(&self.child.id().to_string())
    }

    /// The end of what it said, for a person who looks for the cause of a failure.
    pub(crate) fn said(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let start = text.len().saturating_sub(LOG_TAIL);
        let start = (start..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        format!("its log ends: {}", text[start..].trim())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // That it has ended already is no failure.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The path of a program that was built beside this one.
pub(crate) fn beside(program: &'static str) -> Result<PathBuf, Error> {
    let own = std::env::current_exe().ok();
    own.and_then(|own| Some(own.parent()?.join(program)))
        .filter(|path| path.exists())
        .ok_or(Error::Absent { program })
}

/// What this process itself has used so far.
pub(crate) fn own_usage() -> Result<Usage, Error> {
    usage("self")
}

/// What a process has used so far.
pub(crate) fn usage(pid: &str) -> Result<Usage, Error> {
    let stat = PathBuf::from(format!("/proc/{pid}/stat"));
    let text = read(&stat)?;
    // The second field is the program's name in parentheses and may contain anything.
    let fields = text.rsplit_once(')').map(|(_, rest)| rest.split_whitespace());
    let ticks: Option<u32> = fields.and_then(|fields| {
        // utime and stime are fields 14 and 15; the split begins with field 3.
        let mut times = fields.skip(11).map(str::parse::<u32>);
        Some(times.next()?.ok()? + times.next()?.ok()?)
    });
    let ticks = ticks.ok_or(Error::Proc { path: stat, what: "CPU time" })?;
    let status = PathBuf::from(format!("/proc/{pid}/status"));
    let text = read(&status)?;
    let kib = |key: &'static str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        number.ok_or_else(|| Error::Proc { path: status.clone(), what: key })
    };
    Ok(Usage {
        cpu: Duration::from_secs(1) * ticks / TICKS,
        resident_kib: kib("VmRSS:")?,
        peak_kib: kib("VmHWM:")?,
    })
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })
}
