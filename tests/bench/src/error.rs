//! What can go wrong while measuring.

use std::io;
use std::path::PathBuf;

use infrafabric_world::ClientError;
use thiserror::Error;

/// Why there are no figures; a variant for each attempted step.
#[derive(Debug, Error)]
pub(crate) enum Error {
    #[error("{program} is not beside this program; run `cargo xtask bench`")]
    Absent { program: &'static str },
    #[error("starting {program} failed")]
    Start { program: &'static str, source: io::Error },
    #[error("using {path} failed")]
    File { path: PathBuf, source: io::Error },
    #[error("{path} says nothing of {what}")]
    Proc { path: PathBuf, what: &'static str },
    #[error("reading {path} failed")]
    Kubeconfig { path: PathBuf, source: Box<kube::config::KubeconfigError> },
    #[error("reading {what} failed: {reason}")]
    Manifest { what: String, reason: String },
    #[error("{step} failed")]
    Kube { step: String, source: Box<kube::Error> },
    #[error("asking the simulated providers failed")]
    World { source: ClientError },
    #[error("{what} did not happen within {seconds} s; {log}")]
    Never { what: String, seconds: u64, log: String },
    #[error("{what}: wanted {wanted}, found {found}")]
    Wrong { what: &'static str, wanted: String, found: String },
    #[error("a worker of the bare writer ended early")]
    Worker { source: tokio::task::JoinError },
}

impl Error {
    /// The failure of a request to the Kubernetes API.
    pub(crate) fn kube(step: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let step = step.into();
        move |source| Self::Kube { step, source: Box::new(source) }
    }

    /// The failure of a request to the world's admin API.
    pub(crate) fn world(source: ClientError) -> Self {
        Self::World { source }
    }
}
