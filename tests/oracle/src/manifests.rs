//! Manifests as files, and what the bad ones say of themselves.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, at};

/// All YAML files beneath a folder, in the order of their paths.
pub(crate) fn yaml_files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        if path.is_dir() {
            found.extend(yaml_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The lines `# refused: <text>` at the top of a bad manifest: all must be in the refusal.
pub(crate) struct Refused {
    texts: Vec<String>,
}

impl Refused {
    pub(crate) fn read(file: &Path) -> Result<Self, Error> {
        let manifest = fs::read_to_string(file).map_err(at(file))?;
        let texts = manifest.lines().filter_map(|line| line.strip_prefix("# refused: "));
        Ok(Self { texts: texts.map(|text| text.trim().to_owned()).collect() })
    }

    /// What a refusal does not say. A manifest that names nothing is itself wrong.
    pub(crate) fn missing_in(&self, refusal: &str) -> Vec<&str> {
        if self.texts.is_empty() {
            return vec!["(the manifest has no line `# refused: …`)"];
        }
        self.texts.iter().map(String::as_str).filter(|text| !refusal.contains(text)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_must_say_all_that_the_manifest_names() {
        let refused = Refused { texts: vec!["spec.size".to_owned(), "immutable".to_owned()] };
        assert!(refused.missing_in("spec.size: it is immutable").is_empty());
        assert_eq!(refused.missing_in("spec.size: unknown"), ["immutable"]);
        assert_eq!(Refused { texts: Vec::new() }.missing_in("spec.size").len(), 1);
    }
}
