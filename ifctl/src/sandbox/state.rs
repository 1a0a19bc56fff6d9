//! What a running sandbox leaves in its folder.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A running sandbox.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct State {
    /// Its process.
    pub(crate) pid: u32,
    /// Base URL of the Kubernetes API.
    pub(crate) api: String,
    /// Base URL of the simulated providers.
    pub(crate) world: String,
}

impl State {
    fn file(dir: &Path) -> PathBuf {
        dir.join("sandbox.json")
    }

    /// The kubeconfig of the folder.
    pub(crate) fn kubeconfig(dir: &Path) -> PathBuf {
        dir.join("kubeconfig")
    }

    /// Writes it, whole or not at all.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), Box<dyn Error>> {
        let half = dir.join("sandbox.json.new");
        fs::write(&half, serde_json::to_vec_pretty(self)?)
            .and_then(|()| fs::rename(&half, Self::file(dir)))
            .map_err(|error| format!("write {}: {error}", Self::file(dir).display()).into())
    }

    /// Reads it; an error when none runs there.
    pub(crate) fn read(dir: &Path) -> Result<Self, Box<dyn Error>> {
        let file = Self::file(dir);
        let text = fs::read(&file).map_err(|_| {
            format!("no sandbox runs in {}; start one with `ifctl sandbox up`", dir.display())
        })?;
        let state: Self = serde_json::from_slice(&text)
            .map_err(|error| format!("{} is damaged: {error}; delete it", file.display()))?;
        if Path::new(&format!("/proc/{}", state.pid)).exists() || !Path::new("/proc").exists() {
            return Ok(state);
        }
        Err(format!("the sandbox of {} has ended; start it again", dir.display()).into())
    }

    /// Forgets it.
    pub(crate) fn remove(dir: &Path) {
        // A file that is gone already is what we want.
        let _ = fs::remove_file(Self::file(dir));
        let _ = fs::remove_file(Self::kubeconfig(dir));
    }
}
