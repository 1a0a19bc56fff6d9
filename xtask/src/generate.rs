//! `cargo xtask generate`: writes the generated files; `check` compares them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io, process};

use crate::cargo::{TaskError, cargo, checkout, must};

/// A program that writes files into a folder, and the folder that holds nothing else.
struct Generator {
    package: &'static str,
    /// What `cargo run` is told besides, up to the folder.
    arguments: &'static [&'static str],
    folder: &'static str,
}

const GENERATORS: [Generator; 2] = [
    Generator {
        package: "infrafabric-crds",
        arguments: &["--example", "manifests", "--"],
        folder: "crds/manifests",
    },
    Generator {
        package: "ifctl",
        arguments: &["--", "provider", "matrix", "--dir"],
        folder: "docs/reference",
    },
];

/// Writes all generated files; what is no longer generated goes.
#[expect(clippy::print_stdout, reason = "says what was written")]
pub(crate) fn write() -> Result<ExitCode, TaskError> {
    for generator in &GENERATORS {
        let folder = checkout().join(generator.folder);
        for name in files(&folder)?.keys() {
            let path = folder.join(name);
            fs::remove_file(&path).map_err(|source| TaskError::File { path, source })?;
        }
        generator.run(&folder)?;
        for (name, text) in files(&folder)? {
            println!("{}/{name}: {} bytes", generator.folder, text.len());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The files that are not what would be generated now.
pub(crate) fn differences() -> Result<Vec<String>, TaskError> {
    let mut found = Vec::new();
    for (number, generator) in GENERATORS.iter().enumerate() {
        let fresh = Temporary::new(number)?;
        generator.run(&fresh.0)?;
        let mut committed = files(&checkout().join(generator.folder))?;
        for (name, text) in files(&fresh.0)? {
            match committed.remove(&name) {
                Some(before) if before == text => {}
                Some(_) => found.push(format!("{}/{name} is out of date", generator.folder)),
                None => found.push(format!("{}/{name} is missing", generator.folder)),
            }
        }
        let left = committed.into_keys();
        found.extend(left.map(|name| format!("{}/{name} is not generated", generator.folder)));
    }
    Ok(found)
}

impl Generator {
    fn run(&self, folder: &Path) -> Result<(), TaskError> {
        let run = ["run", "--quiet", "--package", self.package];
        must(cargo(&run).args(self.arguments).arg(folder))
    }
}

/// The files of a folder with their text; an absent folder has none.
fn files(folder: &Path) -> Result<BTreeMap<String, String>, TaskError> {
    let at = |path: PathBuf| move |source| TaskError::File { path, source };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        entries => entries.map_err(at(folder.to_owned()))?,
    };
    let mut found = BTreeMap::new();
    for entry in entries {
        let path = entry.map_err(at(folder.to_owned()))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        found.insert(name, fs::read_to_string(&path).map_err(at(path))?);
    }
    Ok(found)
}

/// A folder of this process, gone when dropped.
struct Temporary(PathBuf);

impl Temporary {
    fn new(number: usize) -> Result<Self, TaskError> {
        let name = format!("infrafabric-generate-{}-{number}", process::id());
        let path = env::temp_dir().join(name);
        match fs::create_dir(&path) {
            Ok(()) => Ok(Self(path)),
            Err(source) => Err(TaskError::File { path, source }),
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // A folder left behind in the system's temporary folder harms nothing.
        let _ = fs::remove_dir_all(&self.0);
    }
}
