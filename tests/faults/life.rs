//! An operator that dies by a schedule and is started again.

use std::collections::VecDeque;
use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use tokio::time::Instant;

use super::Tally;
use crate::harness::{Operator, Stage};

const SIGKILL: i32 = 9;

/// One death.
#[derive(Clone, Debug)]
pub(crate) enum Kill {
    /// By its own hand, when it is at the point for that time.
    At { point: &'static str, time: u64 },
    /// From outside, so long after its start.
    After(Duration),
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At { point, time } => write!(f, "{point}:{time}"),
            Self::After(span) => write!(f, "after {} ms", span.as_millis()),
        }
    }
}

/// The deaths that are still to come, and the one that the running process is to die.
#[derive(Default)]
pub(crate) struct Life {
    coming: VecDeque<Kill>,
    next: Option<Kill>,
    /// When the running process is killed from outside.
    at: Option<Instant>,
    /// Whether the process may end by itself: the API that it needs at its start may be ill.
    pub(crate) may_end: bool,
}

impl Life {
    pub(crate) fn new(kills: impl IntoIterator<Item = Kill>) -> Self {
        Self { coming: kills.into_iter().collect(), ..Self::default() }
    }

    /// Starts a process with the next death.
    pub(crate) async fn start(&mut self, stage: &mut Stage) {
        self.next = self.coming.pop_front();
        let schedule = match &self.next {
            Some(kill @ Kill::At { .. }) => kill.to_string(),
            Some(Kill::After(_)) | None => String::new(),
        };
        let started = stage.launch_to_die(&schedule).await;
        assert!(started || self.may_end, "the operator does not serve\n{}", stage.log_tail());
        self.at = match &self.next {
            Some(Kill::After(span)) => Some(Instant::now() + *span),
            Some(Kill::At { .. }) | None => None,
        };
    }

    /// Kills the process from outside, whatever else it waits for.
    pub(crate) fn crash(&mut self, stage: &mut Stage, tally: &mut Tally) {
        if stage.operator.is_some() {
            stage.crash();
            tally.kills += 1;
        }
        self.at = None;
    }

    /// Buries a process that died, kills one whose time has come, and starts the next one.
    pub(crate) async fn tend(
        &mut self,
        stage: &mut Stage,
        tally: &mut Tally,
    ) -> Result<(), String> {
        match stage.operator.as_mut().map(Operator::ended) {
            None => {}
            Some(Some(status)) if status.signal() == Some(SIGKILL) => {
                tally.kills += 1;
                if let Some(Kill::At { point, .. }) = &self.next {
                    *tally.died.entry((*point).to_owned()).or_default() += 1;
                }
                stage.operator = None;
            }
            Some(Some(_)) if self.may_end => stage.operator = None,
            Some(Some(status)) => return Err(format!("the operator ended by itself: {status}")),
            Some(None) if self.at.is_some_and(|at| Instant::now() >= at) => {
                self.crash(stage, tally);
            }
            Some(None) => return Ok(()),
        }
        self.start(stage).await;
        Ok(())
    }
}
