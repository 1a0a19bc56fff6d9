//! The demonstration: the main job on the sandbox, step by step, with the real binaries.
//!
//! *Invariant*: a step is asserted against the provider's own ledger and the Kubernetes API; what
//! the operator says of itself proves nothing here.

mod board;
mod expect;
mod failure;
mod keep;
mod ledger;
mod manifests;
mod process;
mod stage;
mod steps;
mod watch;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::board::Board;
use crate::failure::Failure;
use crate::stage::Stage;

/// Runs the main job on the sandbox and asserts every step.
#[derive(Parser)]
#[command(name = "cargo xtask demo")]
struct Arguments {
    /// No pauses for reading.
    #[arg(long)]
    fast: bool,
    /// Leave the sandbox and the operator running and print how to use them.
    #[arg(long)]
    keep: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    // kube asks for the process's provider; ring is the one that is linked.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments = Arguments::parse();
    let pause = if arguments.fast { Duration::ZERO } else { Duration::from_secs(2) };
    let board = Board::new(pause);
    let ended = run(&arguments, &board).await;
    match ended {
        Ok(Outcome::Proved) => ExitCode::SUCCESS,
        // 128 and the number of SIGINT, as shells have it.
        Ok(Outcome::Interrupted) => ExitCode::from(130),
        Err(failure) => {
            board.line(&format!("\nFAILED  {}", infrafabric::run::chain(&failure)));
            ExitCode::FAILURE
        }
    }
}

enum Outcome {
    Proved,
    Interrupted,
}

async fn run(arguments: &Arguments, board: &Board) -> Result<Outcome, Failure> {
    let mut stop = Stop::new()?;
    let phase = if arguments.fast { "300ms" } else { "1s" };
    let mut stage = tokio::select! {
        started = Stage::start(phase) => started?,
        () = stop.told() => return Ok(Outcome::Interrupted),
    };
    let watching = watch::start(&stage.kube, board);
    let done = tokio::select! {
        done = steps::run(&mut stage, board, arguments.keep) => done.map(|()| Outcome::Proved),
        () = stop.told() => Ok(Outcome::Interrupted),
    };
    let outcome = match done {
        Ok(Outcome::Proved) if arguments.keep => tokio::select! {
            ended = keep::until_stopped(&mut stage, board) => ended.map(|()| Outcome::Proved),
            () = stop.told() => Ok(Outcome::Proved),
        },
        done => done,
    };
    // Nothing more is told, and the table goes no further.
    drop(watching);
    if outcome.is_err() {
        board.line(&format!("\nthe operator's last lines:\n{}", stage.operator_tail()));
    }
    let ended = stage.end().await;
    // What went wrong first is what is told.
    outcome.and_then(|outcome| ended.map(|()| outcome))
}

/// The signals that end the demonstration.
struct Stop([Signal; 3]);

impl Stop {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|source| Failure::Signals { source });
        Ok(Self([
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
        ]))
    }

    async fn told(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {},
            _ = terminate.recv() => {},
            _ = hangup.recv() => {},
        }
    }
}
