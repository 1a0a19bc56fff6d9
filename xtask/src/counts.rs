//! The closing line, `N passed, N failed, N skipped`.

use std::ops::AddAssign;
use std::process::ExitCode;

/// How many checks agreed, did not, and were left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Counts {
    /// The counts of a line of libtest: `test result: ok. 8 passed; 0 failed; 1 ignored; …`.
    pub(crate) fn of_libtest(line: &str) -> Option<Self> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let count = |name: &str| {
            let mut parts = counts.split("; ");
            parts.find_map(|part| part.strip_suffix(name)?.trim().parse().ok())
        };
        Some(Self {
            passed: count(" passed")?,
            failed: count(" failed")?,
            skipped: count(" ignored")?,
        })
    }

    /// Prints the closing line; the exit code says whether anything failed.
    #[expect(clippy::print_stdout, reason = "the closing line is for people and for CI")]
    pub(crate) fn close(self) -> ExitCode {
        println!("\n{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped);
        if self.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_libtest_are_counted_and_others_are_not() {
        let line = "test result: FAILED. 8 passed; 2 failed; 1 ignored; 0 measured; 3 filtered out; finished in 4.92s";
        assert_eq!(Counts::of_libtest(line), Some(Counts { passed: 8, failed: 2, skipped: 1 }));
        for other in ["running 8 tests", "test rules ... ok", "test result: odd", ""] {
            assert_eq!(Counts::of_libtest(other), None, "{other}");
        }
    }
}
