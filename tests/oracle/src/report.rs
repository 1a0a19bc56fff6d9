//! What was asked, what was answered, and the closing counts.

use std::process::ExitCode;

use crate::error::{Error, chain};

/// Counts checks and remembers what could not be had.
#[derive(Default)]
pub(crate) struct Report {
    part: String,
    passed: usize,
    failed: Vec<String>,
    skipped: Vec<String>,
    notes: Vec<String>,
}

#[expect(clippy::print_stdout, reason = "the report is this program's output")]
impl Report {
    /// Names the part that the next checks belong to.
    pub(crate) fn begin(&mut self, part: &str) {
        part.clone_into(&mut self.part);
        println!("== {part}");
    }

    /// One check that agreed.
    pub(crate) fn pass(&mut self, what: &str) {
        self.passed += 1;
        println!("   ok  {what}");
    }

    /// One check that did not agree.
    pub(crate) fn fail(&mut self, what: &str, found: &str) {
        println!("   NO  {what}\n       {}", found.trim().replace('\n', "\n       "));
        self.failed.push(format!("{}: {what}", self.part));
    }

    /// A check by what it found.
    pub(crate) fn check(&mut self, what: &str, agrees: bool, found: &str) {
        if agrees { self.pass(what) } else { self.fail(what, found) }
    }

    /// Something that was not judged, and why.
    pub(crate) fn skip(&mut self, what: &str, reason: &str) {
        println!("   --  SKIPPED {what}: {reason}");
        self.skipped.push(format!("{}: {what}: {reason}", self.part));
    }

    /// A line for the end.
    pub(crate) fn note(&mut self, line: &str) {
        self.notes.push(line.to_owned());
    }

    /// A part that could not go on.
    pub(crate) fn ended_by(&mut self, error: &Error) {
        match error {
            Error::Absent { what, reason } => self.skip(what, reason),
            other => self.fail("the part ran to its end", &chain(other)),
        }
    }

    /// The closing lines and the exit code.
    pub(crate) fn close(self) -> ExitCode {
        println!();
        for line in &self.failed {
            println!("FAILED  {line}");
        }
        for line in &self.skipped {
            println!("SKIPPED {line}");
        }
        for line in &self.notes {
            println!("NOTE    {line}");
        }
        println!(
            "{} passed, {} failed, {} skipped",
            self.passed,
            self.failed.len(),
            self.skipped.len()
        );
        if !self.failed.is_empty() {
            ExitCode::from(1)
        } else if !self.skipped.is_empty() {
            ExitCode::from(3)
        } else {
            ExitCode::SUCCESS
        }
    }
}
