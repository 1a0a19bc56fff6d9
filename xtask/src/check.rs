//! `cargo xtask check`: everything that must hold before a change lands. Every check runs, also
//! after one has failed.

use std::process::{Command, ExitCode, Stdio};

use crate::cargo::{TaskError, cargo, shown, status};
use crate::counts::Counts;
use crate::{generate, test};

/// Private items are documented too, so links to them lead somewhere.
const RUSTDOC: &str = "-D warnings -A rustdoc::private_intra_doc_links";

pub(crate) fn run(no_test: bool) -> Result<ExitCode, TaskError> {
    let mut counts = Counts::default();
    step(&mut counts, &mut cargo(&["fmt", "--all", "--check"]))?;
    let lints = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    step(&mut counts, &mut cargo(&lints))?;
    licences(&mut counts)?;
    let docs = ["doc", "--workspace", "--no-deps", "--document-private-items"];
    step(&mut counts, cargo(&docs).env("RUSTDOCFLAGS", RUSTDOC))?;
    generated(&mut counts)?;
    if !no_test {
        counts += test::all()?;
    }
    Ok(counts.close())
}

#[expect(clippy::print_stdout, reason = "each step is named before its output")]
fn step(counts: &mut Counts, command: &mut Command) -> Result<(), TaskError> {
    println!("== {}", shown(command));
    if status(command)?.success() {
        counts.passed += 1;
    } else {
        println!("FAILED  {}", shown(command));
        counts.failed += 1;
    }
    Ok(())
}

/// Licences, bans and sources. Advisories change without us and are not part of this.
#[expect(clippy::print_stdout, reason = "what was left out is said")]
fn licences(counts: &mut Counts) -> Result<(), TaskError> {
    let mut version = cargo(&["deny", "--version"]);
    if !status(version.stdout(Stdio::null()).stderr(Stdio::null()))?.success() {
        println!("SKIPPED cargo deny: not installed (`cargo install --locked cargo-deny`)");
        counts.skipped += 1;
        return Ok(());
    }
    let deny = [
        "deny",
        "--all-features",
        "check",
        "--hide-inclusion-graph",
        "licenses",
        "bans",
        "sources",
    ];
    step(counts, &mut cargo(&deny))
}

#[expect(clippy::print_stdout, reason = "each difference is named")]
fn generated(counts: &mut Counts) -> Result<(), TaskError> {
    println!("== generated files");
    let differences = generate::differences()?;
    if differences.is_empty() {
        counts.passed += 1;
    } else {
        for difference in differences {
            println!("FAILED  {difference}; run `cargo xtask generate`");
        }
        counts.failed += 1;
    }
    Ok(())
}
