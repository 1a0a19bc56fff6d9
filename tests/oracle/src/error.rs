//! What can go wrong while asking.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a part ended early; a variant for each attempted step.
#[derive(Debug, Error)]
pub(crate) enum Error {
    /// Something that this computer cannot have: the part is skipped, not failed.
    #[error("{what} cannot be had: {reason}")]
    Absent { what: String, reason: String },
    #[error("starting {program} failed")]
    Start { program: String, source: io::Error },
    #[error("{program} failed: {output}")]
    Failed { program: String, output: String },
    #[error("{program} did not end within {seconds} s")]
    Slow { program: String, seconds: u64 },
    #[error("{what} was not ready within {seconds} s; its log ends: {log}")]
    NotReady { what: String, seconds: u64, log: String },
    #[error("finding a free port failed")]
    Port { source: io::Error },
    #[error("using {path} failed")]
    File { path: PathBuf, source: io::Error },
    #[error("asking {url} failed")]
    Http { url: String, source: io::Error },
    #[error("reading what {program} said failed: {text}")]
    Json { program: String, text: String, source: serde_json::Error },
    #[error("the sandbox's API server did not start")]
    Server { source: embedded_kube_api::StartError },
    #[error("writing the kubeconfig failed")]
    Kubeconfig { source: embedded_kube_api::WriteError },
    #[error("the simulated providers did not start")]
    World { source: infrafabric_world::StartError },
    #[error("asking the simulated providers failed")]
    Simulated { source: infrafabric_world::ClientError },
    #[error("{path} is no definition: {reason}")]
    Definition { path: PathBuf, reason: String },
    #[error("{path} cannot be used: {reason}")]
    Case { path: PathBuf, reason: String },
    #[error("asking the provider failed")]
    Adapter { source: infrafabric_adapters::error::AdapterError },
    #[error("making a client of the API failed")]
    Client { source: Box<kube::Error> },
    #[error("{step} {object} failed")]
    Kube { step: &'static str, object: String, source: Box<kube::Error> },
    #[error("{object} did not become {wanted} within {seconds} s; it is {last}")]
    Never { object: String, wanted: String, seconds: u64, last: String },
}

/// An error and its sources, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

/// A closure for `map_err` that names the file.
pub(crate) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::File { path: path.into(), source }
}
