//! Test suites of this project on a real server: what passes on the embedded one must pass there,
//! unchanged.

use std::process::Command;
use std::time::Duration;

use crate::cache::checkout;
use crate::cluster::Cluster;
use crate::error::{Error, at};
use crate::process::{run, tail};
use crate::report::Report;
use crate::tools::kubernetes;

const LIMIT: Duration = Duration::from_mins(20);

/// Runs the end-to-end tests of the operator and the tests of kube-rs on a real server.
pub(crate) fn ask(report: &mut Report) -> Result<(), Error> {
    let programs = kubernetes()?;
    let temporary = tempfile::tempdir().map_err(at("a temporary folder"))?;
    let cluster = Cluster::start(&programs, temporary.path())?;
    for (package, suite) in [("embedded-kube-api", "client"), ("infrafabric-tests", "e2e")] {
        let mut cargo = Command::new("cargo");
        cargo
            .current_dir(checkout())
            .env("TEST_KUBECONFIG", cluster.kubeconfig())
            .env("RUST_BACKTRACE", "0")
            .args(["test", "--package", package, "--test", suite, "--", "--test-threads=5"]);
        let said = run(&mut cargo, LIMIT)?;
        let mut tests = 0;
        for line in said.out.lines() {
            let Some(name) = line.strip_prefix("test ") else { continue };
            if let Some(name) = name.strip_suffix(" ... ok") {
                report.pass(&format!("{suite} on the real server: {name}"));
                tests += 1;
            } else if let Some(name) = name.strip_suffix(" ... FAILED") {
                report.fail(&format!("{suite} on the real server: {name}"), "see the end");
            }
        }
        let ran = said.success && tests > 0;
        let lines: Vec<&str> = said.all.lines().collect();
        let panics = lines.iter().enumerate().filter(|(_, line)| line.contains("panicked at"));
        let why = panics.flat_map(|(at, _)| lines.iter().skip(at).take(4));
        let why = why.copied().collect::<Vec<_>>().join("\n");
        let found = if why.is_empty() { tail(&said.all) } else { why };
        report.check(&format!("{suite} passes on the real server"), ran, &found);
    }
    Ok(())
}
