//! Embeds every file of `providers/<domain>/`, packed, so that adding a provider is adding a file.
//!
//! What is embedded is the definition as data, extensions made whole, so that a process reads no YAML;
//! the `sandbox` section stands apart, since only simulators need it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use flate2::Compression;
use flate2::write::DeflateEncoder;
use infrafabric_definition::{Definition, extended};
use serde_json::Value as Json;

/// How long a chain of extensions may be.
const LONGEST_CHAIN: usize = 4;

struct File {
    domain: String,
    path: PathBuf,
    manifest: Json,
}

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?);
    let providers = root.join("providers");
    println!("cargo:rerun-if-changed={}", providers.display());
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    let mut files = BTreeMap::new();
    for domain in sorted(&providers)? {
        println!("cargo:rerun-if-changed={}", domain.display());
        for path in sorted(&domain)? {
            if path.extension().is_some_and(|extension| extension == "yaml") {
                println!("cargo:rerun-if-changed={}", path.display());
                let manifest = serde_saphyr::from_str(&fs::read_to_string(&path)?)
                    .map_err(|error| wrong(&path, &error.to_string()))?;
                let (name, domain) = (stem(&path), stem(&domain));
                if let Some(other) =
                    files.insert(name, File { domain, path: path.clone(), manifest })
                {
                    return Err(wrong(&path, &format!("{} has that name", other.path.display())));
                }
            }
        }
    }
    let mut entries = Vec::new();
    for (name, file) in &files {
        if file.manifest["metadata"]["name"] != **name {
            return Err(wrong(&file.path, "metadata.name is not the file's name"));
        }
        let spec = whole(&files, name, LONGEST_CHAIN)?;
        let mut spec: Definition =
            serde_json::from_value(spec).map_err(|error| wrong(&file.path, &error.to_string()))?;
        if spec.domain.as_str() != file.domain {
            return Err(wrong(&file.path, "spec.domain is not the folder's name"));
        }
        let digest = spec.digest();
        let sandbox = spec.sandbox.take();
        let write = |kind: &str, text: &[u8]| {
            let packed = out.join(format!("{name}.{kind}.deflate"));
            fs::write(&packed, pack(text)?)?;
            io::Result::Ok(packed.display().to_string())
        };
        let packed = write("definition", &serde_json::to_vec(&spec)?)?;
        let sandbox = write("sandbox", &serde_json::to_vec(&sandbox)?)?;
        entries.push(format!(
            "    BuiltIn {{ name: {name:?}, digest: {digest:?}, packed: include_bytes!({packed:?}), \
             sandbox: include_bytes!({sandbox:?}) }}"
        ));
    }
    fs::write(out.join("built_in.rs"), format!("&[\n{}\n]\n", entries.join(",\n")))
}

/// The definition with all that it extends.
fn whole(files: &BTreeMap<String, File>, name: &str, left: usize) -> io::Result<Json> {
    let file =
        files.get(name).ok_or_else(|| io::Error::other(format!("no definition `{name}`")))?;
    let spec = &file.manifest["spec"];
    let Some(base) = spec.get("extends") else { return Ok(spec.clone()) };
    let base = base.as_str().filter(|_| left > 0);
    let base =
        base.ok_or_else(|| wrong(&file.path, "spec.extends is no name, or one of too many"))?;
    whole(files, base, left - 1).map(|base| extended(base, spec))
}

fn wrong(path: &Path, reason: &str) -> io::Error {
    io::Error::other(format!("{}: {reason}", path.display()))
}

fn pack(text: &[u8]) -> io::Result<Vec<u8>> {
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::best());
    packer.write_all(text)?;
    packer.finish()
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
