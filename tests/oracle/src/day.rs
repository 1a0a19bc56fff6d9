//! A day's work with kubectl on a real server and on the embedded one: people see the same.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use embedded_kube_api::{Options, Server};

use crate::cache::own;
use crate::cluster::Cluster;
use crate::error::{Error, at};
use crate::process::run;
use crate::report::Report;
use crate::tools::kubernetes;

const COMMAND: Duration = Duration::from_mins(1);
/// How long a real server may take to publish the schema of a definition that it has established.
const PUBLISHING: Duration = Duration::from_secs(30);

/// kubectl with one server.
struct Desk {
    kubectl: PathBuf,
    kubeconfig: PathBuf,
    cache: PathBuf,
}

/// Runs every line of `cases/kubectl-day.txt` on both servers.
pub(crate) fn ask(report: &mut Report) -> Result<(), Error> {
    let programs = kubernetes()?;
    let temporary = tempfile::tempdir().map_err(at("a temporary folder"))?;
    let cluster = Cluster::start(&programs, temporary.path())?;
    let runtime = tokio::runtime::Runtime::new().map_err(at("a runtime"))?;
    let server = runtime
        .block_on(Server::start(Options::default()))
        .map_err(|source| Error::Server { source })?;
    let file = temporary.path().join("embedded-kubeconfig");
    server.write_kubeconfig(&file).map_err(|source| Error::Kubeconfig { source })?;
    let desk = |kubeconfig: PathBuf, cache: &str| Desk {
        kubectl: programs.kubectl.clone(),
        kubeconfig,
        cache: temporary.path().join(cache),
    };
    let real = desk(cluster.kubeconfig(), "real-cache");
    let ours = desk(file, "embedded-cache");
    let list = own("cases/kubectl-day.txt");
    let text = fs::read_to_string(&list).map_err(at(&list))?;
    for line in
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        // `differs, because …: command` must differ, and says why that is accepted.
        let (accepted, line) = match line.strip_prefix("differs, because ") {
            Some(rest) => (true, rest.split_once(": ").map_or(rest, |(_, command)| command)),
            None => (false, line),
        };
        // `soon: command` only reads what a server publishes a moment after it has said yes.
        let (patience, line) = match line.strip_prefix("soon: ") {
            Some(command) => (PUBLISHING, command),
            None => (Duration::ZERO, line),
        };
        let ours = ours.says(line)?;
        let until = Instant::now() + patience;
        let real = loop {
            let said = real.says(line)?;
            if said == ours || Instant::now() >= until {
                break said;
            }
            thread::sleep(Duration::from_millis(250));
        };
        let found = format!("{}", Pair { real: &real, ours: &ours });
        let what = if accepted { " (an accepted difference)" } else { "" };
        report.check(&format!("kubectl {line}{what}"), (real == ours) != accepted, &found);
    }
    runtime.block_on(server.shutdown());
    Ok(())
}

/// Two texts, for people to compare.
struct Pair<'a> {
    real: &'a str,
    ours: &'a str,
}

impl std::fmt::Display for Pair<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (real, ours): (Vec<&str>, Vec<&str>) =
            (self.real.lines().collect(), self.ours.lines().collect());
        for line in real.iter().filter(|line| !ours.contains(line)) {
            writeln!(f, "real: {line}")?;
        }
        for line in ours.iter().filter(|line| !real.contains(line)) {
            writeln!(f, "ours: {line}")?;
        }
        Ok(())
    }
}

impl Desk {
    /// What a command prints, with its exit, without what differs between any two servers.
    fn says(&self, line: &str) -> Result<String, Error> {
        let mut command = Command::new(&self.kubectl);
        command
            .current_dir(own("cases/day"))
            .env("KUBECONFIG", &self.kubeconfig)
            .env("KUBECTL_EXTERNAL_DIFF", "diff -u")
            .arg(format!("--cache-dir={}", self.cache.display()))
            .args(words(line));
        let said = run(&mut command, COMMAND)?;
        let mut text = normal(&said.all);
        let _ = write!(text, "exit {}", if said.success { "0" } else { "not 0" });
        Ok(text)
    }
}

/// Splits at spaces; single quotes hold words together.
fn words(line: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            all.push(part.to_owned());
        } else {
            all.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    all
}

/// Every line with marks for ages, times, uids and versions, and single spaces.
fn normal(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        // Names of temporary files, and when they were written.
        if line.starts_with("--- /") || line.starts_with("+++ /") || line.starts_with("diff -u") {
            continue;
        }
        let words: Vec<String> = line.split_whitespace().map(mark).collect();
        let line = words.join(" ");
        let version = line.starts_with("Resource Version:");
        let _ = writeln!(out, "{}", if version { "Resource Version: <version>" } else { &line });
    }
    out
}

fn mark(word: &str) -> String {
    let bare = word.trim_matches(|c: char| "\"',()".contains(c));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let age = bare.len() < 8
        && bare.starts_with(|c: char| c.is_ascii_digit())
        && bare.ends_with(['s', 'm', 'h', 'd'])
        && bare.chars().all(|c| c.is_ascii_digit() || "smhd".contains(c));
    let time = bare.len() >= 20 && bare.as_bytes()[4] == b'-' && bare.ends_with('Z');
    let uid = bare.len() == 36 && bare.matches('-').count() == 4;
    let label = match () {
        () if age => "<age>",
        () if time => "<time>",
        () if uid => "<uid>",
        () if digits(bare) && word.starts_with('"') => "<version>",
        () => return word.to_owned(),
    };
    word.replace(bare, label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_between_any_two_servers_is_marked() {
        assert_eq!(normal("a   12s  \"17\" x"), "a <age> \"<version>\" x\n");
        assert_eq!(mark("2026-01-02T03:04:05Z"), "<time>");
        assert_eq!(words("get x -o 'a b'"), ["get", "x", "-o", "a b"]);
    }
}
