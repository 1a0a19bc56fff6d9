//! What was counted, and its table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use infrafabric::fault_point::POINTS;

use super::Kind;

/// What was counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) runs: u64,
    /// Deaths of the operator.
    pub(crate) kills: u64,
    /// How often each fault point was met.
    pub(crate) met: BTreeMap<String, u64>,
    /// How often the operator died at each.
    pub(crate) died: BTreeMap<String, u64>,
    /// Answers to effects that did not arrive as they were given.
    pub(crate) lost: u64,
    /// How often each operation was gone through.
    pub(crate) operations: BTreeMap<String, u64>,
    /// Questions that a person answered.
    pub(crate) answered: u64,
    pub(crate) duplicates: u64,
    pub(crate) leaks: u64,
    pub(crate) stuck: u64,
    /// Runs that failed in whatever way.
    pub(crate) failed: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.kills += other.kills;
        self.lost += other.lost;
        self.duplicates += other.duplicates;
        self.leaks += other.leaks;
        self.stuck += other.stuck;
        self.failed += other.failed;
        self.answered += other.answered;
        for (into, from) in [
            (&mut self.met, &other.met),
            (&mut self.died, &other.died),
            (&mut self.operations, &other.operations),
        ] {
            for (point, times) in from {
                *into.entry(point.clone()).or_default() += times;
            }
        }
    }

    /// Counts the fault points in an operator's log.
    pub(crate) fn read_log(&mut self, log: &str) {
        for line in log.lines().filter(|line| line.contains("\"fault point\"")) {
            let line: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
            if let Some(point) = line["fields"]["point"].as_str() {
                *self.met.entry(point.to_owned()).or_default() += 1;
            }
        }
    }

    /// Points of these that were never met.
    pub(crate) fn unmet(&self, of: impl IntoIterator<Item = &'static str>) -> Vec<&'static str> {
        of.into_iter().filter(|point| !self.met.contains_key(*point)).collect()
    }
}

/// What was counted, by idempotency kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tallies(BTreeMap<Option<Kind>, Tally>);

impl Tallies {
    /// Adds what a run counted; no kind stands for a run over several.
    pub(crate) fn add(&mut self, kind: Option<Kind>, tally: &Tally) {
        self.0.entry(kind).or_default().add(tally);
    }

    pub(crate) fn all(&self) -> Tally {
        let mut all = Tally::default();
        self.0.values().for_each(|tally| all.add(tally));
        all
    }

    /// The table: a line for each kind, then how often each point was met and the operator died at it.
    pub(crate) fn table(&self) -> String {
        let mut text = format!(
            "{:<13}{:>6}{:>7}{:>14}{:>14}{:>10}{:>12}{:>7}{:>7}{:>8}\n",
            "kind",
            "runs",
            "kills",
            "points met",
            "answers lost",
            "answered",
            "duplicates",
            "leaks",
            "stuck",
            "failed"
        );
        for (kind, tally) in &self.0 {
            let kind = kind.map_or_else(|| "mixed".to_owned(), |kind| kind.to_string());
            let points = format!("{} of {}", tally.met.len(), POINTS.len());
            let _ = writeln!(
                text,
                "{kind:<13}{:>6}{:>7}{points:>14}{:>14}{:>10}{:>12}{:>7}{:>7}{:>8}",
                tally.runs,
                tally.kills,
                tally.lost,
                tally.answered,
                tally.duplicates,
                tally.leaks,
                tally.stuck,
                tally.failed
            );
        }
        let all = self.all();
        for (operation, times) in &all.operations {
            let _ = writeln!(text, "  operation {operation:<14} {times:>4} times");
        }
        for point in POINTS {
            let times = |of: &BTreeMap<String, u64>| of.get(point).copied().unwrap_or(0);
            let (met, died) = (times(&all.met), times(&all.died));
            let _ = writeln!(text, "  {point:<24} met {met:>6}, died at {died:>4}");
        }
        let unmet = all.unmet(POINTS);
        if !unmet.is_empty() {
            let _ = writeln!(text, "  never met: {}", unmet.join(", "));
        }
        text
    }
}
