//! Why the demonstration did not come to its end.

use std::io;
use std::path::PathBuf;

use infrafabric::witness::{ReadError, VerifyError};
use infrafabric_world::ClientError;
use thiserror::Error;

/// Why the demonstration did not come to its end; a variant for each attempted step.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error("{what}: expected {expected}, found {found}")]
    Differs { what: String, expected: String, found: String },
    #[error("{what} did not happen within {seconds} s; {stands}")]
    Late { what: String, seconds: u64, stands: String },
    #[error("{name} ended by itself with {status}; its last lines:\n{log}")]
    Ended { name: &'static str, status: String, log: String },
    #[error("{name} did not say that it serves within {seconds} s; its last lines:\n{log}")]
    Silent { name: &'static str, seconds: u64, log: String },
    #[error("start {program}")]
    Start { program: PathBuf, source: io::Error },
    #[error("signal process {pid} of {name}")]
    Signal { name: &'static str, pid: u32, source: io::Error },
    #[error("use {path}")]
    File { path: PathBuf, source: io::Error },
    #[error("read the manifest {path}: {reason}")]
    Manifest { path: PathBuf, reason: String },
    #[error("read what {name} says of itself: {reason}")]
    Said { name: &'static str, reason: String },
    #[error("{what} through the Kubernetes API")]
    Kube { what: String, source: Box<kube::Error> },
    #[error("read the kubeconfig")]
    Kubeconfig { source: Box<kube::config::KubeconfigError> },
    #[error("ask the provider's ledger")]
    World { source: ClientError },
    #[error("read the witness log")]
    Read { source: ReadError },
    #[error("verify the witness log")]
    Verify { source: VerifyError },
    #[error("listen for signals")]
    Signals { source: io::Error },
}

/// Names the file in a failure.
pub(crate) fn at(path: &std::path::Path) -> impl FnOnce(io::Error) -> Failure {
    let path = path.to_owned();
    move |source| Failure::File { path, source }
}

/// Names the request in a failure of the Kubernetes API.
pub(crate) fn asked(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Failure {
    let what = what.into();
    move |source| Failure::Kube { what, source: Box::new(source) }
}

/// A failure of the world's admin API.
pub(crate) fn world(source: ClientError) -> Failure {
    Failure::World { source }
}
