//! Embeds every file of `providers/<domain>/`, so that adding a provider is adding a file.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?);
    let providers = root.join("providers");
    println!("cargo:rerun-if-changed={}", providers.display());
    let mut entries = Vec::new();
    for domain in sorted(&providers)? {
        println!("cargo:rerun-if-changed={}", domain.display());
        for file in sorted(&domain)? {
            if file.extension().is_some_and(|extension| extension == "yaml") {
                println!("cargo:rerun-if-changed={}", file.display());
                let (domain, name) = (stem(&domain), stem(&file));
                entries.push(format!(
                    "    BuiltIn {{ domain: {domain:?}, name: {name:?}, text: include_str!({:?}) }}",
                    file.display().to_string(),
                ));
            }
        }
    }
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?).join("built_in.rs");
    fs::write(out, format!("&[\n{}\n]\n", entries.join(",\n")))
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}
