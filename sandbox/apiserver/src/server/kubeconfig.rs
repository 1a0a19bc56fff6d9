//! The kubeconfig of the only user.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The kubeconfig could not be written.
#[derive(Debug, thiserror::Error)]
#[error("write kubeconfig to {path}")]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: std::io::Error,
}

/// Renders the file.
pub(super) fn render(url: &str, ca_pem: &str, token: &str) -> String {
    let ca = STANDARD.encode(ca_pem);
    // JSON strings are YAML strings: a token can hold anything.
    let token = serde_json::Value::from(token);
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: embedded\n  cluster:\n    \
         server: {url}\n    certificate-authority-data: {ca}\nusers:\n- name: embedded\n  \
         user:\n    token: {token}\ncontexts:\n- name: embedded\n  context:\n    \
         cluster: embedded\n    user: embedded\n    namespace: default\ncurrent-context: \
         embedded\n"
    )
}
