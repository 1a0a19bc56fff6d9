//! The kubeconfig of the only user.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

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

/// Writes the file so that nobody else can read it, not even for a moment.
pub(super) fn write(path: &Path, text: &str) -> Result<(), WriteError> {
    let failed = |source| WriteError { path: path.to_owned(), source };
    // A new file beside it, then a rename: an existing file's mode does not matter, and readers
    // see the old or the new one.
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    if let Err(source) = std::fs::remove_file(&beside)
        && source.kind() != std::io::ErrorKind::NotFound
    {
        return Err(failed(source));
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(&beside).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)
}
