//! Where what was built or installed is kept between runs: outside the checkout.

use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::error::{Error, at};

/// `$INFRAFABRIC_CACHE`, else `$XDG_CACHE_HOME/infrafabric`, else `~/.cache/infrafabric`.
pub(crate) fn folder(name: &str) -> Result<PathBuf, Error> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let root = set("INFRAFABRIC_CACHE")
        .or_else(|| Some(set("XDG_CACHE_HOME")?.join("infrafabric")))
        .or_else(|| Some(set("HOME")?.join(".cache/infrafabric")))
        .ok_or_else(|| Error::Absent {
            what: "a cache folder".to_owned(),
            reason: "neither INFRAFABRIC_CACHE nor HOME is set".to_owned(),
        })?;
    let folder = root.join(name);
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    Ok(folder)
}

/// The checkout.
pub(crate) fn checkout() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// This crate's own files.
pub(crate) fn own(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
