//! What a person sees: one line an event, and in a terminal a table of the objects beneath.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use infrafabric_crds::cloud_machine::State;

/// One row of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) ready: String,
    pub(crate) state: String,
    pub(crate) provider: String,
    pub(crate) size: String,
    pub(crate) address: String,
    pub(crate) price: String,
    pub(crate) witness: String,
}

const HEAD: [&str; 8] =
    ["NAME", "READY", "STATE", "PROVIDER", "SIZE", "ADDRESS", "PRICE/H", "WITNESS"];

/// Where everything is told; clones tell the same people.
#[derive(Clone)]
pub(crate) struct Board {
    inner: Arc<Mutex<Inner>>,
    /// How long a person gets to read.
    pause: Duration,
}

struct Inner {
    rows: BTreeMap<(&'static str, String), Row>,
    /// Every state that was seen of each machine, in order.
    states: BTreeMap<String, Vec<State>>,
    terminal: bool,
    /// Lines of the table that stand on the screen now.
    painted: usize,
    began: Instant,
}

impl Board {
    pub(crate) fn new(pause: Duration) -> Self {
        let inner = Inner {
            rows: BTreeMap::new(),
            states: BTreeMap::new(),
            terminal: io::stdout().is_terminal(),
            painted: 0,
            began: Instant::now(),
        };
        Self { inner: Arc::new(Mutex::new(inner)), pause }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The heading of a step.
    pub(crate) fn step(&self, number: usize, title: &str) {
        self.inner().print(&format!("\n{number}. {title}"));
    }

    /// Something that happened.
    pub(crate) fn tell(&self, line: &str) {
        let mut inner = self.inner();
        let at = inner.began.elapsed().as_secs_f32();
        inner.print(&format!("   {at:5.1}s  {line}"));
    }

    /// Something that was asserted.
    pub(crate) fn proved(&self, line: &str) {
        self.inner().print(&format!("   ✓ {line}"));
    }

    /// A line for itself.
    pub(crate) fn line(&self, line: &str) {
        self.inner().print(line);
    }

    /// Time to read.
    pub(crate) async fn pause(&self) {
        tokio::time::sleep(self.pause).await;
    }

    /// Shows a row; whether it is another than before.
    pub(crate) fn show(&self, kind: &'static str, name: &str, row: &Row) -> bool {
        let mut inner = self.inner();
        let before = inner.rows.insert((kind, name.to_owned()), row.clone());
        let changed = before.as_ref() != Some(row);
        if changed {
            inner.repaint();
        }
        changed
    }

    /// Takes a row away.
    pub(crate) fn hide(&self, kind: &'static str, name: &str) {
        let mut inner = self.inner();
        inner.rows.remove(&(kind, name.to_owned()));
        inner.repaint();
    }

    /// Notes a state of a machine.
    pub(crate) fn saw(&self, machine: &str, state: State) {
        let mut inner = self.inner();
        let states = inner.states.entry(machine.to_owned()).or_default();
        if states.last() != Some(&state) {
            states.push(state);
        }
    }

    /// The states that were seen of a machine, in order.
    pub(crate) fn states(&self, machine: &str) -> Vec<State> {
        self.inner().states.get(machine).cloned().unwrap_or_default()
    }
}

impl Inner {
    /// Prints a line above the table.
    fn print(&mut self, line: &str) {
        let mut text = self.wipe();
        text.push_str(line);
        text.push('\n');
        text.push_str(&self.table());
        put(&text);
    }

    fn repaint(&mut self) {
        if self.terminal {
            let mut text = self.wipe();
            text.push_str(&self.table());
            put(&text);
        }
    }

    /// The codes that take the table off the screen.
    fn wipe(&mut self) -> String {
        let lines = std::mem::take(&mut self.painted);
        if lines == 0 { String::new() } else { format!("\x1b[{lines}A\r\x1b[J") }
    }

    fn table(&mut self) -> String {
        if !self.terminal || self.rows.is_empty() {
            return String::new();
        }
        let width = rustix::termios::tcgetwinsize(io::stdout()).map_or(80, |size| size.ws_col);
        let lines = table(&self.rows, usize::from(width.max(20)) - 1);
        self.painted = lines.len();
        lines.iter().fold(String::new(), |text, line| text + "\x1b[2m" + line + "\x1b[0m\n")
    }
}

/// The table's lines, none longer than `width`: a wrapped line could not be wiped.
fn table(rows: &BTreeMap<(&'static str, String), Row>, width: usize) -> Vec<String> {
    let mut cells: Vec<Vec<String>> = vec![HEAD.map(str::to_owned).to_vec()];
    for ((kind, name), row) in rows {
        let row = row.clone();
        cells.push(vec![
            format!("{kind}/{name}"),
            row.ready,
            row.state,
            row.provider,
            row.size,
            row.address,
            row.price,
            row.witness,
        ]);
    }
    let wide = |column: usize| cells.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEAD.len()).map(wide).collect();
    let line = |row: &Vec<String>| {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").chars().take(width).collect::<String>()
    };
    std::iter::once(String::new()).chain(cells.iter().map(line)).collect()
}

fn put(text: &str) {
    let mut out = io::stdout().lock();
    // Nobody reads any more: the demonstration goes on, its exit code still tells.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_aligned_and_fits() {
        let row = Row { ready: "True".to_owned(), state: "Running".to_owned(), ..Row::default() };
        let rows = BTreeMap::from([(("machine", "web".to_owned()), row)]);
        let lines = table(&rows, 120);
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1].find("STATE"), lines[2].find("Running"));
        assert!(table(&rows, 12).iter().all(|line| line.chars().count() <= 12));
    }
}
