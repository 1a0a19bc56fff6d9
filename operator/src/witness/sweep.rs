//! Removing what the log has outgrown, beside the writing: hundreds of files at a time take a disk
//! that discards freed blocks at once more than a second.

use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::{fs, io};

/// Removes folders in the background, one lot at a time; dropping it waits for the last one.
#[derive(Debug, Default)]
pub(super) struct Sweeper {
    under_way: Option<JoinHandle<()>>,
}

impl Sweeper {
    /// Removes the folders with all that is in them. Waits first for the lot before, so that there
    /// is never more than one thread.
    pub(super) fn remove(&mut self, folders: Vec<PathBuf>) {
        if folders.is_empty() {
            return;
        }
        self.finish();
        let thread = thread::Builder::new().name("witness-sweep".to_owned());
        match thread.spawn(move || remove(&folders)) {
            Ok(sweep) => self.under_way = Some(sweep),
            Err(error) => tracing::warn!(%error, "outgrown partial tiles stay until reopening"),
        }
    }

    fn finish(&mut self) {
        if let Some(sweep) = self.under_way.take() {
            // A panic there has removed less, which reopening makes good.
            let _ = sweep.join();
        }
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.finish();
    }
}

fn remove(folders: &[PathBuf]) {
    for folder in folders {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(?folder, %error, "outgrown partial tiles stay until reopening");
            }
            _ => {}
        }
    }
}
